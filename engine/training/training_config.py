"""training_config.json: what is trained in a train_dir, and by which flags.

A training that is resumed must be of the same thing; how it is trained
(learning rate, batch size, ...) may change.
"""
import json
import os

FILE_NAME = 'training_config.json'


def identity(options, network, dataset):
    """Returns what must not change in a train_dir, as a dict."""
    return {
        'model_name': network.name,
        'anchor_sizes': [list(sizes)
                         for sizes in network.params.anchor_sizes],
        'dataset_name': dataset.name,
        'classes': list(dataset.labels),
        'optimizer': options.optimizer,
        'trainable_scopes': options.trainable_scopes or None,
        'moving_averages': options.moving_average_decay is not None,
    }


def check_and_write(options, network, dataset, is_resumed):
    """Writes the file of a training, checking the one that is there.

    Args:
      options: the flags.
      network: the SSDNet.
      dataset: slim Dataset.
      is_resumed: whether the train_dir has a checkpoint to go on from.

    Raises:
      ValueError: if the run that is resumed trained something else; it says
        the differences.
    """
    path = os.path.join(options.train_dir, FILE_NAME)
    now = identity(options, network, dataset)
    if is_resumed and os.path.exists(path):
        before = _read(path)
        differences = [
            f'{key} was {before.get(key)!r}, now {now[key]!r}'
            for key in now if before.get(key) != now[key]]
        if differences:
            raise ValueError(
                f'{options.train_dir}: holds another training: '
                f'{"; ".join(differences)}. Give another --train_dir, or '
                'the flags of that training.')
    flags = {name: value for name, value in sorted(vars(options).items())}
    temporary = path + '.tmp'
    with open(temporary, 'w', encoding='utf-8') as file:
        json.dump({'trained': now, 'flags': flags}, file, indent=2)
        file.write('\n')
    os.replace(temporary, path)


def _read(path):
    try:
        with open(path, encoding='utf-8') as file:
            return dict(json.load(file)['trained'])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path}: not the configuration of a training ({error!r}); '
            'remove it to go on without the check.') from None
