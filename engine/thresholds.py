"""The threshold on scores that an evaluation found to be best.

It is in the evaluation's metrics.json and, in the same words, in a file beside
the checkpoint, <prefix>.best_threshold.json.
"""
import contextlib
import glob
import json
import os

from common import commands
from common import files

_ENDING = '.best_threshold.json'
_METRICS = 'metrics.json'


def write(prefix: str, content: dict) -> str:
    """Writes the file beside a checkpoint; returns its path.

    Such files of checkpoints that are gone from the folder go too.

    Raises:
      OSError: it cannot be written.
    """
    path = prefix + _ENDING
    files.write_whole(path, [
        json.dumps(content, indent=2, ensure_ascii=False), '\n'])
    for other in glob.glob(os.path.join(
            glob.escape(os.path.dirname(prefix)), '*' + _ENDING)):
        of = other.removesuffix(_ENDING)
        if not os.path.exists(of) and not os.path.exists(of + '.index'):
            with contextlib.suppress(OSError):
                os.remove(other)
    return path


def read(given: str | float, prefix: str,
         best: float | None = None) -> float:
    """Returns the threshold that --select_threshold means for a checkpoint.

    Args:
      given: a number, 'best', or the path of an evaluation's folder or of its
        metrics.json.
      prefix: of the checkpoint, or the path of an exported file.
      best: the best one, if no evaluation of it itself has left another.

    Raises:
      ValueError: there is no such file, or it has no threshold.
    """
    with contextlib.suppress(ValueError):
        return float(given)
    path, is_best = files.user_path(given), given == 'best'
    if is_best:
        path = prefix + _ENDING
    elif os.path.isdir(path):
        path = os.path.join(path, _METRICS)
    if is_best and best is not None and not os.path.isfile(path):
        return best
    if not os.path.isfile(path):
        raise ValueError(f'--select_threshold={given}: ' + (
            f'{path} is not there; an evaluation writes it: run '
            + commands.line('eval_ssd_network.py', checkpoint_path=prefix)
            + ' first, or give a number.' if is_best else
            'neither a number, nor best, nor the folder or metrics.json of an '
            'evaluation.'))
    try:
        with open(path, encoding='utf-8') as file:
            best = json.load(file)['best_f1']
        if best is not None:
            return float(best['select_threshold'])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path}: says no threshold ({error!r}); evaluate '
                         'again.') from None
    raise ValueError(f'{path}: the evaluation found nothing right, so that no '
                     'threshold is best; give a number.')
