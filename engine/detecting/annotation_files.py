"""What was found, as annotations: to be corrected, and to be trained on.

In the formats of tf_convert_data.py, whose readers read the same again. Files
that are there are never replaced: they may have been corrected by hand.
"""
import contextlib
import json
import os
from collections import abc

import numpy as np

from common import commands
from common import files
from datasets import samples
from datasets.coco import contents as coco
from datasets.csv import annotations as csv
from datasets.voc import annotations as voc
from datasets.yolo import annotations as yolo
from datasets.yolo import sets
from engine.detecting import detections
from engine.detecting import sources


class AnnotationFiles:
    """Annotations of images in some formats.

    Attributes:
      made: what they are, in words.
      notes: sentences on what they lack, in the end.
      commands: {format: what converts it to records}.
    """

    def __init__(self, formats: abc.Sequence[str], source: sources.Source,
                 output_dir: str, image_id: abc.Callable[
                     [detections.Sample], int] | None = None):
        """Looks at what would be written.

        Args:
          formats: names of FORMATS.
          source: the images.
          output_dir: folder of the results.
          image_id: tells COCO's ids.

        Raises:
          ValueError: there is no such format; the source is no images; a file
            is there already, or two images would have the same.
        """
        unknown = sorted(set(formats) - set(FORMATS))
        if unknown:
            raise ValueError(f'--format={",".join(unknown)}: use one or '
                             f'several of {", ".join(FORMATS)}.')
        self._formats, self._image_id = dict.fromkeys(formats), image_id
        if self._formats and source.is_video:
            raise ValueError(
                f'--format={",".join(formats)}: {source.files[0]} is a video, '
                'whose frames are not files; leave the flag out.')
        self._formats = [FORMATS[name](source, output_dir)
                         for name in self._formats]
        for one in self._formats:
            for path in one.paths:
                if os.path.exists(path):
                    raise ValueError(
                        f'--format={one.format}: {path} is there already and '
                        'may have been corrected by hand; give another '
                        '--output_dir.')
        self.made = [one.folder for one in self._formats]
        self.commands = {one.format: one.command for one in self._formats}
        self.notes = []

    @contextlib.contextmanager
    def opened(self, class_names: abc.Sequence[str]) -> abc.Iterator[None]:
        """The block to add in; some files are written at its end."""
        with contextlib.ExitStack() as stack:
            for one in self._formats:
                stack.enter_context(one.opened(class_names))
            yield

    def add(self, sample: detections.Sample):
        """Writes what was found in an image file."""
        if self._formats and sample.frame is None:
            annotated = to_annotated(sample)
            if self._image_id is not None:
                annotated = annotated._replace(image_id=self._image_id(sample))
            scores = np.round(sample.found.scores.astype(float), 4).tolist()
            for one in self._formats:
                one.add(annotated, scores)
        elif self._formats and sample.frame == 0:
            self.notes.append(f'{sample.file} is animated, its frames are not '
                              'files: no annotations.')


def to_annotated(sample: detections.Sample) -> samples.Annotated:
    """Returns what was found in an image file, in hundredths of pixels."""
    found = sample.found
    bboxes = np.round(found.bboxes.astype(float), 2)
    # A bbox without area would be refused where it is trained on.
    low = np.minimum(bboxes[:, :2], np.array(found.size) - 1)
    high = np.round(np.maximum(bboxes[:, 2:], low + 1), 2)
    return samples.Annotated(
        sample.name, sample.file, sample.name, sample.file, found.size, tuple(
            samples.Object(name, (xmin, ymin, xmax, ymax))
            for name, (ymin, xmin), (ymax, xmax) in zip(
                found.names, low.tolist(), high.tolist())))


class _Files:
    """The annotations of one format."""
    format = folder = ''
    names = ()  # Of files, if they do not depend on the images.

    def __init__(self, source, output_dir):
        self._folder = os.path.join(output_dir, self.folder)
        self.paths = self._choose_paths(source.names)
        root = os.path.abspath(source.files[0])[:-len(source.names[0])]
        root = root.rstrip(os.sep) or root
        flags = self._flags(root)
        if os.path.dirname(root) == flags.get('images_dir'):
            raise ValueError(
                f'--format={self.format}: the images have no folder in common '
                f'but {root}, and the conversion would look through all of '
                'it; detect in each folder by itself, or use --format=yolo.')
        self.command = commands.line(
            'python tf_convert_data.py', format=self.format, **flags,
            output_name='own_train', output_dir='tfrecords')

    def _choose_paths(self, names):
        return [os.path.join(self._folder, name) for name in self.names]

    def _flags(self, root):
        """Returns the flags of the conversion of images below a folder."""
        return {'dataset_dir': self._folder, 'images_dir': root}

    def _paths_by_stem(self, names, ending):
        """Returns {name: path of its own file}."""
        paths, taken = {}, {}
        for name in names:
            path = os.path.join(
                self._folder, *os.path.splitext(name)[0].split('/')) + ending
            if taken.setdefault(path, name) != name:
                raise ValueError(
                    f'--format={self.format}: {taken[path]} and {name} would '
                    f'have the same annotation, {path}; rename one of them.')
            paths[name] = path
        return paths


class _Voc(_Files):
    """An XML for each image, and CVAT's list of the classes."""
    format, folder = 'voc', 'Annotations'

    def _choose_paths(self, names):
        self._paths = self._paths_by_stem(names, '.xml')
        self._labels_path = os.path.join(
            os.path.dirname(self._folder), 'labelmap.txt')
        return list(self._paths.values())

    def _flags(self, root):
        return {'dataset_dir': os.path.dirname(self._folder),
                'images_dir': root}

    @contextlib.contextmanager
    def opened(self, class_names):
        yield
        if not os.path.exists(self._labels_path):
            files.write_whole(self._labels_path, [
                '# label:color_rgb:parts:actions\n',
                *(f'{name}:::\n' for name in class_names)])

    def add(self, annotated, scores):
        files.write_whole(self._paths[annotated.name], [voc.format_annotation(
            voc.Annotation(annotated.file_name, *annotated.size,
                           annotated.objects))])


class _Yolo(_Files):
    """A label file for each image, a list of the images, names of classes."""
    format, folder = 'yolo', 'yolo'

    def _choose_paths(self, names):
        self._yaml_path, self._list_path = (
            os.path.join(self._folder, name)
            for name in ('data.yaml', 'images.txt'))
        self._folder = os.path.join(self._folder, 'labels')
        self._paths = self._paths_by_stem(names, '.txt')
        return [*self._paths.values(), self._yaml_path, self._list_path]

    def _flags(self, root):
        return {'dataset_dir': os.path.dirname(self._folder),
                'annotations_dir': self._folder}

    @contextlib.contextmanager
    def opened(self, class_names):
        self._class_names, self._images = class_names, []
        yield
        files.write_whole(self._list_path, [
            f'{os.path.abspath(path)}\n' for path in self._images])
        files.write_whole(self._yaml_path, [sets.format_yaml(
            class_names, train=os.path.basename(self._list_path))])

    def add(self, annotated, scores):
        files.write_whole(self._paths[annotated.name], [
            yolo.format_label_file(annotated, self._class_names)])
        self._images.append(annotated.image)


class _Csv(_Files):
    """A table, and keras-retinanet's list of the classes."""
    format, folder = 'csv', 'csv'
    names = 'annotations.csv', 'classes.csv'

    @contextlib.contextmanager
    def opened(self, class_names):
        table, classes = self.paths
        with files.whole(table) as path:
            with open(path, 'w', encoding='utf-8') as self._file:
                self._file.write(csv.format_rows(None))
                yield
        files.write_whole(classes, [csv.format_labels(class_names)])

    def add(self, annotated, scores):
        self._file.write(csv.format_rows(annotated, scores))


class _Coco(_Files):
    """A file of images, annotations and categories."""
    format, folder, names = 'coco', 'coco', ('annotations.json',)

    @contextlib.contextmanager
    def opened(self, class_names):
        self._images, self._num = [], 0
        self._category_ids = {
            name: number for number, name in enumerate(class_names, 1)}
        with files.whole(self.paths[0]) as path:
            with open(path, 'w', encoding='utf-8') as self._file:
                self._file.write('{"annotations": [')
                yield
                for key, entries in (('images', self._images), ('categories', [
                        {'id': number, 'name': name} for name, number
                        in self._category_ids.items()])):
                    self._file.write(f'\n],\n"{key}": [\n' + ',\n'.join(
                        map(_dumps, entries)))
                self._file.write('\n]}\n')

    def add(self, annotated, scores):
        self._images.append(coco.format_image(annotated))
        for entry in coco.format_annotations(
                annotated, self._category_ids, scores, self._num + 1):
            self._file.write(',' * bool(self._num) + f'\n{_dumps(entry)}')
            self._num += 1


def _dumps(value):
    return json.dumps(value, ensure_ascii=False)


FORMATS = {one.format: one for one in (_Voc, _Coco, _Yolo, _Csv)}
