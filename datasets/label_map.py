"""Class names <-> ids. Id 0 is the background, which only the network sees.

`labels` is everywhere a tuple of class names without the background: the name
of id `i` is `labels[i - 1]`.
"""
import difflib
from collections.abc import Iterable
from collections.abc import Sequence

from datasets import label_files
from datasets import text_files

BACKGROUND = 'background'

# Caffe's labelmap_voc.prototxt.
VOC_LABELS = (
    'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat',
    'chair', 'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person',
    'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor')
# Caffe's labelmap_coco.prototxt.
COCO_LABELS = (
    'person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train',
    'truck', 'boat', 'traffic light', 'fire hydrant', 'stop sign',
    'parking meter', 'bench', 'bird', 'cat', 'dog', 'horse', 'sheep', 'cow',
    'elephant', 'bear', 'zebra', 'giraffe', 'backpack', 'umbrella', 'handbag',
    'tie', 'suitcase', 'frisbee', 'skis', 'snowboard', 'sports ball', 'kite',
    'baseball bat', 'baseball glove', 'skateboard', 'surfboard',
    'tennis racket', 'bottle', 'wine glass', 'cup', 'fork', 'knife', 'spoon',
    'bowl', 'banana', 'apple', 'sandwich', 'orange', 'broccoli', 'carrot',
    'hot dog', 'pizza', 'donut', 'cake', 'chair', 'couch', 'potted plant',
    'bed', 'dining table', 'toilet', 'tv', 'laptop', 'mouse', 'remote',
    'keyboard', 'cell phone', 'microwave', 'oven', 'toaster', 'sink',
    'refrigerator', 'book', 'clock', 'vase', 'scissors', 'teddy bear',
    'hair drier', 'toothbrush')


def ids_of(labels: Sequence[str]) -> dict[str, int]:
    """Returns {name: id}; ids begin at 1."""
    return {name: i for i, name in enumerate(labels, 1)}


def names_of(labels: Sequence[str]) -> dict[int, str]:
    """Returns {id: name}, the background included."""
    return {0: BACKGROUND, **dict(enumerate(labels, 1))}


def read_labels(path: str) -> tuple[str, ...]:
    """Reads class names from a file of any kind that `label_files` knows.

    Raises:
      ValueError: it is of no such kind, or has no name, or a name that is
        not allowed; names the file.
    """
    text = text_files.read_text(path)
    try:
        found = label_files.parse(text, str(path))
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    return _checked([(f'{path}, {place}', name) for place, name in found],
                    path)


def parse_labels(text: str) -> tuple[str, ...]:
    """Returns the class names of --labels; raises ValueError as `check`."""
    return check([name.strip() for name in text.split(',')], '--labels')


def check(labels: Sequence[str], origin: str) -> tuple[str, ...]:
    """Checks class names.

    Raises:
      ValueError: no name, or one that is not allowed; begins with `origin`.
    """
    return _checked([(f'{origin}, name {number}', name)
                     for number, name in enumerate(labels, 1)], origin)


def nearest(name: str, labels: Iterable[str]) -> str | None:
    """Returns the class name that looks most like `name`, or None."""
    by_lower_case = {label.lower(): label for label in labels}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return by_lower_case[matches[0]] if matches else None


def _checked(places_and_names, origin):
    """Returns the names; raises ValueError naming the place of a bad one."""
    if not places_and_names:
        raise ValueError(f'{origin} has no class name; give one a line.')
    places = {}
    for place, name in places_and_names:
        name = text_files.normalised(name)
        fault = None
        if not name:
            fault = 'is empty'
        elif name in places:
            fault = f'was already given at {places[name]}'
        elif name.lower() == BACKGROUND:
            fault = 'must be left out: the background is added by itself'
        elif not text_files.is_printable(name):
            fault = 'has a control character'
        if fault is not None:
            raise ValueError(
                f'{place}: class name {text_files.shown(name)} {fault}.')
        places[name] = place
    return tuple(places)
