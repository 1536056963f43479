"""Which network, with which classes and anchors; and what it detects."""

from datasets import dataset_factory
from datasets import label_map
from detection import boxes
from engine import checkpoints
from nets import nets_factory

DEFAULT_MODEL = 'ssd_300_vgg'


def make_network(model_name, class_names, metadata=None, anchor_preset=None):
    """Returns the SSDNet that flags and metadata agree on.

    Args:
      model_name: of the flag, or None to take the checkpoint's.
      class_names: names without background, of the data or the checkpoint.
      metadata: of the checkpoint whose heads are used, or None.
      anchor_preset: of the flag, or None for the checkpoint's anchors, else
        the network's default.

    Raises:
      ValueError: where a flag contradicts the checkpoint.
    """
    if metadata is not None:
        if model_name not in (None, metadata['model_name']):
            raise ValueError(
                f'--model_name={model_name}: the checkpoint is a '
                f'{metadata["model_name"]}; leave the flag out.')
        model_name = metadata['model_name']
    network = nets_factory.get_network(model_name or DEFAULT_MODEL)
    params = network.default_params
    if metadata is not None:
        params = checkpoints.metadata.apply(params, metadata)
    if anchor_preset is not None:
        chosen = network.with_anchors(params, anchor_preset)
        if metadata is not None and not _have_same_anchors(chosen, params):
            raise ValueError(
                f'--anchors={anchor_preset}: the checkpoint was made with '
                f'anchors of {params.anchor_sizes} pixels, these are '
                f'{chosen.anchor_sizes}; leave the flag out.')
        params = params if metadata is not None else chosen
    return network(params._replace(num_classes=len(class_names) + 1))


def choose_class_names(class_names, metadata, prefix):
    """Returns the names that arguments and checkpoint agree on, a tuple.

    Args:
      class_names: without background, or None for the checkpoint's, else
        VOC's.
      metadata: of the checkpoint, or None if it has none.
      prefix: of the checkpoint.

    Raises:
      ValueError: if the checkpoint has other classes, or another number.
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


def open_dataset(options):
    """Returns the slim Dataset that the flags name; prints its notes.

    Args:
      options: dataset_name, dataset_split_name, dataset_dir, num_classes.

    Raises:
      ValueError: if it is not there, or --num_classes contradicts it.
    """
    dataset = dataset_factory.get_dataset(
        options.dataset_name, options.dataset_split_name,
        options.dataset_dir)
    for note in dataset.notes:
        print(note, flush=True)
    check_num_classes(options.num_classes, dataset.labels,
                      f'the data set {options.dataset_name}')
    return dataset


def check_num_classes(num_classes, class_names, source):
    """Raises ValueError if the flag --num_classes contradicts the classes.

    Args:
      num_classes: with background, or None if the flag was left out.
      class_names: names without background.
      source: where they come from, for the message.
    """
    if num_classes not in (None, len(class_names) + 1):
        raise ValueError(
            f'--num_classes={num_classes}: {source} has {len(class_names)} '
            f'classes, {len(class_names) + 1} with background; leave the '
            'flag out.')


def check_same_classes(data_names, checkpoint_names, prefix):
    """Raises ValueError unless data and checkpoint have the same classes."""
    if list(data_names) == list(checkpoint_names):
        return
    only_data = sorted(set(data_names) - set(checkpoint_names))
    only_checkpoint = sorted(set(checkpoint_names) - set(data_names))
    difference = 'the order differs'
    if only_data or only_checkpoint:
        difference = (f'only in the data: {", ".join(only_data) or "none"}; '
                      'only in the checkpoint: '
                      f'{", ".join(only_checkpoint) or "none"}')
    raise ValueError(
        f'{prefix}: its {len(checkpoint_names)} classes are not the '
        f'{len(data_names)} of the data set; {difference}.')


def detections(network, images, bbox_img, compute_dtype, **selection):
    """Builds a network and its post-processing.

    Within checkpoints.restore.weights_of, which gives the weights.

    Args:
      network: an SSDNet.
      images: float32 [batch, height, width, 3], RGB, mean subtracted.
      bbox_img: float32 [batch, 4], the images as they were before they were
        fitted to the network, in the coordinates of what it sees.
      compute_dtype: as in SSDNet.net.
      **selection: select_threshold, select_top_k, nms_threshold and
        keep_top_k, as in postprocessing.select_detections.

    Returns:
      postprocessing.Detections; bboxes relative to the images as they were,
      clipped.
    """
    logits, localisations, _ = network.net(
        images, is_training=False, compute_dtype=compute_dtype)
    found = network.detect(logits, localisations, **selection)
    bbox_img = bbox_img[:, None]
    return found._replace(bboxes=boxes.resize(
        boxes.clip(found.bboxes, bbox_img), bbox_img))


def _have_same_anchors(params_a, params_b):
    """Whether two sets of sizes mean the same anchors.

    Caffe truncates sizes to integers, which is still the same preset.
    """
    return all(
        len(sizes_a) == len(sizes_b)
        and all(abs(size_a - size_b) < 1
                for size_a, size_b in zip(sizes_a, sizes_b, strict=True))
        for sizes_a, sizes_b in zip(
            params_a.anchor_sizes, params_b.anchor_sizes, strict=True))
