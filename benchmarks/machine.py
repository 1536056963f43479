"""What a benchmark ran on: a dict for its JSON, and a line for its table."""
import importlib.metadata
import os
import platform

LIBRARIES = ('tensorflow', 'numpy', 'opencv-python-headless', 'onnxruntime',
             'openvino', 'ai-edge-litert', 'torch')
# Instruction sets that decide how fast a CPU multiplies matrices.
INSTRUCTION_SETS = ('avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16',
                    'amx_int8', 'amx_bf16')


def describe() -> dict:
    """Returns the hardware and the versions of what runs on it, a dict."""
    return {
        'cpu': _from_proc('cpuinfo', 'model name') or platform.processor(),
        'cores': len(os.sched_getaffinity(0)),
        'instruction_sets': instruction_sets(),
        'memory_gib': round(
            int(_from_proc('meminfo', 'MemTotal').split()[0]) / 2 ** 20, 1),
        'system': platform.platform(),
        'python': platform.python_version(),
        'versions': {name: version for name in LIBRARIES
                     if (version := _version(name)) is not None},
    }


def instruction_sets() -> list[str]:
    """Returns those of INSTRUCTION_SETS that the CPU has."""
    flags = _from_proc('cpuinfo', 'flags').split()
    return [name for name in INSTRUCTION_SETS if name in flags]


def computes_in_bfloat16() -> bool:
    """Returns whether the CPU has instructions for bfloat16."""
    return bool({'avx512_bf16', 'amx_bf16'} & set(instruction_sets()))


def format_description(description: dict) -> str:
    """Returns the description as lines of text."""
    versions = ', '.join(
        f'{name} {version}'
        for name, version in description['versions'].items())
    return (f'{description["cpu"]}, {description["cores"]} cores '
            f'({", ".join(description["instruction_sets"])}), '
            f'{description["memory_gib"]} GiB\n'
            f'Python {description["python"]}, {versions}')


def _from_proc(name, key):
    """Returns the first value of a key in a file of /proc, '' if none."""
    with open(os.path.join('/proc', name), encoding='utf-8') as file:
        for line in file:
            found, _, value = line.partition(':')
            if found.strip() == key:
                return value.strip()
    return ''


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
