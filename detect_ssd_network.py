"""Finds objects in images, recordings, cameras and streams.

    python detect_ssd_network.py --checkpoint_path=./logs \
        --input='photos/*.jpg' --output_dir=./detections

Writes annotated pictures, or a video, and detections.json with the boxes.
"""
import os

from engine import cli
from engine.detecting import options

GROUPS = (options.Model, options.Detection, options.Source, options.Run)


def main(model, detection, source, run):
    """Hands the flags over."""
    cli.require(checkpoint_path=model.checkpoint_path, input=source.input)
    # Set before TensorFlow is imported; by itself it does so on some CPUs.
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    from engine.detecting import detect
    detect.run(model, detection, source, run)


if __name__ == '__main__':
    cli.run(main, *GROUPS)
