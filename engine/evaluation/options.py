"""What can be chosen of an evaluation: the flags of eval_ssd_network.py.

The flags' help says what each is. A default stands here alone. Without
TensorFlow, so that --help is quick.
"""
import typing


class Data(typing.NamedTuple):
    """Which images are scored, and how they are read."""
    dataset_name: str
    dataset_dir: str
    dataset_split_name: str = 'test'
    num_classes: int | None = None
    batch_size: int = 1
    max_num_batches: int | None = None
    num_preprocessing_threads: int = 4
    remove_difficult: bool = True


class Model(typing.NamedTuple):
    """Which weights are scored, and in which network."""
    checkpoint_path: str = '/tmp/tfmodel/'
    model_name: str | None = None
    anchors: str | None = None
    preprocessing_name: str | None = None
    eval_resize: str = '4'
    moving_average_decay: float | None = None
    compute_dtype: str = 'float32'


class Detection(typing.NamedTuple):
    """What is detected; as in postprocessing.select_detections."""
    select_threshold: float = .01
    select_top_k: int = 400
    keep_top_k: int = 200
    nms_threshold: float = .45


class Run(typing.NamedTuple):
    """What is right, where it is computed, and what it leaves behind."""
    matching_threshold: float = .5
    eval_dir: str = '/tmp/tfmodel/'
    report: bool = True
    wait_for_checkpoints: bool = False
    master: str = ''
    gpu_memory_fraction: float = .8
