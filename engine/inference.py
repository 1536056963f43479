"""A checkpoint's network at work: what evaluation and detector share."""
import tf_slim as slim

from detection import boxes
from engine import checkpoint_files
from engine import checkpoints


def detections(network, images, bbox_img, **selection):
    """Builds a network and its post-processing.

    Args:
      network: an SSDNet.
      images: float32 [batch, height, width, 3], RGB, mean subtracted.
      bbox_img: float32 [batch, 4], the images as they were before they were
        fitted to the network, in the coordinates of what it sees.
      **selection: select_threshold, select_top_k, nms_threshold and
        keep_top_k, as in postprocessing.select_detections.

    Returns:
      postprocessing.Detections; bboxes relative to the images as they were,
      clipped.
    """
    with slim.arg_scope(network.arg_scope()):
        logits, localisations, _ = network.net(images)
    found = network.detect(logits, localisations, **selection)
    bbox_img = bbox_img[:, None]
    return found._replace(bboxes=boxes.resize(
        boxes.clip(found.bboxes, bbox_img), bbox_img))


def restorer(prefix, moving_average_decay=None):
    """Returns a function that restores the graph's network in a session.

    Args:
      prefix: of the checkpoint.
      moving_average_decay: as in checkpoints.variables_to_restore.

    Raises:
      ValueError: if the checkpoint lacks a variable, or has it in another
        shape.
    """
    variables = checkpoints.variables_to_restore(
        slim.get_model_variables(), moving_average_decay)
    checkpoints.check_complete(prefix, variables)
    saver = checkpoint_files.Saver(variables)
    return lambda session: saver.restore(session, prefix)
