"""TensorFlow as all scripts use it: graph mode, quiet, memory as needed."""
import contextlib
import ctypes
import platform
import warnings
from collections.abc import Iterator

import tensorflow.compat.v1 as tf

# glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
# slim calls its layers so; nothing that a user can change.
_SLIMS_WARNING = '`layer.apply` is deprecated'


def prepare():
    """Switches TensorFlow 1 semantics on; call before building a graph.

    Freed memory is kept for the next batch: glibc maps blocks of more than 32
    MB anew each time, and the system clears their pages, which costs the input
    a fifth and a training step a twelfth more processor time.
    """
    # What TensorFlow's Python logs as an error it also raises.
    tf.logging.set_verbosity(tf.logging.FATAL)
    warnings.filterwarnings('ignore', message=_SLIMS_WARNING)
    tf.disable_v2_behavior()
    if platform.libc_ver()[0] == 'glibc':
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


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
