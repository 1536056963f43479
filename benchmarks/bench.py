"""Measures this project and, beside it, other engines on the same network.

    python -m benchmarks.bench                      all that this machine does
    python -m benchmarks.bench --parts=forward --sizes=300 --batches=1,8

OpenVINO and ONNX Runtime are measured where they are installed:
pip install onnx onnxruntime openvino. Nothing else should run meanwhile.
"""
import argparse
import json
import os
import tempfile

from benchmarks import contest
from benchmarks import files
from benchmarks import machine
from benchmarks import tables

PARTS = ('forward', 'training', 'stages')
MODELS = {300: 'ssd_300_vgg', 512: 'ssd_512_vgg'}
# More than this many pixels: contestants do not fit into memory together.
MAX_PIXELS_TOGETHER = 32 * 300 * 300
NUM_IMAGES = 24, 96  # Of a stage's smaller and its larger run.
NUM_CONVERTED = 1000, 4000
# What eval_ssd_network.py and detect_ssd_network.py set.
DETECTING = 'forward', 'evaluation', 'video'


def main():
    """Measures, prints tables, writes JSON."""
    options = _options()
    description = machine.describe()
    print(machine.format_description(description), flush=True)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        if 'forward' in options.parts:
            results['forward'] = [
                measurement for size in options.sizes
                for batch in options.batches
                for measurement in _forward(options, folder, size, batch)]
        if 'training' in options.parts:
            results['training'] = [
                measurement for size in options.sizes
                for batch in options.batches
                for measurement in _training(options, folder, size, batch)]
        if 'stages' in options.parts:
            results['stages'] = _stages(options, folder)
    with open(options.output, 'w', encoding='utf-8') as file:
        json.dump({'machine': description, **{
            part: [measurement._asdict() for measurement in measurements]
            for part, measurements in results.items()}}, file, indent=1)
    print(f'All figures: {options.output}')


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--parts', type=_list, default=list(PARTS),
        help='of forward,training,stages; default: all')
    parser.add_argument(
        '--sizes', type=_ints, default=[300, 512], help='default: 300,512')
    parser.add_argument(
        '--batches', type=_ints, default=[1, 8, 32],
        help='images of a batch; default: 1,8,32')
    dtypes = ['float32']
    if machine.computes_in_bfloat16():
        dtypes.append('bfloat16')
    parser.add_argument(
        '--dtypes', type=_list, default=dtypes, help='default: float32, and '
        'bfloat16 if the CPU computes in it')
    parser.add_argument(
        '--rounds', type=int, default=5, help='runs of each; default: 5')
    parser.add_argument(
        '--seconds', type=float, default=120,
        help='no further round of a table after this; default: 120')
    parser.add_argument(
        '--voc_dir', help='images of the stages, a VOC folder with '
        'labels.txt; default: drawn shapes of 640 x 480')
    parser.add_argument('--output', default='benchmark.json')
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f'--parts: {unknown[0]!r} is unknown; known: '
                     f'{", ".join(PARTS)}')
    return options


def _list(text):
    return text.split(',')


def _ints(text):
    return [int(item) for item in text.split(',')]


def _spec(contestant, title, folder, size, batch, dtype):
    return {
        'contestant': contestant, 'title': title, 'size': size,
        'batch': batch, 'dtype': dtype, 'model_name': MODELS[size],
        'checkpoint': os.path.join(folder, f'{MODELS[size]}.ckpt'),
        'onnx': os.path.join(folder, f'{MODELS[size]}_{batch}.onnx'),
        'environment': _environment(contestant)}


def _environment(contestant):
    return ({'TF_ENABLE_ONEDNN_OPTS': '1'} if contestant in DETECTING else {})


def _forward(options, folder, size, batch):
    spec = _spec('matmul', 'matrix product', folder, size, batch, 'float32')
    files.write_checkpoint(spec['model_name'], spec['checkpoint'])
    files.write_onnx(spec)
    specs = [spec]
    for dtype in options.dtypes:
        specs += [
            _spec(contestant, title, folder, size, batch, dtype)
            for contestant, title in (
                ('forward', 'this project'), ('onnxruntime', 'ONNX Runtime'),
                ('openvino', 'OpenVINO'), ('opencv', 'OpenCV'),
                ('forward_rate', "the original's graph"))
            if dtype == 'float32' or contestant in ('forward', 'openvino')]
    return _compete(options, specs, size, batch)


def _training(options, folder, size, batch):
    spec = _spec('matmul', 'matrix product', folder, size, batch, 'float32')
    data = files.write_data(folder, options.voc_dir)
    specs = [spec] + [
        {**data, **_spec(contestant, title, folder, size, batch, dtype)}
        for dtype in options.dtypes for contestant, title in (
            ('training_step', 'this project'),
            ('training_step_rate', "with the original's conv6"))
        if dtype == 'float32' or contestant == 'training_step']
    return _compete(options, specs, size, batch)


def _compete(options, specs, size, batch):
    measurements = contest.compete(
        specs, options.rounds, options.seconds,
        together=batch * size * size <= MAX_PIXELS_TOGETHER)
    print(f'\n{tables.network_table(measurements)}', flush=True)
    return measurements


def _stages(options, folder):
    data = files.write_data(folder, options.voc_dir)
    spec = {**data, **_spec('', '', folder, 300, 8, options.dtypes[-1])}
    # Of the data's classes.
    spec['checkpoint'] = os.path.join(folder, 'stages.ckpt')
    files.write_checkpoint(
        spec['model_name'], spec['checkpoint'], data['labels_file'])

    def stage(contestant, title, **values):
        return {**spec, 'contestant': contestant, 'title': title,
                'environment': _environment(contestant), **values}

    specs = [stage('decode', 'JPEG decoding alone', batch=32),
             stage('input_pipeline', 'input pipeline, whole recipe',
                   batch=32),
             stage('post_processing', 'post-processing, 18,000 candidates')]
    specs += [stage('conversion', 'conversion to records', num_images=number)
              for number in NUM_CONVERTED]
    specs += [stage(contestant, title, num_images=number)
              for contestant, title in (
                  ('forward', 'network alone'),
                  ('evaluation', 'evaluation, whole command'),
                  ('video', 'detection in a video, whole command'))
              for number in (NUM_IMAGES if contestant != 'forward' else [8])]
    measurements = contest.compete(
        specs, options.rounds, options.seconds, together=False)
    print(f'\n{tables.stage_table(measurements)}', flush=True)
    return measurements


if __name__ == '__main__':
    main()
