"""TensorFlow as all scripts use it: graph mode, quiet, memory as needed."""
import contextlib
import ctypes
import glob
import os
import platform
import sys
import warnings
from collections.abc import Iterator

import tensorflow.compat.v1 as tf

# glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
# slim calls its layers so; nothing that a user can change.
_SLIMS_WARNING = '`layer.apply` is deprecated'
# NVIDIA's driver has a folder for each GPU; in WSL 2 a library of Windows'.
_GPUS = ('/proc/driver/nvidia/gpus/*', '/usr/lib/wsl/lib/libcuda.so*')


def prepare(gpu_memory_fraction: float | None = 1.):
    """Switches TensorFlow 1 semantics on; call before building a graph.

    GPUs will be taken as session_config says, and with None not at all yet.
    Freed memory is kept for the next batch: glibc maps blocks of more than 32
    MB anew each time, and the system clears their pages, which costs the input
    a fifth and a training step a twelfth more processor time.
    """
    # What TensorFlow's Python logs as an error it also raises.
    tf.logging.set_verbosity(tf.logging.FATAL)
    warnings.filterwarnings('ignore', message=_SLIMS_WARNING)
    tf.disable_v2_behavior()
    tell_of_unused_gpu()
    if gpu_memory_fraction and tf.config.list_physical_devices('GPU'):
        # What a process's first session says of a GPU's memory counts for all
        # (tensorflow/tensorflow#8021). tf.data's functions would be first, and
        # take it whole.
        tf.Session(config=session_config(gpu_memory_fraction)).close()
    if platform.libc_ver()[0] == 'glibc':
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


def tell_of_unused_gpu(patterns: tuple[str, ...] = _GPUS):
    """Tells on stderr of a GPU that TensorFlow does not see.

    Nothing of one that the user hides from it.
    """
    found = [path for pattern in patterns for path in glob.glob(pattern)]
    if (not found or os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1')
            or tf.config.list_physical_devices('GPU')):
        return
    print(f'{found[0]}: an NVIDIA GPU is here, but TensorFlow sees none; the '
          'CPU does the work. For the GPU: pip install '
          f"'tensorflow[and-cuda]=={tf.version.VERSION}', else see "
          'docs/gpu.md.', file=sys.stderr)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Builds a graph in a program of others without TensorFlow's warnings."""
    logger = tf.get_logger()
    level = logger.level  # Not tf.logging's, which may be that of all logs.
    logger.setLevel(tf.logging.FATAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message=_SLIMS_WARNING)
            yield
    finally:
        logger.setLevel(level)


def session_config(gpu_memory_fraction: float = 1.,
                   num_cpus: int = 1) -> tf.ConfigProto:
    """Returns a ConfigProto: soft placement, GPU memory grown as needed.

    Of it the fraction is taken at most. The CPU counts as num_cpus devices.
    """
    config = tf.ConfigProto(
        allow_soft_placement=True, device_count={'CPU': num_cpus})
    config.gpu_options.allow_growth = True
    config.gpu_options.per_process_gpu_memory_fraction = gpu_memory_fraction
    return config
