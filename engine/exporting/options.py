"""What can be chosen of an export: the flags of export_ssd_network.py.

Those of what is detected are of engine.evaluation.options. Name, type, help,
lowest value and default stand here alone. Nothing here needs TensorFlow, so
that --help is quick.
"""
from collections.abc import Sequence
from typing import Annotated
from typing import Literal
from typing import NamedTuple


class Data(NamedTuple):
    """The images of proof and calibration."""
    dataset_name: Annotated[
        str, 'pascalvoc_2007, pascalvoc_2012, pascalvoc_0712 (both), or the '
        'name of your own records: <name>_<split>_*.tfrecord.']
    dataset_dir: Annotated[str, 'Folder of the TFRecords.']
    dataset_split_name: Annotated[
        str, 'Split whose images every file is run on.'] = 'test'
    num_proof_images: Annotated[
        int, 'How many of them, from the first on.', 1] = 200
    calibration_split_name: Annotated[
        str, 'Split whose images int8 is calibrated on.'] = 'train'
    num_calibration_images: Annotated[
        int, 'How many of them, chosen by --random_seed.', 1] = 64
    random_seed: Annotated[int, 'Chooses the images to calibrate on.', 0] = 0


class Model(NamedTuple):
    """Which weights are exported."""
    checkpoint_path: Annotated[str | None, 'File, prefix or folder.'] = None
    model_name: Annotated[
        str | None, 'A network of nets/nets_factory.py, for a checkpoint that '
        "does not say it; its classes are the data set's then."] = None
    anchors: Annotated[
        Literal['voc', 'coco'] | None, 'Anchors of a checkpoint that does not '
        "say; default: coco, the original's."] = None
    moving_average_decay: Annotated[
        float | None, 'Export the moving averages of the weights; default: '
        'the weights.'] = None
    which: Annotated[
        Literal['best', 'latest'] | None, 'Of a --checkpoint_path that is the '
        'folder of a training: its best or its latest checkpoint; default: the '
        'best, if there is one.'] = None


class Export(NamedTuple):
    """What is written."""
    output_dir: Annotated[str | None, 'Folder of the files.'] = None
    formats: Annotated[
        Sequence[str] | None, 'Any of saved_model, onnx, openvino, tflite, '
        'tensorrt, with commas between; default: the first four, if they have '
        'the precision.'] = None
    precision: Annotated[
        Literal['float32', 'float16', 'int8'], 'float16 stores the weights '
        'so; int8 computes the network so.'] = 'float32'
    input_type: Annotated[
        Literal['float32', 'uint8'], 'Of the pixels, which are 0 to 255.'
        ] = 'float32'
    batch_size: Annotated[int, 'Images of a batch, always.', 1] = 1
    heads_only: Annotated[
        bool, 'Leave suppression to others: scores and bboxes of all anchors '
        'come out.'] = False
    max_map_loss: Annotated[
        float | None, 'mAP that a file may lose against the checkpoint; '
        'default: 0.001, in float16 0.002, in int8 0.01.'] = None
