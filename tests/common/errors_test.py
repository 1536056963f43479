"""What is left of TensorFlow's messages."""
import pytest

from common import errors

ADVICE = ('the installed TensorFlow cannot use this GPU. See docs/gpu.md, or '
          'run it on the CPU with CUDA_VISIBLE_DEVICES=-1 before the command. '
          'CUDA says: ')


@pytest.mark.parametrize('message, line', [
    ('', ''),
    ('a: not found\n\t [[node]]', 'a: not found'),
    ("Detected at node a\nNode: 'a'\n2 root error(s) found.\n"
     '  (0) NOT_FOUND: b: not found\n\t [[node]]\n  (1) CANCELLED: c',
     'b: not found')])
def test_a_reason_is_the_line_that_says_it(message, line):
    assert errors.reason(message) == line


# As users of TensorFlow 2.4 to 2.20 reported them.
@pytest.mark.parametrize('message, line', [
    ('Failed to load in-memory CUBIN: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel '
     'image is available for execution on the device\n\t [[node conv1]]',
     'Failed to load in-memory CUBIN: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel '
     'image is available for execution on the device'),
    ('2 root error(s) found.\n  (0) INTERNAL: libdevice not found at '
     './libdevice.10.bc\n\t [[cluster_1_1/xla_compile]]',
     'libdevice not found at ./libdevice.10.bc'),
    ("'cuLaunchKernel(...)' failed with 'CUDA_ERROR_INVALID_HANDLE' [Op:Mul]",
     "'cuLaunchKernel(...)' failed with 'CUDA_ERROR_INVALID_HANDLE' [Op:Mul]"),
    ('INTERNAL: the provided PTX was compiled with an unsupported toolchain.',
     'the provided PTX was compiled with an unsupported toolchain.'),
    ('cudaGetDevice() failed. Status: CUDA driver version is insufficient for '
     'CUDA runtime version',
     'cudaGetDevice() failed. Status: CUDA driver version is insufficient for '
     'CUDA runtime version')])
def test_a_gpu_that_tensorflow_cannot_use_is_one_line(message, line):
    assert errors.reason(message) == ADVICE + line


# As seen on an H200 whose memory another process had taken.
@pytest.mark.parametrize('message', [
    'cudaSetDevice() on GPU:0 failed. Status: out of memory',
    'No BLAS for stream.'])
def test_a_gpu_that_others_use_is_one_line(message):
    assert errors.reason(f'{message}\n\t [[node conv1]]') == (
        'the GPU cannot start, mostly as other programs hold its memory: '
        'nvidia-smi lists them. Wait for them, or set CUDA_VISIBLE_DEVICES '
        'before the command to another GPU, or to -1 for the CPU. TensorFlow '
        f'says: {message}')
