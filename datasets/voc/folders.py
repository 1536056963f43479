"""Where things are in VOC folders: annotations, images, lists of images.

An annotation is called by its stem: Annotations/<stem>.xml.
"""
import collections
import functools
import os
import pathlib
import stat

from datasets.voc import pascalvoc

# In the order of preference.
IMAGE_EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp')

# Far more than any image that TensorFlow takes.
MAX_IMAGE_BYTES = 2 ** 28

# folder: has Annotations and JPEGImages; image_set: a list in
# ImageSets/Main, None for every annotation; output_name: of the records.
Part = collections.namedtuple('Part', ['folder', 'image_set', 'output_name'])


class VocFolder:
    """The images and annotations of one VOC folder."""

    def __init__(self, path):
        self.path = path

    def annotation_path(self, stem):
        """Returns the path of an annotation."""
        return os.path.join(self.path, 'Annotations', f'{stem}.xml')

    def image_path(self, file_name):
        """Returns the path of an image, for a name from `find_image`."""
        return os.path.join(self.path, 'JPEGImages', file_name)

    def find_image(self, file_name, stem):
        """Returns the name of an annotation's image in JPEGImages, or None.

        It is `file_name`, unless that leads out of the folder or is missing;
        else the stem with one of IMAGE_EXTENSIONS, in upper or lower case.
        """
        if (_is_below(file_name)
                and os.path.isfile(self.image_path(file_name))):
            return file_name
        return self._images_by_stem.get(stem)

    def read_image(self, file_name):
        """Returns the bytes of an image, for a name from `find_image`.

        Raises:
          ValueError: it is not a file, is too large, or is a link that leads
            out of JPEGImages, which itself may be a link to anywhere.
          OSError: it cannot be read.
        """
        path = self.image_path(file_name)
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode) or os.path.dirname(file_name):
            target = os.path.realpath(path)
            if os.path.commonpath([target, self._real_images]) != (
                    self._real_images):
                raise ValueError(
                    f'a link that leads out of JPEGImages, to {target!r}; '
                    'copy the file, or make JPEGImages itself the link')
            mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError('not a file')
        with open(path, 'rb', buffering=0) as file:
            content = file.read(MAX_IMAGE_BYTES)
            if file.read(1):
                raise ValueError(f'larger than {MAX_IMAGE_BYTES:,} bytes')
        return content

    @functools.cached_property
    def _real_images(self):
        return os.path.realpath(self.image_path(''))

    @functools.cached_property
    def _images_by_stem(self):
        found = {}
        folder = self.image_path('')
        for file_name in sorted(os.listdir(folder)
                                if os.path.isdir(folder) else ()):
            stem, extension = os.path.splitext(file_name)
            if extension.lower() in IMAGE_EXTENSIONS:
                found.setdefault(stem, []).append(file_name)
        return {stem: min(names, key=_preference)
                for stem, names in found.items()}


def list_stems(part):
    """Returns the stems of a Part's annotations, in the order of its list.

    Raises:
      ValueError: the folder is not VOC, or the list is missing or empty, or
        has a name twice or one with a folder.
    """
    missing = missing_folder(part.folder)
    if missing is not None:
        raise ValueError(f'{missing} is not a folder; --dataset_dir must '
                         'have Annotations and JPEGImages, as in VOC.')
    if part.image_set is None:
        annotations = os.path.join(part.folder, 'Annotations')
        # ._x.xml is what archives made on a Mac have beside x.xml.
        stems = sorted(name[:-4] for name in os.listdir(annotations)
                       if name.endswith('.xml') and name[0] != '.')
        origin = annotations
    else:
        origin = image_set_path(part.folder, part.image_set)
        if not os.path.isfile(origin):
            found = sorted(name[:-4] for name in _files_beside(origin)
                           if name.endswith('.txt'))
            raise ValueError(f'{origin} is missing; --image_set can be: '
                             f'{", ".join(found) or "nothing in here"}.')
        stems = _read_list(origin)
    if not stems:
        raise ValueError(f'{origin} names no annotation.')
    for stem, count in collections.Counter(stems).items():
        if count > 1 or set('/\\') & set(stem) or not stem.isprintable():
            raise ValueError(
                f'{origin}: {stem!r} is given {count} times; names must be '
                'single, printable and without folder.')
    return stems


def missing_folder(path):
    """Returns what a VOC folder lacks: Annotations, JPEGImages, or None."""
    folders = (os.path.join(path, name)
               for name in ('Annotations', 'JPEGImages'))
    return next((folder for folder in folders if not os.path.isdir(folder)),
                None)


def image_set_path(folder, image_set):
    """Returns the path of a list of images."""
    return os.path.join(folder, 'ImageSets', 'Main', f'{image_set}.txt')


def find_0712(root):
    """Returns the Parts of VOC2007, VOC2012 and the test set of VOC2007.

    Raises:
      ValueError: one of them is missing; says where it was looked for.
    """
    parts = []
    for source in pascalvoc.SOURCES_0712:
        lists = {folder: image_set_path(os.path.join(root, folder),
                                        source.image_set)
                 for folder in source.folders}
        found = [folder for folder, path in lists.items()
                 if os.path.isfile(path)]
        if not found:
            raise ValueError(f'Nothing for {source.output_name}: none of '
                             f'{", ".join(lists.values())} exists.')
        parts.append(Part(os.path.join(root, found[0]), source.image_set,
                          source.output_name))
    return parts


def _is_below(file_name):
    """Returns whether it is a name that cannot lead out of its folder."""
    # Both kinds of separators: annotations travel between systems.
    path = pathlib.PureWindowsPath(file_name)
    return (bool(file_name) and file_name.isprintable()
            and '..' not in path.parts and not path.anchor)


def _read_list(path):
    """Returns the names in a list of images."""
    try:
        with open(path, encoding='utf-8-sig') as file:
            return [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text file in UTF-8.') from error


def _files_beside(path):
    folder = os.path.dirname(path)
    return os.listdir(folder) if os.path.isdir(folder) else []


def _preference(file_name):
    return IMAGE_EXTENSIONS.index(os.path.splitext(file_name)[1].lower())
