"""What a training does of which it is not told.

One that is told of no optimiser, learning rate or number of steps chooses
them by its data, and the rest of what it is not told: a sensible training of
a small set. Any other has the ordinary values, whatever its data. What was
chosen is in training_config.json: a training that goes on has the same.
"""
import itertools
import math
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim

from datasets import dataset_factory
from datasets import records
from detection import anchors
from engine import checkpoints
from engine.training import batch_size
from engine.training import options
from nets import nets_factory

# Of options.Optimizer, what goes with any schedule.
_BESIDE_A_SCHEDULE = ('backbone_learning_rate_factor', 'moving_average_decay',
                      'clip_gradient_norm', 'on_nonfinite')

NUM_EPOCHS = 100
MIN_STEPS, MAX_STEPS = 2000, 120_000  # The latter is Caffe's, for VOC07+12.
# Images of a batch at the most; on a CPU twice as many take twice as long.
MAX_IMAGES, MAX_IMAGES_ON_CPU = 32, 8
RATE, RATE_OF_NARROW = .0001, .0005  # Adam's, as tried: docs/training.md.
STEPS_FOR_LONG_AVERAGES = 20_000
NUM_SCORES, PATIENCE = 40, 10
# An image that is scored costs a third of one that is trained on.
MAX_SHARE_OF_SCORING = .1
MAX_IMAGES_FOR_ANCHORS = 1000
MIN_OVERLAP = .5  # Of a match.


class Choice(NamedTuple):
    """The value of a flag that a training chose."""
    name: str
    value: Any  # Of JSON's types.
    reason: str = ''  # Empty for what was chosen when it began.


def settle(groups: Sequence[tuple], dataset: slim.dataset.Dataset,
           source: str | None, is_resumed: bool,
           config: dict | None) -> tuple[list[tuple], list[Choice]]:
    """Returns the groups with all values, and those of them that were chosen.

    Args:
      groups: options.Data, Model, Loss, Optimizer and Run, as given.
      dataset: what is trained on.
      source: the checkpoint that training starts from, or None.
      is_resumed: whether it is one of the same training.
      config: what train_dir.read_config returned.

    Raises:
      ValueError: flags do not fit together, or not even one image fits into
        memory.
    """
    choices = []

    def add(found):
        nonlocal groups
        found = [choice for choice in found
                 if not _is_given(groups, choice.name)]
        choices.extend(found)
        groups = _replace(groups, found)

    run = groups[-1]
    is_free = not (is_resumed or run.num_ps or _is_told(groups))
    add(itertools.starmap(Choice, (config or {}).get('chosen', {}).items()))
    if is_free:
        add([Choice('optimizer', 'adam', 'learns in small batches too')])
    add(_batch_size(groups, dataset, is_free))
    if is_free:
        for chosen in _schedule, _validation:
            add(chosen(groups, dataset))
        add(_anchors(groups[1], dataset, source))
    *groups, run = ordinary(groups)
    # An empty name is that of none.
    run = run._replace(eval_split_name=run.eval_split_name or None)
    if run.patience is not None and run.eval_split_name is None:
        raise ValueError(f'--patience={run.patience}: needs a split to score '
                         'on; give --eval_split_name.')
    return [*groups, run], choices


def lines(choices: Sequence[Choice]) -> list[str]:
    """Returns what to say of choices: a table, or a line if they are old."""
    flags = [f'--{choice.name}={choice.value}' for choice in choices]
    if not any(choice.reason for choice in choices):
        return [f'Chosen when it began: {" ".join(flags)}'] * bool(flags)
    width = max(map(len, flags))
    return ['Chosen, as it was not given:', *(
        f'  {flag:{width}}  {choice.reason}'
        for flag, choice in zip(flags, choices, strict=True))]


def _is_given(groups, name):
    """Whether a flag has another value than its default."""
    group = next(group for group in groups if name in group._fields)
    value, default = getattr(group, name), group._field_defaults[name]
    if isinstance(default, tuple):
        return list(value) != list(default)
    return value not in (default, 'auto')


def _is_told(groups):
    """Whether a training is told anything of its schedule."""
    return any(_is_given(groups, name) for name in (
        'max_number_of_steps', *groups[3]._fields)
        if name not in _BESIDE_A_SCHEDULE)


def _replace(groups, choices):
    """Returns the groups with what was chosen."""
    values = {choice.name: choice.value for choice in choices}
    return [group._replace(**{name: values[name] for name in group._fields
                              if name in values}) for group in groups]


def ordinary(groups: Sequence[tuple]) -> list[tuple]:
    """Returns groups with ordinary values where they have None; see settle."""
    *groups, run = _replace(groups, [
        Choice(*item) for item in options.ORDINARY.items()
        if not _is_given(groups, item[0])])
    return [*groups, run._replace(
        batch_size=batch_size.parse(run.batch_size))]


def _batch_size(groups, dataset, is_free):
    """Yields the size that fits into memory, if one is to be found."""
    run, reason = groups[-1], ''
    if run.batch_size == 'auto':
        if run.num_ps:
            raise ValueError('--batch_size=auto: is for one machine; give all '
                             'workers a number.')
        most = dataset.num_samples
    elif is_free and run.batch_size is None:
        most = MAX_IMAGES
        if run.clone_on_cpu or not tf.config.list_physical_devices('GPU'):
            most, reason = MAX_IMAGES_ON_CPU, '; more take a CPU longer'
    else:
        return
    found, taken = batch_size.largest(
        ordinary(groups), min(most, dataset.num_samples))
    yield Choice('batch_size', found, taken + reason)


def _schedule(groups, dataset):
    """Yields the number of steps and the learning rate over them."""
    model, run = groups[1], ordinary(groups)[-1]
    num_images = dataset.num_samples
    num_steps = min(max(math.ceil(
        NUM_EPOCHS * num_images / run.images_per_step), MIN_STEPS), MAX_STEPS)
    num_epochs = round(num_steps * run.images_per_step / num_images, 1)
    limit = {MIN_STEPS: f', at least {MIN_STEPS} steps',
             MAX_STEPS: f', at most {MAX_STEPS} steps'}.get(num_steps, '')
    yield Choice('max_number_of_steps', num_steps,
                 f'{num_epochs:g} epochs of {num_images} images{limit}')
    is_narrow = model.model_name.endswith(('_half', '_quarter'))
    rate = RATE_OF_NARROW if is_narrow else RATE
    yield Choice('learning_rate', rate, 'for {} the channels'.format(
        'a part of' if is_narrow else 'all of'))
    yield Choice('learning_rate_decay_type', 'polynomial', 'a straight line')
    yield Choice('num_epochs_per_decay', num_epochs, 'over all epochs')
    yield Choice('end_learning_rate', rate / 100, 'to a hundredth')
    yield Choice('warmup_steps', min(num_steps // 20, 500),
                 'a twentieth of the steps, 500 at most')


def _validation(groups, dataset):
    """Yields how the training is scored as it goes, if it can be."""
    data, run = groups[0], ordinary(groups)[-1]
    if run.eval_split_name is not None:
        if not run.eval_split_name:
            return
        scored = dataset_factory.get_dataset(
            data.dataset_name, run.eval_split_name, data.dataset_dir)
    else:
        scored = _split_to_score(data, dataset)
        if scored is None:
            return
        yield Choice('eval_split_name', scored.split_name, (
            'is there; the best weights are those that are best on it'))
    every = max(run.max_number_of_steps // NUM_SCORES, math.ceil(
        scored.num_samples / (3 * MAX_SHARE_OF_SCORING * run.images_per_step)))
    yield Choice('eval_every_n_steps', every,
                 f'{run.max_number_of_steps // every} scores of '
                 f'{scored.num_samples} images in all')
    yield Choice('patience', PATIENCE,
                 'the training ends after so many without a gain')
    is_long = run.max_number_of_steps >= STEPS_FOR_LONG_AVERAGES
    yield Choice('moving_average_decay', .999 if is_long else .99,
                 'what is scored are averages of the weights over about '
                 f'{1000 if is_long else 100} steps')


def _split_to_score(data, dataset):
    """Returns the Dataset of val, else of test; None if neither will do."""
    # What else is trained on, such as trainval, may have val in it.
    names = ('val', 'test') if data.dataset_split_name == 'train' else (
        'test',)
    for name in names:
        if name != data.dataset_split_name and dataset_factory.has_split(
                data.dataset_name, name, data.dataset_dir):
            scored = dataset_factory.get_dataset(
                data.dataset_name, name, data.dataset_dir)
            if scored.labels == dataset.labels:
                return scored
    return None


def _anchors(model, dataset, source) -> Iterator[Choice]:
    """Yields the preset that fits the objects, if it is not the default.

    Only for a network whose heads are not those of a checkpoint.
    """
    network = nets_factory.get_network(model.model_name)
    if source is not None and any(
            '_box/' in name for name in checkpoints.reader.open_reader(
                source).get_variable_to_shape_map()):
        return
    bboxes = np.concatenate([np.zeros([0, 4]), *(
        sample.bboxes for sample in itertools.islice(records.read_samples(
            dataset.data_sources, dataset.record_ids), MAX_IMAGES_FOR_ANCHORS)
        if len(sample.bboxes))])
    if not len(bboxes):
        return

    def share(params):
        return (anchors.best_overlaps(
            bboxes, params.feat_shapes, params.img_shape, params.anchor_sizes,
            params.anchor_ratios, params.anchor_steps,
            params.anchor_offset) >= MIN_OVERLAP).mean()

    own = network.default_params
    shares = {preset: share(network.with_anchors(own, preset))
              for preset in sorted(network.anchor_presets)}
    best = max(shares, key=shares.get)
    if shares[best] > share(own):
        yield Choice('anchors', best, f'{shares[best]:.1%} of the objects '
                     f'overlap one by half; of the default {share(own):.1%}')
