"""Records that training would not survive, found while they are read.

The converter writes none; other programs, and bad disks, do.
"""
import tensorflow.compat.v1 as tf

BAD_RECORD = 'A record that cannot be trained on: '


def checked(sample: dict[str, tf.Tensor],
            num_classes: int) -> dict[str, tf.Tensor]:
    """Returns a sample; one that is wrong is an InvalidArgumentError.

    Its message has BAD_RECORD, the image's name and what is wrong.

    Args:
      sample: with filename, object/label and object/bbox.
      num_classes: without background; the largest label.
    """
    labels, bboxes = sample['object/label'], sample['object/bbox']
    num_labels, num_bboxes = tf.size(labels), tf.shape(bboxes)[0]
    name = BAD_RECORD + sample['filename'] + ': '
    same_number = tf.debugging.Assert(tf.equal(num_labels, num_bboxes), [
        tf.strings.join([
            name, tf.as_string(num_labels), ' labels for ',
            tf.as_string(num_bboxes), ' boxes.'])])
    with tf.control_dependencies([same_number]):
        is_unknown = (labels < 1) | (labels > num_classes)
    is_infinite = ~tf.reduce_all(tf.math.is_finite(bboxes), axis=1)
    is_reversed = tf.reduce_any(bboxes[:, 2:] < bboxes[:, :2], axis=1)
    is_wrong = is_unknown | is_infinite | is_reversed
    boxes = tf.strings.reduce_join(
        tf.as_string(bboxes, precision=4), axis=1, separator=', ')
    faults = tf.strings.join([
        name, 'object ', tf.as_string(tf.range(1, num_labels + 1)),
        ' has label ', tf.as_string(labels),
        ' and box (ymin, xmin, ymax, xmax) ', boxes, tf.where_v2(
            is_unknown, f'; labels are 1 to {num_classes}.', tf.where_v2(
                is_infinite, '; it is not finite.',
                '; its end is before its start.'))])
    first = tf.strings.reduce_join(tf.boolean_mask(faults, is_wrong)[:1])
    is_right = tf.debugging.Assert(~tf.reduce_any(is_wrong), [first])
    with tf.control_dependencies([is_right]):
        return {**sample, 'object/label': tf.identity(labels)}


def explanation(message: str) -> str | None:
    """Returns BAD_RECORD's sentence out of an error's message, or None."""
    _, found, text = message.partition(BAD_RECORD)
    if not found:
        return None
    return found + text.partition('\n')[0].rpartition('.')[0] + '.'
