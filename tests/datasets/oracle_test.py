"""One set of drawn shapes in four formats, as globox writes them."""
import csv
import functools
import os

import globox
import numpy as np
import pytest

from datasets import conversion
from datasets import records
from datasets.coco import annotations as coco
from datasets.csv import annotations as csv_annotations
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from datasets.yolo import annotations as yolo

NUM_IMAGES = 40
FIELDS = ('filename', 'width', 'height', 'class', 'xmin', 'ymin', 'xmax',
          'ymax')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """The set as this project writes it, and as globox reads that."""
    folder = tmp_path_factory.mktemp('shapes')
    synthetic_shapes.write(str(folder), NUM_IMAGES, 0, seed=3, size=64)
    annotations = globox.AnnotationSet.from_pascal_voc(folder / 'Annotations')
    annotations['000007.jpg'].boxes.clear()  # One has none.
    return folder, annotations


def write_voc(folder, annotations):
    annotations.save_pascal_voc(folder / 'Annotations')
    return 'JPEGImages', functools.partial(folders.find, image_set=None)


def write_coco(folder, annotations):
    annotations.save_coco(folder / 'labels.json', auto_ids=True)
    return 'images', coco.find


def write_yolo(folder, annotations):
    annotations.save_yolo_v5(folder / 'labels', label_to_id={
        name: index for index, name in enumerate(drawing.CLASSES)})
    (folder / 'data.yaml').write_text(
        f'train: images\nnames: [{", ".join(drawing.CLASSES)}]\n')
    return 'images', yolo.find


def write_csv(folder, annotations):
    with open(folder / 'labels.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for image in annotations:
            for box in image.boxes:
                writer.writerow([image.image_id, *image.image_size, box.label,
                                 *box.ltrb])
            if not image.boxes:
                writer.writerow([image.image_id, *image.image_size, *[''] * 5])
    return 'images', csv_annotations.find


@pytest.mark.parametrize('write', [write_voc, write_coco, write_yolo,
                                   write_csv])
def test_every_format_gives_the_same_records(shapes, tmp_path, write):
    root, annotations = shapes
    images, find = write(tmp_path, annotations)
    (tmp_path / images).symlink_to(root / 'JPEGImages')
    source, = find(str(tmp_path), output_name='toy_train',
                   images_dir=str(tmp_path / images))
    manifest, = conversion.convert(
        [source], str(tmp_path / 'records'), drawing.CLASSES)
    assert manifest['num_images'] == NUM_IMAGES
    assert manifest['num_objects'] == annotations.nb_boxes() > NUM_IMAGES
    assert manifest['repaired'] == manifest['skipped'] == {}
    # Files, classes and what is not an image of the set.
    assert sum(entry['count'] for entry in manifest['left_out'].values()) == 0
    num_empty = 0
    for sample in records.read_samples(
            records.shards(str(tmp_path / 'records'))['toy_train']):
        name = os.path.basename(sample.filename)
        boxes = annotations[name].boxes
        width, height = annotations[name].image_size
        assert (sample.width, sample.height) == (width, height)
        assert sample.names == [box.label for box in boxes]
        np.testing.assert_allclose(
            sample.bboxes * [height, width, height, width],
            np.reshape([(box.ymin, box.xmin, box.ymax, box.xmax)
                        for box in boxes], (-1, 4)), atol=1e-4)
        num_empty += not boxes
    assert num_empty == 1
