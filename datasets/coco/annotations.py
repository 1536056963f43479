"""Finds COCO files and their images.

A file and its images are where COCO itself has them (annotations/
instances_train2017.json, train2017/), Roboflow (train/_annotations.coco.json
beside the images), or elsewhere below one folder.
"""
import mmap
import os

from datasets import file_trees
from datasets.coco import contents

# Folders of images beside those that are called as a file or a split is.
_IMAGE_FOLDERS = ('images', 'jpegimages', 'data')


def find(dataset_dir: str, output_name: str, images_dir: str | None = None,
         annotations_dir: str | None = None) -> list[file_trees.Part] | None:
    """Returns a source for each COCO file, None if there is none.

    Args:
      dataset_dir: folder of the files and of the images, at any depth; or one
        such file.
      output_name: of the records; the split is appended that the name of a
        file, or of its folder, tells.
      images_dir: where the images are, if not where tools put them.
      annotations_dir: folder of the files, if not below dataset_dir.

    Raises:
      ValueError: the files contradict each other or themselves.
      OSError: one cannot be read.
    """
    root, path = file_trees.folder_and_file(dataset_dir)
    if path is not None and os.path.basename(root).lower() == 'annotations':
        root = os.path.dirname(root)
    tree = file_trees.FileTree((images_dir, root, annotations_dir))
    paths = [path] if path is not None else [
        path for path in tree.below(file_trees.absolute(
            annotations_dir or root)) if path.lower().endswith('.json')]
    paths = list(filter(_is_coco, paths))
    # Beside them COCO has the same images' keypoints and regions.
    paths = [path for path in paths
             if os.path.basename(path).startswith('instances_')] or paths
    if not paths:
        return None
    for called in (_split, _stem):
        splits = {path: called(path) for path in paths}
        if len(set(splits.values())) == len(paths):
            return _parts(tree, {
                path: file_trees.output_name(output_name, split, splits)
                for path, split in splits.items()})
    raise ValueError(f'{root} has several COCO files of the same name: '
                     f'{", ".join(sorted(paths))}; convert one at a time.')


def find_2017(root: str) -> list[file_trees.Part]:
    """Returns the sources coco_2017_train and coco_2017_val.

    Raises:
      ValueError: one of the files is missing or is no COCO file.
      OSError: one cannot be read.
    """
    root = file_trees.absolute(root)
    paths = {os.path.join(root, 'annotations', f'instances_{split}2017.json'):
             f'coco_2017_{split}' for split in ('train', 'val')}
    for path in paths:
        if not os.path.isfile(path):
            raise ValueError(f"{path} is missing; it is in COCO's "
                             'annotations_trainval2017.zip.')
    return _parts(file_trees.FileTree([root]), paths)


def _parts(tree, output_names):
    """Returns the sources of {path: output_name}."""
    parts = []
    for path, output_name in output_names.items():
        content = contents.read(
            path, tree, _bases(path, tree.folders), _split(path))
        parts.append(file_trees.Part(
            path, output_name, content.annotated, tuple(content.category_ids),
            content.notes, category_ids=content.category_ids))
        if content.unlisted:
            parts[-1].leave_out('image that only annotations name', (
                f'id {image_id}, {number} annotations'
                for image_id, number in content.unlisted.items()))
    tree.account_for(parts, output_names, lambda path: (
        'image that no COCO file lists' if file_trees.is_image(path)
        else 'other file'))
    return parts


def _is_coco(path):
    """Returns whether a file has the words for the lists of a COCO file."""
    if os.path.getsize(path) == 0:
        return False
    with open(path, 'rb') as file, mmap.mmap(
            file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        encoding = ('utf-16-le' if content[:2] == b'\xff\xfe' else
                    'utf-16-be' if content[:2] == b'\xfe\xff' else 'utf-8')
        return all(content.find(f'"{key}"'.encode(encoding)) >= 0
                   for key in contents.LISTS)


def _stem(path):
    """Returns what a file is called, or its folder where all are the same."""
    stem = os.path.splitext(os.path.basename(path))[0]
    if stem in ('_annotations.coco', 'annotations'):
        return os.path.basename(os.path.dirname(path))
    return stem.removeprefix('instances_')


def _split(path):
    """Returns the split that a file or its folder is called by, or None."""
    return file_trees.split_in(_stem(path))


def _bases(path, folders):
    """Returns the folders in which a file's images may be, likely first."""
    stem, split = _stem(path).lower(), _split(path)
    names = [stem, *(name for name, meant in file_trees.SPLITS.items()
                     if meant == split)]
    bases = []
    for folder in dict.fromkeys([*folders, os.path.dirname(path)]):
        below = {name.lower(): os.path.join(folder, name)
                 for name in os.listdir(folder)}
        images = [below[name] for name in _IMAGE_FOLDERS
                  if os.path.isdir(below.get(name, ''))]
        bases += [below[name] for name in names if name in below]
        for other in images:
            bases += [os.path.join(other, name) for name in os.listdir(other)
                      if name.lower() in names]
        bases += [*images, folder]
    return list(filter(os.path.isdir, dict.fromkeys(bases)))
