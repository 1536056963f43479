"""One set of annotated images -> parts of it, for training and for tests.

The part of an image follows from its name alone: what is added to the set
later moves no other image from one part to another.
"""
import functools
import hashlib
import itertools
import re
from collections.abc import Sequence

from datasets import file_trees
from datasets import text_files

# Number of parts -> what they are called.
_NAMES = {2: ('train', 'test'), 3: ('train', 'val', 'test')}
# Roboflow's copies of one image have the same name but for this.
_COPY = re.compile(r'\.rf\.\w+')


class Part:
    """Some of the images of another source: a Source."""

    def __init__(self, source, all_names, output_name, first, end):
        """Takes the images whose positions are from `first` to below `end`."""
        self.folder = source.folder
        self.output_name = output_name
        self.labels = source.labels
        self.notes = source.notes
        self.category_ids = getattr(source, 'category_ids', None)
        self.load = source.load
        self.missing = source.missing
        self._source = source
        self._all_names = all_names
        self._first, self._end = first, end

    def names(self) -> list[str]:
        """Returns the images of this part; raises ValueError if it is empty."""
        names = self._all_names()
        own = self._own(names)
        if not own:
            raise ValueError(
                f'{self.folder}: none of the {len(names)} images falls into '
                f'{self.output_name}; choose another --split.')
        return own

    def left_out(self) -> dict[str, list[str]]:
        """Returns {reason: files that no name stands for}, of this part."""
        return {reason: self._own(names)
                for reason, names in self._source.left_out().items()}

    def _own(self, names):
        return [name for name in names
                if self._first <= _position(name) < self._end]


def parse(text: str) -> list[float]:
    """Returns the shares that --split gives, e.g. 0.8,0.2.

    Raises:
      ValueError: they are not 2 or 3 positive numbers whose sum is 1.
    """
    try:
        shares = [float(share) for share in text.split(',')]
    except ValueError:
        shares = []
    # Not true for nan either.
    if not (len(shares) in _NAMES and min(shares) > 0
            and abs(sum(shares) - 1) < 1e-6):
        raise ValueError(f'--split is {text!r}; it is the shares of train and '
                         'test, or of train, val and test, whose sum is 1, as '
                         '0.8,0.2.')
    return shares


def parts(source, shares: Sequence[float]) -> list[Part]:
    """Returns the parts of a Source: <name>_train, (<name>_val,) <name>_test.

    Args:
      source: a conversion.Source.
      shares: of the images, as from `parse`.
    """
    names, all_names = _NAMES[len(shares)], functools.cache(source.names)
    ends = [*itertools.accumulate(shares[:-1]), 1]
    return [Part(source, all_names,
                 file_trees.output_name(source.output_name, name, names),
                 first, end)
            for name, first, end in zip(names, [0, *ends], ends, strict=False)]


def _position(name):
    """Returns a number from 0 to below 1 for a name."""
    key = _COPY.sub('', text_files.normalised(name))
    return int.from_bytes(
        hashlib.sha256(key.encode()).digest()[:6], 'big') / 2 ** 48
