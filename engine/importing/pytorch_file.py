"""Reads PyTorch's files of weights: tensors of floats by their names.

torch.save's are read by PyTorch, told to make nothing but tensors and plain
values, and .safetensors by the package of that name.
"""
import argparse
import contextlib
import math
import zipfile
from collections.abc import Callable
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.checkpoints import file_kinds


class Tensor(NamedTuple):
    """A tensor of floats in a file."""
    shape: tuple[int, ...]
    load: Callable[[], np.ndarray]


@contextlib.contextmanager
def tensors(path: str) -> Iterator[dict[str, Tensor]]:
    """Opens a file, or a training's checkpoint; yields {name: Tensor}.

    Raises:
      ValueError: naming the file: it is damaged, or no file of tensors; or a
        package that reads it is missing.
    """
    is_torch = file_kinds.kind(path) == 'torch'
    with _torch_tensors(path) if is_torch else _safetensors(path) as found:
        for name in found:
            if not name.isprintable():
                raise ValueError(f'{path}: {name!r} is no name of a tensor.')
        yield found


@contextlib.contextmanager
def _safetensors(path):
    try:
        import safetensors
    except ImportError:
        raise ValueError(
            f'{path}: is read by the package safetensors: python -m pip '
            "install '.[pytorch]'") from None
    try:
        with safetensors.safe_open(path, 'numpy') as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            yield {name: Tensor(tuple(piece.get_shape()),
                                lambda name=name: file.get_tensor(name))
                   for name, piece in slices.items()
                   if piece.get_dtype() in ('F16', 'BF16', 'F32', 'F64')}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f'{path}: not a whole .safetensors file: {error}') from None


@contextlib.contextmanager
def _torch_tensors(path):
    try:
        import torch
    except ImportError:
        raise ValueError(
            f'{path}: is read by PyTorch: python -m pip install torch; or '
            'where that is, save it as .safetensors, in two lines '
            '(docs/coming_from.md).') from None
    if tuple(map(int, torch.__version__.split('.')[:2])) < (2, 6):
        raise ValueError(
            f'{path}: PyTorch {torch.__version__} may run code that such a '
            'file holds (CVE-2025-32434); install 2.6 or newer.')
    try:
        # That of the script, in checkpoints of torchvision's training.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, 'cpu', weights_only=True,
                                 mmap=zipfile.is_zipfile(path))
    except OSError:
        raise
    except Exception as error:  # Of any kind, where the file is damaged.
        first_line = str(error).partition('\n')[0]
        raise ValueError(
            f'{path}: PyTorch finds it damaged, or with more than tensors in '
            'it, such as a whole model, which would run code; save '
            f'model.state_dict() there instead ({first_line})') from None
    yield {name: Tensor(tuple(value.shape),
                        lambda value=value: value.detach().float().numpy())
           for name, value in _state_dict(content, torch.Tensor).items()
           if isinstance(name, str) and isinstance(value, torch.Tensor)
           and value.is_floating_point()}


def _state_dict(content, tensor_class):
    """Returns the model's tensors by name, of a checkpoint of a training."""
    if not isinstance(content, dict):
        return {}
    nested = (value for value in content.values() if isinstance(value, dict))
    return next((value for value in [content, *nested] if any(
        isinstance(item, tensor_class) for item in value.values())), {})


def describe(path: str) -> Iterator[str]:
    """Yields lines: names and shapes of the tensors."""
    with tensors(path) as found:
        for name, tensor in found.items():
            shape = 'x'.join(map(str, tensor.shape)) or 'scalar'
            yield f'{name:60} {shape}'
        total = sum(math.prod(tensor.shape) for tensor in found.values())
        yield f'{len(found)} tensors, {total:,} parameters'
