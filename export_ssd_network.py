"""Writes a checkpoint for other runtimes, and proves that it is as good.

    python export_ssd_network.py --checkpoint_path=./logs \
        --output_dir=./exported --formats=onnx,openvino --precision=int8 \
        --dataset_dir=./tfrecords --dataset_name=pascalvoc_2007

A file that is not as good has .failed in its name; docs/export.md has more.
"""
import os

from engine import cli
from engine.evaluation import options as evaluation_options
from engine.exporting import options

GROUPS = (options.Data, options.Model, evaluation_options.Detection,
          options.Export)


def main(data, model, detection, export):
    """Hands the flags over."""
    cli.require(
        checkpoint_path=model.checkpoint_path, output_dir=export.output_dir,
        dataset_name=data.dataset_name, dataset_dir=data.dataset_dir)
    # Set before TensorFlow is imported; by itself it does so on some CPUs.
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    from engine.exporting import export as exporting
    exporting.run(data, model, detection, export)


if __name__ == '__main__':
    cli.run(main, *GROUPS)
