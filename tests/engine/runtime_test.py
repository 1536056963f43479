"""What is told of the machine, and taken of it."""
import pytest
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


@pytest.mark.parametrize('gpus, fraction, expected', [
    (['GPU:0'], .5, [(True, .5)]),
    (['GPU:0'], None, []),  # A parameter server's.
    ([], .5, []),
])
def test_a_process_opens_the_session_that_decides_on_gpus_first(
        monkeypatch, gpus, fraction, expected):
    opened = []

    class Session(tf.Session):
        """Tells of its configuration."""

        def __init__(self, config):
            super().__init__(config=config)
            opened.append((
                config.gpu_options.allow_growth,
                config.gpu_options.per_process_gpu_memory_fraction))

    monkeypatch.setattr(tf, 'Session', Session)
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda _: gpus)
    runtime.prepare(fraction)
    assert opened == expected
