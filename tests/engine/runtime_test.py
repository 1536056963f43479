"""What is told of the machine."""
import tensorflow.compat.v1 as tf

from engine import runtime


def test_a_gpu_that_tensorflow_does_not_see_is_told(
        tmp_path, monkeypatch, capsys):
    def told(pattern):
        runtime.tell_of_unused_gpu((f'{tmp_path}/{pattern}',))
        return capsys.readouterr().err

    # As in /proc/driver/nvidia/gpus.
    (tmp_path / '0000:01:00.0').mkdir()
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert told('*') == ('' if tf.config.list_physical_devices('GPU') else (
        f'{tmp_path}/0000:01:00.0: an NVIDIA GPU is here, but TensorFlow sees '
        'none; the CPU does the work. For the GPU: pip install '
        f"'tensorflow[and-cuda]=={tf.version.VERSION}', else see "
        'docs/gpu.md.\n'))
    assert told('none*') == ''
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    assert told('*') == ''
