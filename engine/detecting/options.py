"""What can be chosen of a detection: the flags of detect_ssd_network.py.

Name, type, help, lowest value and default stand here alone. Nothing here needs
TensorFlow, so that --help is quick.
"""
from collections.abc import Sequence
from typing import Annotated
from typing import Literal
from typing import NamedTuple


class Model(NamedTuple):
    """Which network, with which weights."""
    checkpoint_path: Annotated[
        str | None, 'File, prefix or folder; or an exported file: an .onnx, an '
        ".xml of OpenVINO, a .tflite, a SavedModel's folder."] = None
    model_name: Annotated[
        str | None, 'A network of nets/nets_factory.py, such as ssd_300_vgg; '
        'default: that of the checkpoint, else ssd_300_vgg.'] = None
    labels: Annotated[
        str | None, 'Names of the classes, with commas between, for a '
        "checkpoint that does not say them; default: VOC's 20."] = None
    labels_file: Annotated[
        str | None, 'The same from a file, one name a line.'] = None
    anchors: Annotated[
        Literal['voc', 'coco'] | None, 'Anchors of a checkpoint that does not '
        "say; default: coco, the original's."] = None
    moving_average_decay: Annotated[
        float | None, 'Use the moving averages of the weights; default: the '
        'weights.'] = None
    compute_dtype: Annotated[
        Literal['float32', 'bfloat16', 'float16'], 'What convolutions compute '
        'in; bfloat16 is faster on CPUs with AMX or AVX-512 BF16 and on GPUs.'
        ] = 'float32'
    which: Annotated[
        Literal['best', 'latest'] | None, 'Of a --checkpoint_path that is the '
        'folder of a training: its best or its latest checkpoint; default: the '
        'best, if there is one.'] = None
    engine: Annotated[
        Literal['tensorflow', 'auto'], 'What computes a checkpoint. auto: '
        'TensorFlow, OpenVINO, ONNX Runtime or LiteRT, whichever of those that '
        'are installed is the fastest here and finds the same; to find out '
        'takes some seconds.'] = 'tensorflow'


class Detection(NamedTuple):
    """What it detects, and how many images at a time."""
    select_threshold: Annotated[
        str, 'Minimum score; best: where the last evaluation of the checkpoint '
        'had the best F1; or the --eval_dir of another evaluation.'] = '0.5'
    select_top_k: Annotated[int, 'Per class, before suppression.'] = 400
    keep_top_k: Annotated[int, 'Per image, after suppression.'] = 200
    nms_threshold: Annotated[float, 'Overlap that suppresses.'] = .45
    tile: Annotated[
        str | None, 'Detect in overlapping tiles of pictures too, for small '
        'objects in large pictures: auto, or the side of a tile in pixels; '
        "auto is the side of the network's input. select_top_k and keep_top_k "
        'are then of each tile.'] = None
    track: Annotated[
        bool, 'Give objects identities over the frames of a video: counts of '
        'objects by class, trails in the video, ids in detections.json.'
        ] = False
    batch_size: Annotated[
        int, 'Images or tiles of a batch; cameras have 1.'] = 8
    gpu_memory_fraction: Annotated[float, 'Most of a GPU to take.'] = .8


class Source(NamedTuple):
    """Where images come from."""
    input: Annotated[
        str | None, 'An image, a folder of images, a pattern such as '
        "'photos/*.jpg', a .txt with paths of images, a video, the number of a "
        'camera, or the address of a stream such as rtsp://host/path.'] = None
    recursive: Annotated[
        bool, 'Also take the images in the folders of a folder.'] = False
    every_n_frames: Annotated[
        int, 'Of a video, detect in every n-th frame only.', 1] = 1
    start: Annotated[
        float | None, 'Where to begin in a video, in seconds.', 0] = None
    end: Annotated[
        float | None, 'Where to end in a video, in seconds.', 0] = None
    camera_size: Annotated[
        str | None, 'Width and height to ask a camera for, in pixels, such as '
        "640x480; default: the camera's own."] = None
    max_seconds: Annotated[
        float | None, 'Ends a camera or stream after so many seconds; default: '
        'goes on until Ctrl-C.', 0] = None


class Run(NamedTuple):
    """Where results go."""
    output_dir: Annotated[
        str, 'Folder of the results, made if missing.'] = './detections'
    output_name: Annotated[
        str | None, 'Name of the picture or video of a single input, without '
        'folder; default: that of the input.'] = None
    format: Annotated[
        Sequence[str], 'Also write annotations, to be corrected in a labelling '
        'tool and trained on: one or several of voc (Annotations/*.xml), coco, '
        'yolo, csv (folders of these names). Only for images.'] = ()
    save_xml: Annotated[bool, 'The same as --format=voc.'] = False
    save_coco: Annotated[
        bool, "Also write coco_detections.json, in COCO's format of results; "
        'detections.json then says the image_id of each image. --format=coco '
        'does so too.'] = False
    save_crops: Annotated[
        bool, 'Also write a picture of each object: crops/<class>/*.jpg.'
        ] = False
    show: Annotated[
        bool, 'Also show the pictures in a window: any key goes on, q ends.'
        ] = False
