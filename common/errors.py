"""What an error of TensorFlow is about, out of all that it says."""
import re

# Before it comes where the graph was built, after it what went wrong.
_PLACE = re.compile(r"^Node: '.*'\n", re.MULTILINE)
_KIND = re.compile(r'^\s*(\(\d+\) )?([A-Z_]+: )?')
# What CUDA says where TensorFlow, driver and GPU do not fit together.
_GPU_FAULTS = (
    'no kernel image is available', 'device kernel image is invalid',
    'compiled with an unsupported toolchain', 'CUDA_ERROR_NO_BINARY_FOR_GPU',
    'CUDA_ERROR_INVALID_PTX', 'CUDA_ERROR_UNSUPPORTED_PTX_VERSION',
    # Of a kernel that one of the two before left without code.
    "failed with 'CUDA_ERROR_INVALID_HANDLE'",
    'CUDA driver version is insufficient', 'libdevice not found')
# What is said where other programs hold a GPU's memory.
_GPU_IS_FULL = ('failed. Status: out of memory', 'No BLAS for stream',
                'CUDA_ERROR_OUT_OF_MEMORY')


def reason(message: str) -> str:
    """Returns the line of a TensorFlow error's message that says the reason.

    Where that is a GPU that the installed TensorFlow cannot use, or that others
    use, the line also says what to do.
    """
    lines = [line for line in _PLACE.split(message)[-1].splitlines()
             if line.strip() and 'root error(s) found' not in line]
    line = _KIND.sub('', lines[0]) if lines else ''
    if any(fault in message for fault in _GPU_FAULTS):
        line = ('the installed TensorFlow cannot use this GPU. See '
                'docs/gpu.md, or run it on the CPU with CUDA_VISIBLE_DEVICES='
                f'-1 before the command. CUDA says: {line}')
    elif any(fault in message for fault in _GPU_IS_FULL):
        line = ('the GPU cannot start, mostly as other programs hold its '
                'memory: nvidia-smi lists them. Wait for them, or set '
                'CUDA_VISIBLE_DEVICES before the command to another GPU, or '
                f'to -1 for the CPU. TensorFlow says: {line}')
    return line
