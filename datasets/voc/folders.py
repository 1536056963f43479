"""VOC folders: Annotations/<stem>.xml, JPEGImages, lists of stems."""
import collections
import os

from datasets import image_folder
from datasets import samples
from datasets.voc import annotations
from datasets.voc import pascalvoc


class Part:
    """The images of one VOC folder, or of a list in it: a Source."""

    def __init__(self, folder: str, image_set: str | None, output_name: str):
        """Takes a list in ImageSets/Main, None for every annotation."""
        self.folder = folder
        self.image_set = image_set
        self.output_name = output_name
        self._images = image_folder.ImageFolder(
            os.path.join(folder, 'JPEGImages'))
        self._annotations = os.path.join(folder, 'Annotations')

    def missing(self) -> str | None:
        """Returns the folder that is not there, or None."""
        folders = self._annotations, self._images.path
        return next((path for path in folders if not os.path.isdir(path)),
                    None)

    def names(self) -> list[str]:
        """Returns the stems of the annotations, in the order of their list.

        Raises:
          ValueError: the folder is not VOC, or the list is missing or empty,
            or has a name twice or one with a folder.
        """
        missing = self.missing()
        if missing is not None:
            raise ValueError(f'{missing} is not a folder; --dataset_dir must '
                             'have Annotations and JPEGImages, as in VOC.')
        if self.image_set is None:
            origin = self._annotations
            stems = _stems_in(origin, '.xml')
        else:
            origin = image_set_path(self.folder, self.image_set)
            stems = _read_list(origin)
        if not stems:
            raise ValueError(f'{origin} names no annotation.')
        for stem, count in collections.Counter(stems).items():
            if count > 1 or set('/\\') & set(stem) or not stem.isprintable():
                raise ValueError(
                    f'{origin}: {stem!r} is given {count} times; names must '
                    'be single, printable and without folder.')
        return stems

    def left_out(self) -> dict[str, list[str]]:
        """Returns {reason: files found that no name stands for}."""
        return {}

    def load(self, name: str) -> samples.Annotated:
        """Reads an annotation, called by its stem, and its image."""
        path = os.path.join(self._annotations, f'{name}.xml')
        try:
            annotation = annotations.read_annotation(path)
        except (ValueError, OSError) as error:
            message = str(error).removeprefix(f'{path}: ').rstrip('.')
            return samples.Annotated(name, path, faults=[
                samples.Fault(samples.BAD_ANNOTATION, message)])
        size = annotation.height, annotation.width
        repairs = [samples.MISSING_SIZE] if None in size else []
        annotated = samples.Annotated(
            name, path, size=None if repairs else size,
            objects=annotation.objects, repairs=repairs)
        file_name = self._images.find(annotation.filename, name)
        if file_name is None:
            return annotated._replace(faults=[samples.Fault(
                samples.MISSING_IMAGE,
                f'no image: {self._images.name} has neither '
                f'{annotation.filename!r} nor {name!r} with '
                f'{", ".join(image_folder.EXTENSIONS)}')])
        if file_name != annotation.filename:
            repairs.append(samples.IMAGE_FOUND_BY_STEM)
        try:
            return annotated._replace(
                file_name=file_name, content=self._images.read(file_name))
        except (ValueError, OSError) as error:
            return annotated._replace(
                faults=[samples.unreadable_image(file_name, error)])


def image_set_path(folder: str, image_set: str) -> str:
    """Returns the path of a list of images."""
    return os.path.join(folder, 'ImageSets', 'Main', f'{image_set}.txt')


def find_0712(root: str) -> list[Part]:
    """Returns the Parts of VOC2007, VOC2012 and the test set of VOC2007.

    Raises:
      ValueError: one of them is missing; says where it was looked for.
    """
    parts = []
    for output_name, image_set, names in pascalvoc.SOURCES_0712:
        lists = {folder: image_set_path(folder, image_set) for folder
                 in (os.path.join(root, name) for name in names)}
        found = next((folder for folder, path in lists.items()
                      if os.path.isfile(path)), None)
        if found is None:
            raise ValueError(f'Nothing for {output_name}: none of '
                             f'{", ".join(lists.values())} exists.')
        parts.append(Part(found, image_set, output_name))
    return parts


def _stems_in(folder, ending):
    """Returns the sorted stems of the files of a folder with an ending."""
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    # ._x.xml is what archives made on a Mac have beside x.xml.
    return sorted(name.removesuffix(ending) for name in names
                  if name.endswith(ending) and name[0] != '.')


def _read_list(path):
    """Returns the names in a list of images."""
    try:
        with open(path, encoding='utf-8-sig') as file:
            return [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        found = ', '.join(_stems_in(os.path.dirname(path), '.txt'))
        raise ValueError(f'{path} is missing; --image_set can be: '
                         f'{found or "nothing in here"}.') from None
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text file in UTF-8.') from error
