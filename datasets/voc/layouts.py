"""Where annotations and images are, in the folders that tools make."""
import contextlib
import os
from typing import NamedTuple

from datasets import file_trees
from datasets import image_folder

ENDINGS = ('.xml',)

# What folders are called, in lower case; the first that is there is taken.
_IMAGES = ('jpegimages', 'images', 'image', 'imgs', 'img')
_ANNOTATIONS = ('annotations', 'annotation', 'xmls', 'xml', 'labels', 'label')
# VOCdevkit/VOC2007 is found below what is given.
_MAX_DEPTH = 2


class Layout(NamedTuple):
    """Folders of one data set, as paths."""
    folder: str  # Whose name is that of the set.
    images: str
    annotations: str


def find(dataset_dir: str, images_dir: str | None = None,
         annotations_dir: str | None = None) -> list[Layout]:
    """Returns the Layouts of the data sets in a folder, or two below it.

    Args:
      dataset_dir: the folder.
      images_dir: a folder of images; the only data set is then that of it
        and annotations_dir.
      annotations_dir: likewise. If one of the two is not given, it is found
        in dataset_dir, or is the other one.
    """
    if not (images_dir or annotations_dir):
        return _find(dataset_dir, _MAX_DEPTH)
    if not (images_dir and annotations_dir):
        images, annotations = _known_folders(dataset_dir)
        images_dir = images_dir or images or annotations_dir
        annotations_dir = annotations_dir or annotations or images_dir
    if os.path.isdir(annotations_dir) and not _has_annotations(
            annotations_dir):
        return []
    return [Layout(dataset_dir, images_dir, annotations_dir)]


def by_split(layout: Layout) -> list[Layout]:
    """Returns one for each split that is a folder in both, else the same."""
    _, images, annotations = layout
    splits, others = _subfolders(images), _subfolders(annotations)
    if (images == annotations or len(others) < 2
            or splits.keys() != others.keys()
            or not all(map(split_of, others.values()))):
        return [layout]
    return [Layout(path, splits[name], path) for name, path in others.items()]


def split_of(path: str) -> str | None:
    """Returns the split that a folder is called by, None if by none."""
    return file_trees.SPLITS.get(os.path.basename(path).lower())


def _find(folder, depth):
    """Returns the Layouts of a folder or, if there is none, below it."""
    images, annotations = _known_folders(folder)
    if images and annotations:
        return [Layout(folder, images, annotations)]
    if _is_flat(folder):
        return [Layout(folder, folder, folder)]
    return [layout for path in _subfolders(folder).values() if depth
            for layout in _find(path, depth - 1)]


def _known_folders(folder):
    """Returns the paths of images and annotations; None for what is not."""
    found = {name.lower(): path for name, path in _subfolders(folder).items()}
    images = next((found[name] for name in _IMAGES if name in found), None)
    annotations = next((
        found[name] for name in _ANNOTATIONS if name in found
        and ('jpegimages' in found or _has_annotations(found[name]))), None)
    return images, annotations


def _is_flat(folder):
    """Whether a folder itself has images and annotations."""
    endings = {os.path.splitext(entry.name)[1].lower()
               for entry in _entries(folder)}
    return not endings.isdisjoint(ENDINGS) and not endings.isdisjoint(
        image_folder.EXTENSIONS)


def _has_annotations(folder):
    return bool(image_folder.by_stem(image_folder.files_below(folder), ENDINGS))


def _subfolders(folder):
    return {entry.name: entry.path for entry in _entries(folder)
            if entry.is_dir()}


def _entries(folder):
    """Returns the sorted entries of a folder that are not hidden."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not image_folder.is_hidden(
            entry.name)), key=lambda entry: entry.name)
    return []
