"""ssd.pytorch's augmentation and targets, for benchmarks.pytorch_training.

Written from its description: photometric distortion, expansion up to 4 times,
random crop, mirroring, and a resize by linear interpolation. As there, the
smallest overlap of a crop never refuses one.
"""
import cv2
import numpy as np

from detection import boxes

# RGB.
MEAN = np.array((123., 117., 104.), np.float32)
SIDE = 300
PRIOR_SCALING = (0.1, 0.1, 0.2, 0.2)
MAX_EXPANSION = 4
MAX_TRIALS = 50


def augmented(sample, random):
    """Returns an image and its objects, changed at random.

    Args:
      sample: tfrecords.Sample.
      random: numpy Generator.

    Returns:
      float32 [3, 300, 300], RGB minus the mean; float32 [num_objects, 4],
      [ymin, xmin, ymax, xmax], relative; int64 [num_objects].
    """
    image = cv2.imdecode(
        np.frombuffer(sample.encoded, np.uint8), cv2.IMREAD_COLOR)
    image = _distorted(image.astype(np.float32), random)
    # In pixels while the image changes its size.
    bboxes = sample.bboxes * np.tile(image.shape[:2], 2)
    image, bboxes = _expanded(image, bboxes, random)
    image, bboxes, labels = _cropped(image, bboxes, sample.labels, random)
    bboxes = bboxes / np.tile(image.shape[:2], 2)
    if random.integers(2):
        image = image[:, ::-1]
        bboxes = np.stack([bboxes[:, 0], 1 - bboxes[:, 3],
                           bboxes[:, 2], 1 - bboxes[:, 1]], 1)
    image = cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE))
    return ((image[..., ::-1] - MEAN).transpose(2, 0, 1),
            bboxes.astype(np.float32), labels)


def encoded(bboxes, labels, anchors):
    """Returns ssd.pytorch's targets of an image: `match` in box_utils.py.

    Args:
      bboxes: float32 [num_objects, 4]; labels: int64 [num_objects].
      anchors: float32 [num_anchors, 4], [cy, cx, h, w].

    Returns:
      int64 [num_anchors], 0 where unmatched, and float32 [num_anchors, 4].
    """
    overlaps = boxes.jaccard(
        bboxes[:, None], boxes.to_corners(anchors, np), np)
    objects, best = overlaps.argmax(0), overlaps.max(0)
    own = overlaps.argmax(1)
    objects[own], best[own] = np.arange(len(bboxes)), 2
    return (np.where(best < 0.5, 0, labels[objects]),
            boxes.encode(bboxes[objects], anchors, PRIOR_SCALING, np).astype(
                np.float32))


def _distorted(image, random):
    """Changes the colours of a float32 BGR image."""
    def with_contrast(image):
        return image * random.uniform(.5, 1.5) if random.integers(2) else image

    if random.integers(2):
        image = image + np.float32(random.uniform(-32, 32))
    is_first = random.integers(2)
    if is_first:
        image = with_contrast(image)
    image = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2HSV)
    if random.integers(2):
        image[..., 1] *= random.uniform(.5, 1.5)
    if random.integers(2):
        image[..., 0] = (image[..., 0] + random.uniform(-18, 18)) % 360
    image = cv2.cvtColor(image, cv2.COLOR_HSV2BGR)
    if not is_first:
        image = with_contrast(image)
    if random.integers(2):
        image = image[..., random.permutation(3)]
    return image.astype(np.float32)


def _expanded(image, bboxes, random):
    """Puts every second image somewhere on a larger one of the mean."""
    if random.integers(2):
        return image, bboxes
    height, width = image.shape[:2]
    ratio = random.uniform(1, MAX_EXPANSION)
    top = int(random.uniform(0, height * ratio - height))
    left = int(random.uniform(0, width * ratio - width))
    canvas = np.empty(
        (int(height * ratio), int(width * ratio), 3), np.float32)
    canvas[:] = MEAN[::-1]
    canvas[top:top + height, left:left + width] = image
    return canvas, bboxes + [top, left, top, left]


def _cropped(image, bboxes, labels, random):
    """Cuts a part out, with the objects whose centres are in it."""
    height, width = image.shape[:2]
    while True:
        # One of six rules is to take the image whole.
        if not len(bboxes) or not random.integers(6):
            return image, bboxes, labels
        for _ in range(MAX_TRIALS):
            h = random.uniform(.3 * height, height)
            w = random.uniform(.3 * width, width)
            if not .5 <= h / w <= 2:
                continue
            top = int(random.uniform(0, height - h))
            left = int(random.uniform(0, width - w))
            low = np.array([top, left])
            high = np.array([int(top + h), int(left + w)])
            centres = (bboxes[:, :2] + bboxes[:, 2:]) / 2
            is_in = ((low < centres) & (centres < high)).all(1)
            if is_in.any():
                return (image[low[0]:high[0], low[1]:high[1]],
                        np.clip(bboxes[is_in], np.tile(low, 2),
                                np.tile(high, 2)) - np.tile(low, 2),
                        labels[is_in])
