"""The usual alternative: torchvision's SSD300, trained on the same records.

    pip install torch torchvision
    python -m benchmarks.torch_learning --dataset_name=bccd \
        --dataset_dir=tfrecords --split=trainval --test_split=test \
        --minutes=90 --augmentation=crop --bfloat16

Network, loss, augmentation and post-processing are torchvision's own, put
together as its references/detection does; the weights are random. What it
finds is scored by the code of eval_ssd_network.py.
"""
# ruff: noqa: E402
import argparse
import io
import itertools
import json
import sys
import time

# PyTorch's compiler, which is not used, crashes beside TensorFlow.
sys.modules['triton'] = None

import numpy as np
import tensorflow.compat.v1 as tf
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.models import detection
from torchvision.transforms import v2

from datasets import dataset_factory
from datasets import tfrecords
from detection import average_precision
from detection import coco_metrics

# Steps by which torchvision's presets augment for SSD, before the flip.
_CROP = [v2.RandomPhotometricDistort(), v2.RandomIoUCrop()]
AUGMENTATIONS = {
    'ssd': [_CROP[0], v2.RandomZoomOut(fill={
        tv_tensors.Image: (123., 117., 104.), 'others': 0}), _CROP[1]],
    'crop': _CROP, 'flip': []}
OPTIMIZERS = {
    'sgd': lambda weights, rate: torch.optim.SGD(
        weights, rate, momentum=.9, weight_decay=5e-4),
    'adam': torch.optim.Adam}
WARMUP_STEPS = 50
# Share of the budget at the whole rate; a tenth of it follows.
FIRST_RATE = .8


def main():
    """Trains for the minutes, scores, writes JSON."""
    options = _options()
    torch.manual_seed(options.seed)
    labels, samples = _read(options, options.split)
    model = detection.ssd300_vgg16(
        weights=None, weights_backbone=None, num_classes=len(labels) + 1)
    about = _train(model, samples, options)
    about |= _score(model, _read(options, options.test_split)[1], labels)
    with open(options.output, 'w', encoding='utf-8') as file:
        json.dump({**vars(options), **about}, file, indent=1)
    print(json.dumps(about, indent=1))
    print(f'All figures: {options.output}')


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('dataset_name', 'dataset_dir', 'split', 'test_split'):
        parser.add_argument(f'--{name}', required=True)
    parser.add_argument('--minutes', type=float, required=True,
                        help='of processor time, with the data')
    parser.add_argument('--batch_size', type=int, default=4)
    parser.add_argument('--optimizer', default='adam', choices=OPTIMIZERS)
    parser.add_argument('--learning_rate', type=float, default=.0001)
    parser.add_argument('--augmentation', default='ssd',
                        choices=AUGMENTATIONS)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--bfloat16', action='store_true',
                        help='by autocast; with channels last')
    parser.add_argument('--output', default='torch_learning.json')
    return parser.parse_args()


def _read(options, split):
    """Returns the names of the classes, and (image, target, difficult)s."""
    dataset = dataset_factory.get_dataset(
        options.dataset_name, split, options.dataset_dir)
    samples = []
    for path in dataset.data_sources:
        for record in tf.io.tf_record_iterator(path):
            sample = tfrecords.decode_example(record)
            with Image.open(io.BytesIO(sample.encoded)) as image:
                pixels = v2.functional.pil_to_tensor(image.convert('RGB'))
            corners = np.reshape(sample.bboxes, (-1, 4))[:, [1, 0, 3, 2]]
            corners *= np.tile([sample.width, sample.height], 2)
            samples.append((tv_tensors.Image(pixels), {
                'boxes': tv_tensors.BoundingBoxes(
                    torch.from_numpy(corners.astype(np.float32)),
                    format='XYXY', canvas_size=pixels.shape[1:]),
                'labels': torch.tensor(sample.labels)},
                np.array(sample.difficult, bool)))
    return list(dataset.labels), samples


def _train(model, samples, options):
    """Trains until the processor time is spent; returns what was done."""
    transform = v2.Compose([
        *AUGMENTATIONS[options.augmentation], v2.RandomHorizontalFlip(),
        v2.SanitizeBoundingBoxes(), v2.ToDtype(torch.float32, scale=True)])
    if options.bfloat16:
        model.to(memory_format=torch.channels_last)
    model.train()
    optimizer = OPTIMIZERS[options.optimizer](
        model.parameters(), options.learning_rate)
    start, budget = time.process_time(), 60 * options.minutes
    for step, rows in enumerate(_batches(len(samples), options)):
        spent = time.process_time() - start
        if spent > budget:
            return {'steps': step, 'seconds': spent}
        rate = options.learning_rate * min(1, (step + 1) / WARMUP_STEPS)
        optimizer.param_groups[0]['lr'] = rate * (
            1 if spent < FIRST_RATE * budget else .1)
        images, targets = zip(*(transform(*samples[row][:2])
                                for row in rows), strict=True)
        with torch.autocast('cpu', torch.bfloat16, enabled=options.bfloat16):
            loss = sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not loss.isfinite():
            sys.exit(f'The loss of step {step} is not finite.')
        if not step % 50:
            print(f'step {step}: loss {loss.item():.3f}, {spent:.0f} s of '
                  f'{budget:.0f}', flush=True)


def _batches(number, options):
    """Yields the rows of batches, in epochs, without end."""
    generator = torch.Generator().manual_seed(options.seed)
    rows = itertools.chain.from_iterable(
        torch.randperm(number, generator=generator).tolist()
        for _ in itertools.count())
    while True:
        yield list(itertools.islice(rows, options.batch_size))


def _score(model, samples, labels):
    """Returns the metrics of all images, and of each class."""
    model.eval()
    objects, found = [], []
    for number, (pixels, target, difficult) in enumerate(samples):
        with torch.inference_mode():
            result, = model([pixels / 255])
        for rows, values, more in ((objects, target, difficult),
                                   (found, result, result['scores'].numpy())):
            rows.append((np.full(len(more), number), values['labels'].numpy(),
                         values['boxes'].numpy()[:, [1, 0, 3, 2]], more))
    images, classes, bboxes, difficult = map(
        np.concatenate, zip(*objects, strict=True))
    groundtruths = average_precision.GroundTruths(
        images, classes, bboxes, difficult,
        np.prod(bboxes[:, 2:] - bboxes[:, :2], 1))
    images, classes, bboxes, scores = map(
        np.concatenate, zip(*found, strict=True))
    detections = average_precision.Detections(images, classes, scores, bboxes)
    by_voc, by_coco = (module.evaluate(groundtruths, detections, labels)
                       for module in (average_precision, coco_metrics))
    return {'mean': {**by_voc.metrics, **by_coco.metrics},
            **{result.name: result.metrics for result in by_voc.classes}}


if __name__ == '__main__':
    main()
