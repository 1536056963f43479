"""Trains SSD300 as ssd.pytorch does, within a budget of processor time.

    python -m benchmarks.pytorch_training --dataset_name=bccd \
        --dataset_split_name=trainval --dataset_dir=tfrecords \
        --output=alternative/model.ckpt --cpu_seconds=5400

What this project's training is compared with: ssd.pytorch's augmentation,
matching and loss; He initialisation, the first layer divided by 64; Adam,
0.0001 after 50 steps of warm-up and a tenth of it for the last fifth of the
budget; batches of 16. Its priors are not clipped here. The weights become a
checkpoint of this project, so eval_ssd_network.py scores both alike. Needs
`pip install torch`.
"""
import argparse
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
import torch

from benchmarks import pytorch_data
from datasets import dataset_factory
from datasets import records
from engine import checkpoints
from engine import models
from engine import runtime
from tests import torch_ssd

MODEL = 'ssd_300_vgg'
WARMUP_STEPS = 50
SHARE_OF_LOWER_RATE = 0.2
# torch: output, input, height, width; TensorFlow: the reverse of it, turned.
TO_TENSORFLOW, TO_TORCH = (2, 3, 1, 0), (3, 2, 0, 1)


def main():
    """Trains, then writes the checkpoint."""
    options = _options()
    runtime.prepare()
    dataset = dataset_factory.get_dataset(
        options.dataset_name, options.dataset_split_name, options.dataset_dir)
    network = models.make_network(MODEL, dataset.labels, None, 'voc')
    torch.manual_seed(options.random_seed)
    weights = _initial_weights(network)
    step = _train(options, weights, _batches(
        list(records.read_samples(dataset.data_sources)), network.anchors(),
        options.batch_size, np.random.default_rng(options.random_seed)))
    _save(options.output, network, dataset.labels, weights, step)
    print(f'{step} steps; next: python eval_ssd_network.py '
          f'--checkpoint_path={options.output} --dataset_name='
          f'{options.dataset_name} --dataset_dir={options.dataset_dir} '
          f'--eval_dir={os.path.dirname(options.output)}/eval')


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('dataset_name', 'dataset_split_name', 'dataset_dir'):
        parser.add_argument(f'--{name}', required=True)
    parser.add_argument('--output', required=True, help='prefix')
    parser.add_argument('--cpu_seconds', type=float, default=5400)
    parser.add_argument('--batch_size', type=int, default=16)
    parser.add_argument('--learning_rate', type=float, default=1e-4)
    parser.add_argument('--random_seed', type=int, default=1)
    return parser.parse_args()


def _initial_weights(network):
    """Returns a dict, name without the network's scope -> parameter."""
    weights = {}
    for name, shape in _shapes(network).items():
        tensor = torch.zeros([shape[axis] for axis in TO_TORCH]
                             if len(shape) == 4 else shape)
        if name.endswith('gamma'):
            torch.nn.init.constant_(tensor, 20)
        elif '_box/' in name and tensor.dim() == 4:
            torch.nn.init.xavier_uniform_(tensor)
        elif tensor.dim() == 4:
            torch.nn.init.kaiming_normal_(tensor, nonlinearity='relu')
        if name == 'conv1/conv1_1/weights':
            tensor /= 64
        weights[name] = tensor.requires_grad_()
    return weights


def _shapes(network):
    """Returns a dict, name without the network's scope -> shape."""
    with tf.Graph().as_default(), slim.arg_scope(network.arg_scope()):
        network.net(tf.zeros([1, *network.params.img_shape, 3]))
        return {variable.op.name.removeprefix(f'{MODEL}/'):
                variable.shape.as_list()
                for variable in slim.get_model_variables()}


def _batches(samples, anchors, batch_size, random):
    """Yields images, labels and localisations, tensors, without an end."""
    while True:
        order = random.permutation(len(samples))
        for first in range(0, len(order) - batch_size + 1, batch_size):
            batch = []
            for index in order[first:first + batch_size]:
                image, bboxes, labels = pytorch_data.augmented(
                    samples[index], random)
                batch.append((image, *pytorch_data.encoded(
                    bboxes, labels, anchors)))
            yield [torch.from_numpy(np.stack(part))
                   for part in zip(*batch, strict=True)]


def _train(options, weights, batches):
    """Changes the weights until the budget is spent; returns the steps."""
    optimizer = torch.optim.Adam(weights.values(), options.learning_rate)
    start, spent, step = time.process_time(), 0., 0
    while spent < options.cpu_seconds:
        rate = options.learning_rate * min((step + 1) / WARMUP_STEPS, 1)
        if spent >= (1 - SHARE_OF_LOWER_RATE) * options.cpu_seconds:
            rate *= 0.1
        for group in optimizer.param_groups:
            group['lr'] = rate
        images, labels, localisations = next(batches)
        optimizer.zero_grad()
        loss = torch_ssd.multibox_loss(
            *torch_ssd.forward(weights, images), labels, localisations)
        loss.backward()
        optimizer.step()
        step += 1
        spent = time.process_time() - start
        print(f'step {step}: loss {loss.item():.4f}, learning rate {rate:g}, '
              f'{spent:.0f} s of processor time', flush=True)
    return step


def _save(prefix, network, labels, weights, step):
    """Writes the weights as a checkpoint of this project."""
    os.makedirs(os.path.dirname(prefix) or '.', exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        for name, tensor in weights.items():
            value = tensor.detach().numpy()
            tf.get_variable(f'{MODEL}/{name}', initializer=(
                value.transpose(TO_TENSORFLOW) if value.ndim == 4 else value))
        tf.get_variable('global_step', initializer=np.int64(step))
        checkpoints.metadata.variable(
            checkpoints.metadata.make(network, labels))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix, write_meta_graph=False)


if __name__ == '__main__':
    main()
