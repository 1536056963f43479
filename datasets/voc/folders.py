"""Annotations as VOC's and their images, in the folders that tools make.

An annotation is of the image of its own stem, folders included. Where there
is none, it is of the one that <filename> names or that has its stem in
another folder, unless that image has an annotation of its own stem.
"""
import collections
import functools
import os
import posixpath

from datasets import file_trees
from datasets import image_folder
from datasets import label_map
from datasets import samples
from datasets import text_files
from datasets.voc import annotations
from datasets.voc import image_sets
from datasets.voc import layouts
from datasets.voc import pascalvoc


class Part:
    """The images of two folders, or of a list of them: a Source.

    Attributes:
      folder: where the lists are, in ImageSets/Main.
      notes: a sentence that tells where annotations and images are.
    """

    def __init__(self, folder: str, image_set: str | None, output_name: str,
                 images_dir: str | None = None,
                 annotations_dir: str | None = None):
        """Takes a list in ImageSets/Main, None for every annotation.

        The folders are those of VOC if they are not given.
        """
        self.folder = folder
        self.image_set = image_set
        self.output_name = output_name
        self._images = image_folder.ImageFolder(
            images_dir or os.path.join(folder, 'JPEGImages'))
        self._annotations_dir = annotations_dir or os.path.join(
            folder, 'Annotations')
        self.notes = (f'annotations in {self._annotations_dir}, images in '
                      f'{self._images.path}',)
        self._labels_path = os.path.join(folder, 'labelmap.txt')
        self._names, self._unmarked = [], []
        # {image: name} where more than the stem had to tell which it is.
        self._chosen = {}

    @functools.cached_property
    def labels(self) -> tuple[str, ...] | None:
        """Returns the classes of CVAT's labelmap.txt, None without one."""
        return (label_map.read_labels(self._labels_path)
                if os.path.isfile(self._labels_path) else None)

    def missing(self) -> str | None:
        """Returns the folder that is not there, or None."""
        folders = self._annotations_dir, self._images.path
        return next((path for path in folders if not os.path.isdir(path)),
                    None)

    def names(self) -> list[str]:
        """Returns the stems of the images, in the order of their list.

        Without a list: those of the annotations.

        Raises:
          ValueError: a folder is missing, or the list is missing, empty or
            without annotations, or has a name twice or one that leads out.
        """
        missing = self.missing()
        if missing is not None:
            raise ValueError(
                f'{missing} is not a folder; --dataset_dir must have '
                'Annotations and JPEGImages, as in VOC, or --annotations_dir '
                'and --images_dir tell others.')
        if self.image_set is None:
            origin = self._annotations_dir
            names = sorted(self._annotations)
        else:
            origin = image_sets.path_of(self.folder, self.image_set)
            names, self._unmarked = image_sets.read(
                origin, {*self._annotations, *self._images.by_stem},
                [os.path.basename(os.path.abspath(path)) for path
                 in (self._annotations_dir, self._images.path)])
        if not names:
            raise ValueError(f'{origin} names no annotation.')
        for name, count in collections.Counter(names).items():
            if (count > 1 or not text_files.is_printable(name)
                    or posixpath.isabs(name) or '..' in name.split('/')):
                raise ValueError(
                    f'{origin}: {text_files.shown(name)} is given {count} '
                    'times; names must be single, printable and inside of the '
                    'folder.')
        if self._annotations.keys().isdisjoint(names):
            raise ValueError(
                f'{origin}: {self._annotations_dir} has an annotation of none '
                f'of its {len(names)} names, as {text_files.shown(names[0])}.')
        self._names = names
        return names

    def load(self, name: str) -> samples.Annotated:
        """Reads an annotation, called by its stem, and its image.

        An image without annotation, which only a list can name, has no
        objects. `named_file` is the other image that <filename> names.
        """
        paths = self._annotations.get(name, [f'{name}.xml'])
        path = os.path.join(self._annotations_dir, paths[0])
        try:
            if len(paths) > 1:
                raise ValueError(f'also called {", ".join(paths[1:])}')
            is_listed_alone = (name not in self._annotations
                               and name in self._images.by_stem)
            annotation = annotations.Annotation('', None, None, (), (
                samples.LISTED_WITHOUT_ANNOTATION,)) if (
                    is_listed_alone) else annotations.read_annotation(path)
        except (ValueError, OSError) as error:
            return samples.Annotated(
                name, path, faults=[samples.bad_annotation(path, error)])
        size = annotation.height, annotation.width
        return self._with_image(samples.Annotated(
            name, path, size=None if None in size else size,
            objects=annotation.objects, repairs=annotation.repairs,
            is_relative=is_listed_alone), annotation.filename)

    def left_out(self) -> dict[str, list[str]]:
        """Returns {reason: files that no name stands for}, after `names`.

        Which images <filename> chose is known after `load`.
        """
        folders = list(map(os.path.abspath, (
            self._annotations_dir, self._images.path)))
        by_stem = self._annotations, self._images.by_stem
        others = {os.path.join(folder, name) for folder in folders
                  for name in image_folder.files_below(folder)}
        others -= {os.path.join(folder, name)
                   for folder, some in zip(folders, by_stem, strict=True)
                   for names in some.values() for name in names}
        others -= {os.path.join(folders[1], name) for name in self._chosen}
        others.discard(os.path.abspath(self._labels_path))
        left, used = collections.defaultdict(list), set(self._names)
        for kind, some in zip(('annotation', 'image'), by_stem, strict=True):
            for stem, names in some.items():
                free = [name for name in names if name not in self._chosen]
                if stem not in used:
                    left[f'{kind} {self._reason(stem)}'] += free
                elif len(names) > 1:
                    left[f'{kind} whose name another one has'] += (
                        free if kind == 'image' else free[1:])
        root = os.path.commonpath(folders)
        left['neither an image nor an annotation'] = sorted(
            os.path.relpath(path, root) for path in others)
        return {reason: names for reason, names in left.items() if names}

    def _reason(self, stem):
        """Returns why files of a stem are left out."""
        if stem in self._unmarked:
            return 'marked -1 in the list'
        return ('without annotation' if self.image_set is None
                else 'not in the list')

    @functools.cached_property
    def _annotations(self):
        """Returns {stem: names of the files in the folder}."""
        return image_folder.by_stem(
            image_folder.files_below(self._annotations_dir),
            layouts.ENDINGS)

    @functools.cached_property
    def _by_last_name(self):
        """Returns {stem without folders: images that may be of any stem}."""
        found = collections.defaultdict(list)
        for stem, names in self._images.by_stem.items():
            if stem not in self._annotations:
                found[posixpath.basename(stem)] += names
        return found

    @functools.cached_property
    def _num_of_last_name(self):
        return collections.Counter(map(posixpath.basename, self._annotations))

    def _with_image(self, annotated, named):
        """Returns it with its image, or with the fault that there is none."""
        choice = self._choose(annotated.name, named)
        if isinstance(choice, samples.Fault):
            return annotated._replace(faults=[choice])
        file_name, other, repairs = choice
        annotated = annotated._replace(
            file_name=file_name, named_file=other,
            repairs=[*annotated.repairs, *repairs])
        try:
            return annotated._replace(image=self._images.path_of(file_name))
        except ValueError as error:
            return annotated._replace(
                faults=[samples.unreadable_image(file_name, error)])

    def _choose(self, name, named):
        """Returns a Fault, or the image of a stem and what goes with it.

        That is another image that <filename> names, '' if none, and repairs.
        """
        own = self._images.by_stem.get(name, [])
        if own == [named]:
            return named, '', []
        other = self._named(name, named)
        if len(own) == 1 and other in (None, *own):
            is_found = named and other is None
            return own[0], '', [samples.IMAGE_FOUND_BY_STEM] * bool(is_found)
        if len(own) == 1:
            return own[0], other, []
        kind, last = samples.IMAGE_FOUND_BY_NAME, posixpath.basename(name)
        if own and other not in own:
            return samples.Fault(samples.AMBIGUOUS_IMAGE, (
                f'{len(own)} images of its name ({", ".join(own)}), and '
                f'<filename> {text_files.shown(named)} is none of them'))
        if not own and (other is None or not self._is_free(other, name)):
            kind = samples.IMAGE_FOUND_BY_STEM
            free = self._by_last_name.get(last, [])
            other = free[0] if (
                len(free) == self._num_of_last_name[last] == 1) else None
        if other is None:
            unread = self._images.by_stem_unread.get(name)
            return samples.Fault(samples.MISSING_IMAGE, (
                f'no image: {self._images.name} has neither '
                f'{text_files.shown(named)} nor '
                f'{name!r} with {", ".join(image_folder.EXTENSIONS)}'
                + (f', but {unread!r}' if unread else '')))
        owner = self._chosen.setdefault(other, name)
        if owner != name:
            return samples.Fault(samples.AMBIGUOUS_IMAGE, (
                f'image {other} is that of {owner!r} too'))
        return other, '', [] if own else [kind]

    def _named(self, name, named):
        """Returns the image that <filename> names, None if it is not there.

        It may be of another machine, and lack the folder or the ending.
        """
        last = posixpath.basename(image_folder.key(named))
        for one in (named, posixpath.join(posixpath.dirname(name), last)):
            found = self._images.by_stem.get(image_folder.key(one), [])
            file_name = self._images.find(one) or (
                found[0] if len(found) == 1 else None)
            if file_name is not None:
                return file_name
        return None

    def _is_free(self, file_name, name):
        """Whether an image is of no other annotation's stem."""
        stem = os.path.splitext(image_folder.key(file_name))[0]
        return stem == name or stem not in self._annotations


def find(dataset_dir: str, image_set: str | None, output_name: str,
         images_dir: str | None = None,
         annotations_dir: str | None = None) -> list[Part] | None:
    """Returns the Parts of a data set, None if there are no annotations.

    There are several if the data is split into folders train, valid, test.

    Args:
      dataset_dir: the data set, or a folder at most two above it.
      image_set: a list in ImageSets/Main; None for every annotation.
      output_name: of the records; that of a split ends in it.
      images_dir: a folder of images, perhaps with folders in it.
      annotations_dir: the same of annotations; see layouts.find.

    Raises:
      ValueError: there are several data sets; names them.
    """
    found = layouts.find(dataset_dir, images_dir, annotations_dir)
    if len(found) == 1 and image_set is None:
        found = layouts.by_split(*found)
    if len(found) <= 1:
        return [Part(folder, image_set, output_name, images, below)
                for folder, images, below in found] or None
    splits = {layouts.split_of(layout.folder): layout for layout in found}
    if None in splits or len(splits) < len(found) or image_set is not None:
        raise ValueError(
            f'{dataset_dir} holds {len(found)} data sets: '
            f'{", ".join(layout.folder for layout in found)}; give one of '
            'them as --dataset_dir.')
    return [Part(folder, None, file_trees.output_name(
        output_name, split, splits), images, below)
        for split, (folder, images, below) in splits.items()]


def find_0712(root: str) -> list[Part]:
    """Returns the Parts of VOC2007, VOC2012 and the test set of VOC2007.

    Raises:
      ValueError: one of them is missing; says where it was looked for.
    """
    parts = []
    for output_name, image_set, names in pascalvoc.SOURCES_0712:
        lists = {folder: image_sets.path_of(folder, image_set) for folder
                 in (os.path.join(root, name) for name in names)}
        found = next((folder for folder, path in lists.items()
                      if os.path.isfile(path)), None)
        if found is None:
            raise ValueError(f'Nothing for {output_name}: none of '
                             f'{", ".join(lists.values())} exists.')
        parts.append(Part(found, image_set, output_name))
    return parts
