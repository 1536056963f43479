"""Runs the scripts as a user does, and makes what they are run on."""
import contextlib
import importlib
import pathlib
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import tensorflow.compat.v1 as tf
from absl import flags
from tf_slim.nets import vgg

import eval_ssd_network
import train_ssd_network
from datasets import conversion
from datasets.shapes import drawing
from datasets.shapes import synthetic_shapes
from datasets.voc import folders
from datasets.voc import pascalvoc
from engine import cli
from engine.evaluation import evaluate as evaluation
from engine.training import defaults
from engine.training import train as training
from nets import ssd_vgg_300

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / 'tests' / 'data'
BCCD = ROOT.parent / 'shared' / 'data' / 'bccd'
SECONDS_TO_END = 300


def run(folder, command, status=0):
    """Runs script and flags in a folder; returns its CompletedProcess."""
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
    """Runs a command that must fail; returns what it says."""
    stderr = run(folder, command, status=1).stderr
    assert f'{command.split()[0]}: ' in stderr
    return stderr


def parse(command):
    """Returns the groups of flags of a command line, as its main gets them."""
    script, *script_flags = command.split()
    module = importlib.import_module(script.removesuffix('.py'))
    flag_values = flags.FlagValues()
    cli.define(*module.GROUPS, flag_values=flag_values)
    assert flag_values([script, *script_flags]) == [script]
    return cli.values(*module.GROUPS, flag_values=flag_values)


def call(command):
    """Runs a command line in this process."""
    module = importlib.import_module(command.partition('.py ')[0])
    module.main(*parse(command))


def chosen(groups, changes):
    """Returns a NamedTuple of each group: its defaults, but for changes."""
    names = [name for group in groups for name in group._fields]
    assert set(changes) <= set(names), set(changes) - set(names)
    return [group(**{name: changes[name] for name in group._fields
                     if name in changes}) for group in groups]


def training_options(**changes):
    """Returns the five groups of an ordinary training, but for changes."""
    return defaults.ordinary(chosen(train_ssd_network.GROUPS[:-1], changes))


def train(**changes):
    """Trains with train_ssd_network's defaults, but for changes."""
    training.run(*chosen(train_ssd_network.GROUPS[:-1], changes))


def evaluate(**changes):
    """Evaluates with eval_ssd_network's defaults, but for changes."""
    return evaluation.run(*chosen(eval_ssd_network.GROUPS[:-1], changes))


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


def write_shapes(folder, num_train, **kwargs):
    """Writes shapes that have names of VOC's classes; returns the folder."""
    synthetic_shapes.write(folder, num_train, 0, **kwargs)
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
    manifest, = conversion.convert([part], str(output_dir), labels=labels)
    return manifest


def save_network(path, network=None, write_version=tf.train.SaverDef.V2):
    """Saves a network, ssd_300_vgg, as the original: with global_step."""
    network = network or ssd_vgg_300.SSDNet()
    with tf.Graph().as_default():
        network.net(tf.zeros([1, *network.params.img_shape, 3]),
                    is_training=False)
        save_graph(path, write_version)


def save_vgg_16(path):
    """Saves what is before fc6 of the published vgg_16.ckpt, of format V1."""
    with tf.Graph().as_default():
        vgg.vgg_16(tf.zeros([1, 224, 224, 3]))
        save_graph(path, tf.train.SaverDef.V1, [
            variable for variable in tf.global_variables()
            if 'conv' in variable.op.name])


def save_graph(path, write_version=tf.train.SaverDef.V2, variables=None):
    """Saves a graph's variables, as first set, at a global_step of 0."""
    step = tf.train.get_or_create_global_step()
    variables = [*variables, step] if variables else tf.global_variables()
    saver = tf.train.Saver(variables, write_version=write_version)
    with tf.Session() as session:
        session.run(tf.variables_initializer(variables))
        saver.save(session, str(path), write_meta_graph=False)
