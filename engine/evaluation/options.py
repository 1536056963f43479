"""What can be chosen of an evaluation: the flags of eval_ssd_network.py.

Name, type, help, lowest value and default stand here alone. Nothing here needs
TensorFlow, so that --help is quick.
"""
from collections.abc import Sequence
from typing import Annotated
from typing import Literal
from typing import NamedTuple


class Data(NamedTuple):
    """Which images are scored, and how they are read."""
    dataset_name: Annotated[
        str, 'pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 (both), or the '
        'name of your own records: <name>_<split>_*.tfrecord.']
    dataset_dir: Annotated[str, 'Folder of the TFRecords.']
    dataset_split_name: Annotated[str, 'Split to score on.'] = 'test'
    num_classes: Annotated[
        int | None, 'Classes with background; the records say it.'] = None
    batch_size: Annotated[int, 'Images of a batch.', 1] = 1
    max_num_batches: Annotated[int | None, 'Default: all.', 1] = None
    num_preprocessing_threads: Annotated[
        int, 'Images preprocessed at a time.', 1] = 4
    remove_difficult: Annotated[
        bool, 'Difficult objects are neither right nor wrong; else they count '
        'as any other.'] = True


class Model(NamedTuple):
    """Which weights are scored, and in which network."""
    checkpoint_path: Annotated[
        str, 'File, prefix or folder; or an exported file: an .onnx, an .xml '
        "of OpenVINO, a .tflite, a SavedModel's folder."] = '/tmp/tfmodel/'
    model_name: Annotated[
        str | None, 'A network of nets/nets_factory.py, such as ssd_300_vgg; '
        'default: that of the checkpoint, else ssd_300_vgg.'] = None
    anchors: Annotated[
        Literal['voc', 'coco'] | None, 'Anchors of a checkpoint that does not '
        "say; default: coco, the original's."] = None
    preprocessing_name: Annotated[
        str | None, 'Default: that of the network.'] = None
    eval_resize: Annotated[
        Literal['1', '2', '3', '4'], 'How images are fitted: 1 not at all, 2 '
        'central crop, 3 shrink and pad, 4 warp.'] = '4'
    moving_average_decay: Annotated[
        float | None, 'Score the moving averages; default: the weights.'] = None
    compute_dtype: Annotated[
        Literal['float32', 'bfloat16', 'float16'], 'What convolutions compute '
        'in; bfloat16 is faster on CPUs with AMX or AVX-512 BF16 and on GPUs.'
        ] = 'float32'
    which: Annotated[
        Literal['best', 'latest'] | None, 'Of a --checkpoint_path that is the '
        'folder of a training: its best or its latest checkpoint; default: the '
        'best, if there is one.'] = None


class Detection(NamedTuple):
    """What is detected; as in postprocessing.select_detections."""
    select_threshold: Annotated[float, 'Minimum score.'] = .01
    select_top_k: Annotated[int, 'Per class, before suppression.'] = 400
    keep_top_k: Annotated[int, 'Per image, after suppression.'] = 200
    nms_threshold: Annotated[float, 'Overlap that suppresses.'] = .45


class Run(NamedTuple):
    """What is right, where it is computed, and what it leaves behind."""
    matching_threshold: Annotated[
        float, "Overlap that is right; COCO's metrics have their own."] = .5
    metrics: Annotated[
        Sequence[str], 'By whose rules it is scored, the first for the '
        'headline: voc (11-point and area), coco (its 12 numbers).'] = (
            'voc', 'coco')
    eval_dir: Annotated[str, 'Folder of the results.'] = '/tmp/tfmodel/'
    report: Annotated[
        bool, 'Write <eval_dir>/report/index.html: curves, errors by kind, '
        'and the images where most is wrong.'] = True
    compare: Annotated[
        str | None, 'The --eval_dir of another evaluation of the same images: '
        'says what got better and what worse since.'] = None
    wait_for_checkpoints: Annotated[
        bool, 'Score each checkpoint as it comes.'] = False
    master: Annotated[str, 'TensorFlow server to run on.'] = ''
    gpu_memory_fraction: Annotated[float, 'Most of a GPU to take.'] = .8
