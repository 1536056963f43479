"""The images of an evaluation's report: which ones, and what is drawn."""
import collections

import cv2
import numpy as np

from common import drawing
from datasets import records
from detection import error_kinds

NUM_PICTURES = 12
MAX_SIDE = 560
JPEG_QUALITY = 82
# Colors tell what became of a box, not its class: these ids of
# visualization.class_color are green, orange, crimson and blue.
FOUND, MISSED, WRONG, DIFFICULT = 7, 5, 8, 1

# image: number of the image; rows: int [n], the detections that are wrong,
# to be drawn; num_missed: how many objects were.
Choice = collections.namedtuple('Choice', 'image rows num_missed')


def most_confident_errors(breakdown, detections):
    """Chooses the images of the wrong detections of the highest scores.

    Returns:
      At most NUM_PICTURES Choices, an image once. Their first row is the
      detection they are chosen for.
    """
    wrong = np.flatnonzero(np.isin(breakdown.kinds, error_kinds.ERRORS))
    wrong = wrong[np.lexsort((wrong, -detections.scores[wrong]))]
    _, firsts = np.unique(detections.images[wrong], return_index=True)
    choices = []
    for row in wrong[np.sort(firsts)[:NUM_PICTURES]]:
        others = _counted_errors(breakdown, detections, detections.images[row])
        choices.append(Choice(
            int(detections.images[row]),
            np.append(row, others[others != row]), None))
    return choices


def most_missed(breakdown, groundtruths, detections):
    """Chooses the images with the most missed objects.

    Returns:
      At most NUM_PICTURES Choices.
    """
    missed = collections.Counter(
        groundtruths.images[breakdown.is_missed].tolist())
    most = sorted(missed.items(), key=lambda item: (-item[1], item[0]))
    return [Choice(image, _counted_errors(breakdown, detections, image),
                   num_missed)
            for image, num_missed in most[:NUM_PICTURES]]


def read_images(paths, names, images):
    """Reads some images again: one pass over the records, no graph.

    Args:
      paths: of the shards, in order.
      names: of the images that were scored, in the order of their numbers.
      images: set of the numbers that are wanted.

    Returns:
      {number: tfrecords.Sample}.
    """
    # Images of the same name kept the order of the records.
    numbers = collections.defaultdict(collections.deque)
    for number, name in enumerate(names):
        numbers[name].append(number)
    found = {}
    for index, sample in enumerate(records.read_samples(paths)):
        if len(found) == len(images):
            break
        waiting = numbers[records.image_name(sample.filename, index)]
        number = waiting.popleft() if waiting else None
        if number in images:
            found[number] = sample
    return found


def draw(choice, sample, groundtruths, detections, breakdown, class_names):
    """Returns the JPEG of an image with its objects and errors.

    Args:
      choice: Choice.
      sample: tfrecords.Sample of the image.
      groundtruths: voc_metrics.GroundTruths, in pixels.
      detections: voc_metrics.Detections, in pixels.
      breakdown: voc_errors.Breakdown.
      class_names: from class 1 on.

    Returns:
      bytes, or None if the image cannot be decoded.
    """
    picture = records.thumbnail(sample, MAX_SIDE)
    if picture is None:
        return None
    objects = np.flatnonzero(groundtruths.images == choice.image)
    # What comes first is drawn on top.
    objects = objects[np.argsort(~breakdown.is_missed[objects],
                                 kind='stable')]
    bboxes = np.concatenate([
        detections.bboxes[choice.rows], groundtruths.bboxes[objects]])
    colors, labels = [WRONG] * len(choice.rows), [
        describe(row, groundtruths, detections, breakdown, class_names)
        for row in choice.rows]
    for row in objects:
        name = class_names[groundtruths.classes[row] - 1]
        color, remark = ((DIFFICULT, ' (difficult)')
                         if groundtruths.difficult[row] else
                         (MISSED, ' missed') if breakdown.is_missed[row] else
                         (FOUND, ''))
        colors.append(color)
        labels.append(name + remark)
    scale = np.array(picture.shape[:2]) / (sample.height, sample.width)
    picture = drawing.draw_bboxes(
        picture, bboxes * np.tile(scale, 2), colors, labels)
    _, encoded = cv2.imencode(
        '.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def describe(row, groundtruths, detections, breakdown, class_names):
    """Returns what a detection is, such as 'dog 0.98: wrong class (cat)'."""
    name = class_names[detections.classes[row] - 1]
    text = f'{name} {detections.scores[row]:.2f}: {breakdown.kinds[row]}'
    if breakdown.kinds[row] == error_kinds.CLASS:
        label = groundtruths.classes[breakdown.objects[row]]
        text += f' ({class_names[label - 1]})'
    return text


def _counted_errors(breakdown, detections, image):
    rows = np.flatnonzero(
        (detections.images == image) & breakdown.is_counted
        & np.isin(breakdown.kinds, error_kinds.ERRORS))
    return rows[np.argsort(-detections.scores[rows], kind='stable')]
