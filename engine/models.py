"""Which network, with which classes and anchors; and what it detects."""
import os
import types
from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import dataset_factory
from datasets import label_map
from detection import boxes
from detection import postprocessing
from engine import checkpoints
from nets import anchor_files
from nets import nets_factory
from nets import ssd
from preprocessing import preprocessing_factory


def make_network(model_name: str | None, class_names: Sequence[str],
                 metadata: dict | None = None,
                 anchors: str | None = None) -> ssd.SSDNet:
    """Returns the network that flags and metadata agree on.

    What flags leave out (None) the metadata of the checkpoint whose heads are
    used says, else it is the default. The names are without background,
    `anchors` is a preset of the network or a file (nets.anchor_files).

    Raises:
      ValueError: a flag contradicts the checkpoint.
    """
    if metadata is not None:
        if model_name not in (None, metadata['model_name']):
            raise ValueError(
                f'--model_name={model_name}: the checkpoint is a '
                f'{metadata["model_name"]}; leave the flag out.')
        model_name = metadata['model_name']
    network = nets_factory.get_network(model_name or 'ssd_300_vgg')
    params = network.default_params
    if metadata is not None:
        params = checkpoints.metadata.apply(params, metadata)
    if anchors is not None:
        chosen = (network.with_anchors(params, anchors)
                  if not os.path.isfile(os.path.expanduser(anchors))
                  else anchor_files.apply(anchors, network, params))
        if metadata is None:
            params = chosen
        # Caffe truncates sizes to integers, which is still the same preset.
        elif (chosen.anchor_ratios != params.anchor_ratios
              or any(np.abs(np.subtract(*sizes)).max() >= 1 for sizes in zip(
                  chosen.anchor_sizes, params.anchor_sizes, strict=True))):
            raise ValueError(
                f'--anchors={anchors}: the checkpoint was made with '
                f'anchors of {params.anchor_sizes} pixels, these are '
                f'{chosen.anchor_sizes}; leave the flag out.')
    if metadata is None or list(class_names) != metadata['classes']:
        params = params._replace(unused_labels=())
    return network(params._replace(num_classes=len(class_names) + 1))


def choose_class_names(class_names: Sequence[str] | None,
                       metadata: dict | None, prefix: str) -> tuple[str, ...]:
    """Returns the names that arguments and checkpoint agree on.

    Without background; if None is given the checkpoint's, else VOC's.

    Raises:
      ValueError: the checkpoint has other classes, or another number.
    """
    if metadata is not None:
        names = tuple(metadata['classes'])
        if class_names is not None and tuple(class_names) != names:
            raise ValueError(
                f'{prefix}: its classes are {", ".join(names)}; these are '
                f'{", ".join(class_names)}. Leave --labels and --labels_file '
                'out.')
        return names
    num_classes = _num_classes(prefix)
    fault = f'{len(class_names or ())} names were given'
    if class_names is None:
        class_names = label_map.VOC_LABELS
        fault = 'does not name them: give --labels or --labels_file'
    if num_classes not in (None, len(class_names)):
        raise ValueError(
            f'{prefix}: it has {num_classes} classes ({num_classes + 1} with '
            f'background), but {fault}.')
    return tuple(class_names)


def _num_classes(prefix):
    """Returns how many classes a checkpoint's heads have, or None."""
    shapes = checkpoints.reader.open_reader(prefix).get_variable_to_shape_map()
    for name, shape in sorted(shapes.items()):
        other = shapes.get(name.replace('/conv_cls/', '/conv_loc/'))
        if name.endswith('_box/conv_cls/biases') and other is not None:
            return 4 * shape[0] // other[0] - 1
    return None


def get_preprocessing(name: str | None) -> types.ModuleType:
    """Returns the module of --preprocessing_name; see preprocessing_factory.

    The name of a network means SSD's own, as in the original.
    """
    return preprocessing_factory.get_preprocessing(
        None if name in nets_factory.networks_map else name)


def open_dataset(options: tuple) -> slim.dataset.Dataset:
    """Returns the data set that a group of options names; prints its notes.

    Raises:
      ValueError: it is not there, or --num_classes contradicts it.
    """
    dataset = dataset_factory.get_dataset(
        options.dataset_name, options.dataset_split_name, options.dataset_dir)
    for note in dataset.notes:
        print(note, flush=True)
    num_classes = len(dataset.labels)
    if options.num_classes not in (None, num_classes + 1):
        raise ValueError(
            f'--num_classes={options.num_classes}: the data set '
            f'{options.dataset_name} has {num_classes} classes, '
            f'{num_classes + 1} with background; leave the flag out.')
    return dataset


def labels_of_data(data_names: Sequence[str], metadata: dict,
                   prefix: str) -> list[int]:
    """Returns the data set's label of each of a checkpoint's, by its name.

    Their order may differ. The background's is 0, and so is that of labels
    which are never detected.

    Raises:
      ValueError: data and checkpoint have not the same classes.
    """
    names = [None if label in metadata.get('unused_labels', ()) else name
             for label, name in enumerate(metadata['classes'], 1)]
    used = set(filter(None, names))
    if used != set(data_names):
        difference = '; '.join(
            f'only in the {where}: {", ".join(sorted(only)) or "none"}'
            for where, only in (('data', set(data_names) - used),
                                ('checkpoint', used - set(data_names))))
        raise ValueError(
            f'{prefix}: its {len(used)} classes are not the '
            f'{len(data_names)} of the data set; {difference}.')
    ids = label_map.ids_of(data_names)
    return [0, *(ids.get(name, 0) for name in names)]


def detections(network: ssd.SSDNet, images: tf.Tensor, bbox_img: tf.Tensor,
               compute_dtype: str, labels: Sequence[int] | None = None,
               **selection) -> postprocessing.Detections:
    """Builds a network, in restore.weights_of, and its post-processing.

    Args:
      network, images, compute_dtype: see SSDNet.net.
      bbox_img: float32 [batch, 4], the images as they were before they were
        fitted to the network, in the coordinates of what it sees. Bboxes of
        the result are relative to that, and clipped.
      labels: what each of the network's labels becomes; see labels_of_data.
      **selection: see postprocessing.select_detections.
    """
    logits, localisations, _ = network.net(
        images, is_training=False, compute_dtype=compute_dtype)
    found = network.detect(logits, localisations, **selection)
    if labels is not None:
        found = found._replace(classes=tf.gather(labels, found.classes))
    bbox_img = bbox_img[:, None]
    return found._replace(bboxes=boxes.resize(
        boxes.clip(found.bboxes, bbox_img), bbox_img))


def save_weights(prefix: str, output_path: str, averages: bool = False,
                 about: dict | None = None):
    """Copies a checkpoint without the optimiser's state.

    Args:
      prefix: of a checkpoint with metadata.
      output_path: prefix to write.
      averages: whether the variables get the values of their moving averages.
      about: what is added to the metadata.
    """
    metadata = checkpoints.metadata.read(prefix)
    ending = checkpoints.restore.AVERAGE if averages else ''
    network = make_network(None, metadata['classes'], metadata)
    with tf.Graph().as_default(), tf.Session() as session:
        network.net(tf.placeholder(
            tf.float32, [None, *network.params.img_shape, 3]),
            is_training=False)
        variables = slim.get_model_variables()
        step = tf.train.get_or_create_global_step()
        text = checkpoints.metadata.variable({**metadata, **(about or {})})
        checkpoints.reader.Saver({
            step.op.name: step, **{variable.op.name + ending: variable
                                   for variable in variables},
        }).restore(session, prefix)
        session.run(text.initializer)
        tf.train.Saver([*variables, step, text]).save(
            session, output_path, write_meta_graph=False, write_state=False)
