"""Runs the scripts as a user does, and makes what they are run on."""
import contextlib
import functools
import importlib
import pathlib
import signal
import subprocess
import sys
import types
import xml.etree.ElementTree as ElementTree

import tensorflow.compat.v1 as tf
from absl import flags
from tf_slim.nets import vgg

from datasets import conversion
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from datasets.voc import pascalvoc
from engine.evaluation import evaluate as evaluation
from engine.evaluation import options as evaluation_options
from engine.training import options as training_options_
from engine.training import train as training
from nets import ssd_vgg_300

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / 'tests' / 'data'
BCCD = ROOT.parent / 'shared' / 'data' / 'bccd'
SECONDS_TO_END = 300


def run(folder, command, status=0):
    """Runs a command line in a folder; returns its CompletedProcess.

    Args:
      folder: working directory; relative paths of the command are there.
      command: script and flags, as typed after `python`.
      status: the exit status that it must have.
    """
    process = subprocess.run(
        arguments(command), cwd=folder, capture_output=True, text=True,
        timeout=SECONDS_TO_END, check=False)
    assert process.returncode == status, process.stdout + process.stderr
    return process


def arguments(command):
    """Returns the command line of a script as a list for subprocess."""
    script, *script_flags = command.split()
    return [sys.executable, str(ROOT / script), *script_flags]


def fails(folder, command):
    """Runs a command that must fail; returns its only line on stderr."""
    process = run(folder, command, status=1)
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith(command.split()[0] + ': ')
    return lines[0]


def options(script, **changes):
    """Returns the flags of a script with their defaults, but for changes."""
    assert set(changes) <= set(_defaults(script))
    return types.SimpleNamespace(**{**_defaults(script), **changes})


@functools.cache
def _defaults(script):
    importlib.import_module(script)
    own = flags.FLAGS.get_key_flags_for_module(script)
    # The scripts share names of flags, which one process has but once.
    for flag in own:
        delattr(flags.FLAGS, flag.name)
    return {flag.name: flag.value for flag in own}


def chosen(tuple_classes, changes):
    """Returns a NamedTuple of each class: its defaults, but for changes."""
    assert set(changes) <= {
        name for chosen in tuple_classes for name in chosen._fields}
    return [chosen(**{name: changes[name] for name in chosen._fields
                      if name in changes}) for chosen in tuple_classes]


def training_options(**changes):
    """Returns train_ssd_network's five groups of flags, but for changes."""
    return chosen([
        training_options_.Data, training_options_.Model,
        training_options_.Loss, training_options_.Optimizer,
        training_options_.Run], changes)


def train(**changes):
    """Trains with train_ssd_network's defaults, but for changes."""
    training.run(*training_options(**changes))


def evaluate(**changes):
    """Evaluates with eval_ssd_network's defaults, but for changes."""
    return evaluation.run(*chosen(
        [evaluation_options.Data, evaluation_options.Model,
         evaluation_options.Detection, evaluation_options.Run], changes))


@contextlib.contextmanager
def full_disk():
    """A disk with room for 50 bytes in each file, until the block ends."""
    import resource  # Not on Windows.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def write_shapes(folder, num_train, num_test=0, seed=0, **kwargs):
    """Writes shapes that have names of VOC's classes; returns the folder."""
    synthetic_shapes.write(folder, num_train, num_test, seed, **kwargs)
    names = dict(zip(drawing.CLASSES, pascalvoc.LABELS, strict=False))
    for path in pathlib.Path(folder, 'Annotations').iterdir():
        tree = ElementTree.parse(path)
        for name in tree.iterfind('object/name'):
            name.text = names[name.text]
        tree.write(path)
    return folder


def remove_objects(folder):
    """Leaves no object in any annotation of a VOC folder."""
    for path in pathlib.Path(folder, 'Annotations').iterdir():
        tree = ElementTree.parse(path)
        for element in tree.findall('object'):
            tree.getroot().remove(element)
        tree.write(path)


def write_records(folder, output_dir, output_name, labels=pascalvoc.LABELS,
                  image_set=None):
    """Converts a VOC folder in this process; returns the manifest."""
    part = folders.Part(str(folder), image_set, output_name)
    manifest, = conversion.convert(
        [part], str(output_dir), labels=labels)
    return manifest


def save_network(path, network=None, write_version=tf.train.SaverDef.V2):
    """Saves a network as the original did: variables and global_step.

    Args:
      path: prefix of the checkpoint.
      network: SSDNet, by default the original's ssd_300_vgg.
      write_version: format of the file.
    """
    network = network or ssd_vgg_300.SSDNet()
    images = [1, *network.params.img_shape, 3]
    with tf.Graph().as_default():
        network.net(tf.zeros(images), is_training=False)
        save_graph(path, write_version)


def save_vgg_16(path):
    """Saves a file like the published vgg_16.ckpt, which is of format V1."""
    with tf.Graph().as_default():
        vgg.vgg_16(tf.zeros([1, 224, 224, 3]))
        save_graph(path, tf.train.SaverDef.V1)


def save_graph(path, write_version=tf.train.SaverDef.V2):
    """Saves the graph's variables, as first set, at a global_step of 0."""
    tf.train.get_or_create_global_step()
    saver = tf.train.Saver(write_version=write_version)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        saver.save(session, str(path), write_meta_graph=False)
