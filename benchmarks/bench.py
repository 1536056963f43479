"""Measures this project and, beside it, other engines on the same network.

    python -m benchmarks.bench                      all that this machine does
    python -m benchmarks.bench --parts=forward --models=ssd_300_vgg --batches=8

Other engines are measured where they are installed: pip install '.[export]'
torch. Nothing else should run meanwhile.
"""
import argparse
import itertools
import json
import os
import tempfile
from typing import NamedTuple

from benchmarks import contest
from benchmarks import files
from benchmarks import machine
from benchmarks import tables
from engine.exporting import export
from nets import nets_factory

# The two networks of the original.
ORIGINALS = 'ssd_300_vgg', 'ssd_512_vgg'
MODELS = *ORIGINALS, 'ssd_300_mobilenet_v1'
NARROW = '_half', '_quarter'  # Ends of the names of networks.
TRAINING_BATCH = 8
# Of a batch; contestants of more do not fit into memory together.
MAX_PIXELS_TOGETHER = 8 * 300 * 300
NUM_IMAGES = 24, 96  # Of a stage's smaller and its larger run.
NUM_CONVERTED = 1000, 4000
NUM_OBJECTS = 5, 200  # Of an image whose anchors are matched.
NUM_CLASSES = 20, 80  # VOC's and COCO's.
# What eval_ssd_network.py, detect_ssd_network.py, export_ssd_network.py set.
DETECTING = 'forward', 'detection', 'exported', 'evaluation', 'video'


class Entrant(NamedTuple):
    """Who takes part in a contest between engines."""
    contestant: str  # Of benchmarks.worker.
    title: str
    dtypes: tuple[str, ...] = ('float32',)
    models: tuple[str, ...] | None = None  # None: all.
    about: dict = {}  # More of its spec.


BOTH = 'float32', 'bfloat16'
PYTORCH = (
    ('PyTorch', {'memory_format': 'contiguous_format'}),
    ('PyTorch, channels last', {'memory_format': 'channels_last'}))
FORWARD_ENTRANTS = (
    Entrant('forward', 'this project', BOTH),
    Entrant('onnxruntime', 'ONNX Runtime'),
    Entrant('openvino', 'OpenVINO', BOTH),
    Entrant('opencv', 'OpenCV'),
    Entrant('litert', 'LiteRT'),
    *(Entrant('pytorch', title, BOTH, None, about)
      for title, about in PYTORCH),
    Entrant('forward_rate', "the original's graph", models=ORIGINALS))
TRAINING_ENTRANTS = (
    Entrant('training_step', 'this project', BOTH),
    *(Entrant('pytorch_training', f'{title}, without data', BOTH, ORIGINALS,
              about) for title, about in PYTORCH),
    Entrant('training_step_rate', "with the original's conv6",
            models=ORIGINALS))


def main():
    """Measures, prints tables, writes JSON."""
    options = _options()
    description = machine.describe()
    print(machine.format_description(description), flush=True)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts:
            results[part] = PARTS[part](options, folder)
    with open(options.output, 'w', encoding='utf-8') as file:
        json.dump({'machine': description, **{
            part: [measurement._asdict() for measurement in measurements]
            for part, measurements in results.items()}}, file, indent=1)
    print(f'All figures: {options.output}')


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    dtypes = [dtype for dtype in BOTH
              if dtype == 'float32' or machine.computes_in_bfloat16()]

    def add_list(name, default, text, known=None):
        def parse(value):
            return [_known(item, known) for item in value.split(',')]

        parser.add_argument(
            name, type=parse, default=list(default),
            help=f'{text}; default: {",".join(map(str, default))}')

    add_list('--parts', PARTS, 'networks: each network of this project; '
             'exports: a checkpoint and its exported files, from pixels to '
             'detections; forward: --models in other engines; training: a '
             'step; stages: what surrounds the network', PARTS)
    add_list('--models', MODELS, 'networks of exports, forward and training',
             nets_factory.networks_map)
    parser.add_argument(
        '--batches', type=lambda value: list(map(int, value.split(','))),
        default=[1, 8], help='images of a batch of forward; default: 1,8')
    add_list('--dtypes', dtypes, 'float32, and bfloat16 if the CPU computes '
             'in it', BOTH)
    parser.add_argument(
        '--rounds', type=int, default=5, help='runs of each; default: 5')
    parser.add_argument(
        '--seconds', type=float, default=120,
        help='no further round of a table after this; default: 120')
    parser.add_argument(
        '--voc_dir', help='images of training and stages, a VOC folder with '
        'labels.txt; default: drawn shapes of 640 x 480')
    parser.add_argument('--output', default='benchmark.json')
    options = parser.parse_args()
    for name in ('JPEGImages', 'labels.txt') if options.voc_dir else ():
        if not os.path.exists(os.path.join(options.voc_dir, name)):
            parser.error(f'--voc_dir={options.voc_dir}: has no {name}; give a '
                         'VOC folder with its classes in labels.txt.')
    return options


def _known(item, known):
    if item not in known:
        raise argparse.ArgumentTypeError(
            f'{item!r} is unknown; known: {", ".join(known)}')
    return item


def _spec(contestant, title, folder, model_name, batch, dtype):
    return {
        'contestant': contestant, 'title': title, 'batch': batch,
        'dtype': dtype, 'model_name': model_name,
        'checkpoint': os.path.join(folder, f'{model_name}.ckpt'),
        'network': os.path.join(folder, f'{model_name}_{batch}'),
        'environment': _environment(contestant)}


def _environment(contestant):
    return {'TF_ENABLE_ONEDNN_OPTS': '1'} if contestant in DETECTING else {}


def _specs(dtypes, entrants, *where):
    """Returns specs of the contest between those that take part."""
    _, model_name, _ = where
    return [_spec('matmul', 'matrix product', *where, 'float32')] + [
        {**_spec(entrant.contestant, entrant.title, *where, dtype),
         **entrant.about}
        for dtype in dtypes for entrant in entrants
        if dtype in entrant.dtypes
        and (entrant.models is None or model_name in entrant.models)]


def _networks(options, folder):
    """This project's networks, all that are not narrow, one image each."""
    measurements = []
    for model_name in nets_factory.networks_map:
        if not model_name.endswith(NARROW):
            specs = [_spec('forward', 'this project', folder, model_name, 1,
                           dtype) for dtype in options.dtypes]
            files.write_checkpoint(model_name, specs[0]['checkpoint'])
            measurements += _compete(options, specs)
    return _shown(tables.network_table, measurements)


def _exports(options, folder):
    """A checkpoint and its exported files, from an image to detections."""
    measurements = []
    for model_name in options.models:
        where = folder, model_name, 1
        exports = os.path.join(folder, f'{model_name}_exports')
        specs = [
            {**_spec('exported', name, *where, precision), 'format': name,
             'exports': os.path.join(exports, precision),
             'packages': module.PACKAGES}
            for name in export.DEFAULT_FORMATS
            for module in [export.FORMATS[name]]
            for precision in ('float32', 'int8')
            if precision in module.PRECISIONS]
        files.write_checkpoint(model_name, specs[0]['checkpoint'])
        files.write_exports(specs)
        measurements += _shown(tables.export_table, _compete(options, [
            *(_spec('detection', 'checkpoint', *where, dtype)
              for dtype in options.dtypes), *specs]))
    return measurements


def _forward(options, folder):
    """The network alone, in this project and in other engines."""
    measurements = []
    for model_name, batch in itertools.product(
            options.models, options.batches):
        where = folder, model_name, batch
        spec, *_ = _specs((), (), *where)
        files.write_checkpoint(model_name, spec['checkpoint'])
        files.write_expected(spec)
        files.write_network(spec)
        for dtype in options.dtypes:
            measurements += _shown(tables.forward_table, _compete(
                options, _specs([dtype], FORWARD_ENTRANTS, *where)))
    return measurements


def _training(options, folder):
    """A step of a training, in this project and in PyTorch."""
    data = files.write_data(folder, options.voc_dir)
    # Of the data's classes.
    folder = os.path.join(folder, 'training')
    os.makedirs(folder, exist_ok=True)
    measurements = []
    for model_name in options.models:
        specs = [{**spec, **data} for spec in _specs(
            options.dtypes, TRAINING_ENTRANTS, folder, model_name,
            TRAINING_BATCH)]
        files.write_checkpoint(
            model_name, specs[0]['checkpoint'], data['labels_file'])
        files.write_expected(specs[0])
        # A step keeps what all layers give: not together in memory.
        measurements += _shown(tables.forward_table, contest.compete(
            specs, options.rounds, options.seconds, together=False))
    return measurements


def _stages(options, folder):
    """What surrounds the network, and whole commands."""
    data = files.write_data(folder, options.voc_dir)
    spec = {**data, **_spec('', '', folder, MODELS[0], TRAINING_BATCH,
                            options.dtypes[-1])}
    # Of the data's classes.
    spec['checkpoint'] = os.path.join(folder, 'stages.ckpt')
    files.write_checkpoint(
        spec['model_name'], spec['checkpoint'], data['labels_file'])

    def stage(contestant, title, **values):
        return {**spec, 'contestant': contestant, 'title': title,
                'environment': _environment(contestant), **values}

    specs = [stage('decode', 'JPEG decoding alone', batch=32),
             stage('input_pipeline', 'input pipeline, whole recipe',
                   batch=32)]
    specs += [stage('matching', f'matching, {number} objects an image',
                    num_objects=number) for number in NUM_OBJECTS]
    specs += [stage('post_processing', 'post-processing, 18,000 candidates, '
                    f'{number} classes', num_classes=number)
              for number in NUM_CLASSES]
    specs += [stage('conversion', 'conversion to records', num_images=number)
              for number in NUM_CONVERTED]
    specs += [stage('waiting', f'training of {model_name}',
                    model_name=model_name)
              for model_name in (MODELS[0], MODELS[-1])]
    specs += [stage(contestant, title, num_images=number)
              for contestant, title in (
                  ('forward', 'network alone'),
                  ('evaluation', 'evaluation, whole command'),
                  ('video', 'detection in a video, whole command'))
              for number in (NUM_IMAGES if contestant != 'forward' else [8])]
    return _shown(tables.stage_table, contest.compete(
        specs, options.rounds, options.seconds, together=False))


def _compete(options, specs):
    shape = nets_factory.get_network(
        specs[0]['model_name']).default_params.img_shape
    num_pixels = specs[0]['batch'] * shape[0] * shape[1]
    return contest.compete(specs, options.rounds, options.seconds,
                           together=num_pixels <= MAX_PIXELS_TOGETHER)


def _shown(make_table, measurements):
    print(f'\n{make_table(measurements)}', flush=True)
    return measurements


# In the order of main.
PARTS = {'networks': _networks, 'exports': _exports, 'forward': _forward,
         'training': _training, 'stages': _stages}


if __name__ == '__main__':
    main()
