"""A look at records before training: counts, sizes of boxes, and pictures.

Which network and which anchors suit is told by the share of the objects
whose best anchor overlaps them by at least 0.5: these teach several anchors,
the others only the one that each object gets in any case.
"""
import itertools
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import tqdm

from common import commands
from common import files
from common import fonts
from common import tables
from datasets import balance
from datasets import dataset_factory
from datasets import records
from datasets import tfrecords
from detection import anchor_search
from detection import anchors
from detection import boxes
from engine import runtime
from engine.data import contact_sheet
from nets import anchor_files
from nets import flops
from nets import nets_factory
from nets import ssd

MIN_OVERLAP = 0.5  # Of a match; Caffe SSD, ssd_pascal.py, overlap_threshold.
# A box's side is the square root of its area, of the image's.
SIDES = (0, .05, .1, .2, .4, 1)
# A larger input is advised if it helps that share of the objects.
MIN_GAIN = 0.02


class Fit(NamedTuple):
    """How many objects fit a choice of anchors."""
    names: list[str]  # Of the networks that share them.
    preset: str
    side: int  # Of the input, in pixels.
    share: float  # Of all objects.
    shares: list[float]  # By SIDES, NaN where there is no object.


def inspect(dataset_name: str, split_name: str, dataset_dir: str,
            output_dir: str, suggest_anchors: bool = False,
            model_name: str | None = None):
    """Prints counts and sizes; writes <name>_<split>.png, a contact sheet.

    With model_name also what that network is. With suggest_anchors also a
    file of anchors for it, or for the one that is advised.

    Raises:
      ValueError: the records are missing, damaged, or have other classes.
    """
    dataset = dataset_factory.get_dataset(
        dataset_name, split_name, dataset_dir)
    samples = [
        sample._replace(encoded=None) for sample in tqdm.tqdm(
            records.read_samples(dataset.data_sources, dataset.record_ids),
            unit=' images', total=dataset.num_samples, disable=None)]
    _check_labels(samples, dataset)
    print(f'{dataset_name} {split_name}, in {dataset_dir}:')
    print('\n'.join([*dataset.notes, *class_lines(samples, dataset.labels)]))
    bboxes = np.concatenate([sample.bboxes for sample in samples])
    if len(bboxes):
        print('\n'.join(['', *size_lines(bboxes)]))
    if model_name is not None:
        print('\n'.join(['', *network_lines(
            nets_factory.get_network(model_name), len(dataset.labels))]))
    path = os.path.join(output_dir, files.file_name(
        f'{dataset_name}_{split_name}.png'))
    _write_sheet(path, samples, dataset)
    print(f'Images with boxes and names: {path}')
    for note in fonts.notes(dataset.labels):
        print(note, file=sys.stderr, flush=True)
    if suggest_anchors:
        if not len(bboxes):
            raise ValueError(
                f'--suggest_anchors: {dataset_name} {split_name} has no '
                'object that anchors could fit.')
        network = nets_factory.get_network(
            model_name or advise(anchor_fits(bboxes)).names[0])
        path = os.path.join(output_dir, files.file_name(
            f'{dataset_name}_{network.name}_anchors.json'))
        print('\n'.join(suggestion_lines(bboxes, network, path)))


def class_lines(samples: Sequence[tfrecords.Sample],
                class_names: Sequence[str]) -> list[str]:
    """Returns the lines of a table: objects and images per class."""
    per_image = [sample.labels for sample in samples]
    labels = np.concatenate(per_image)
    difficult = np.concatenate([sample.difficult for sample in samples]) > 0
    columns = [
        np.bincount(values, minlength=len(class_names) + 1)[1:].tolist()
        for values in (labels, labels[difficult],
                       np.concatenate([*map(np.unique, per_image)]))]
    rows = [
        ('class', 'objects', 'difficult', 'images'),
        *zip(map(files.quote, class_names), *columns, strict=True),
        ('all', len(labels), np.count_nonzero(difficult), len(samples))]
    lines = tables.lines(rows)
    num_empty = sum(not labels.size for labels in per_image)
    if num_empty:
        lines.append(f'{num_empty} images have no object.')
    missing = [name for name, *counts in rows[1:-1] if not counts[0]]
    if missing:
        lines.append(f'No object is of class {", ".join(missing)}.')
    shares = balance.class_shares(per_image, len(class_names))
    most, least = shares.argmax(), np.where(shares, shares, np.inf).argmin()
    if shares[most] >= balance.MIN_IMBALANCE * shares[least] > 0:
        lines.append(
            f'{files.quote(class_names[least])} is in '
            f'{shares[most] / shares[least]:.0f} times fewer images than '
            f'{files.quote(class_names[most])}: train with '
            '--sampling=balanced.')
    return lines


def size_lines(bboxes: np.ndarray) -> list[str]:
    """Returns lines: sizes of boxes, the anchors they fit, an advice.

    bboxes: float [n, 4], relative, at least one.
    """
    fits = anchor_fits(bboxes)
    rows = [
        ('side of a box, % of the image', 'all', *(
            f'{100 * low:g}-{100 * high:g}'
            for low, high in itertools.pairwise(SIDES))),
        ('objects', len(bboxes), *map(np.count_nonzero, _by_size(bboxes))),
        *((f'{fit.names[0]} {fit.preset}', *(
            '-' if np.isnan(share) else f'{100 * share:.1f} %'
            for share in (fit.share, *fit.shares))) for fit in fits)]
    advised = advise(fits)
    others = {first: names for first, *names in (fit.names for fit in fits)}
    return [
        f'Objects whose best anchor overlaps them by {MIN_OVERLAP} and more, '
        'by network and --anchors:', *tables.lines(rows),
        *(f'As {first}: {", ".join(names)}.'
          for first, names in others.items() if names),
        f'Advice: --model_name={advised.names[0]} --anchors={advised.preset} '
        f'({100 * advised.share:.1f} %). A larger input is advised where it '
        f'gains {100 * MIN_GAIN:g} points: it costs its area in time.']


def network_lines(network: type[ssd.SSDNet], num_classes: int) -> list[str]:
    """Returns lines about a network of so many classes: its layers, its cost.

    num_classes: without the background.
    """
    params = network.default_params._replace(num_classes=num_classes + 1)
    with runtime.quiet():
        cost = flops.of_network(network(params))
    rows = [('layer', 'cells', 'anchors', 'of a cell')]
    for layer, shape, sizes, ratios in zip(
            params.feat_layers, params.feat_shapes, params.anchor_sizes,
            params.anchor_ratios, strict=True):
        num_kinds = anchors.num_kinds(sizes, ratios)
        rows.append((layer, '{} x {}'.format(*shape),
                     shape[0] * shape[1] * num_kinds, num_kinds))
    return [
        '{}, of {} x {} pixels, with {} anchors:'.format(
            network.name, *params.img_shape, sum(row[2] for row in rows[1:])),
        *tables.lines(rows),
        f'{cost.num_parameters / 1e6:.1f} million parameters, '
        f'{cost.multiply_adds / 1e9:.2f} GMAC (10^9 multiply-adds) an image, '
        f'with {num_classes} classes.']


def suggestion_lines(bboxes: np.ndarray, network: type[ssd.SSDNet],
                     path: str) -> list[str]:
    """Writes anchors that fit the bboxes to `path`; returns what to say.

    bboxes: float [n, 4], relative, at least one.
    """
    own = network.default_params
    fixed = own.feat_shapes, own.img_shape
    sizes, ratios = anchor_search.search(
        bboxes, *fixed, own.anchor_sizes, own.anchor_ratios, own.anchor_steps,
        own.anchor_offset)
    anchor_files.write(path, network, sizes, ratios)
    found = own._replace(anchor_sizes=sizes, anchor_ratios=ratios)
    choices = {f'--anchors={preset}': network.with_anchors(own, preset)
               for preset in sorted(network.anchor_presets)}
    rows = [('anchors', 'objects that fit', 'mean overlap')]
    for name, params in {**choices, 'suggested': found}.items():
        overlaps = anchors.best_overlaps(
            bboxes, *fixed, params.anchor_sizes, params.anchor_ratios,
            params.anchor_steps, params.anchor_offset)
        rows.append((name, f'{(overlaps >= MIN_OVERLAP).mean():.1%}',
                     f'{overlaps.mean():.3f}'))
    return ['', f'Anchors of {network.name}:', *tables.lines(rows),
            'Train with: ' + commands.line(
                f'--model_name={network.name}', anchors=path)]


def anchor_fits(bboxes: np.ndarray) -> list[Fit]:
    """Returns a Fit of each network's anchors; equal ones share theirs."""
    fits, sizes = {}, _by_size(bboxes)
    for name, network in nets_factory.networks_map.items():
        for preset in sorted(network.anchor_presets):
            params = network.with_anchors(network.default_params, preset)
            geometry = (
                params.feat_shapes, params.img_shape, params.anchor_sizes,
                params.anchor_ratios, params.anchor_steps,
                params.anchor_offset)
            if geometry in fits:
                fits[geometry].names.append(name)
                continue
            is_fit = anchors.best_overlaps(bboxes, *geometry) >= MIN_OVERLAP
            fits[geometry] = Fit(
                [name], preset, params.img_shape[0], is_fit.mean(),
                [is_fit[rows].mean() if rows.any() else np.nan
                 for rows in sizes])
    return list(fits.values())


def advise(fits: Sequence[Fit]) -> Fit:
    """Returns the best Fit of the smallest input that loses < MIN_GAIN."""
    best = max(fit.share for fit in fits)
    return min((fit for fit in fits if fit.share > best - MIN_GAIN),
               key=lambda fit: (fit.side, -fit.share))


def _by_size(bboxes):
    """Returns for each pair of SIDES which bboxes are between: bool [n]."""
    sizes = np.digitize(np.sqrt(boxes.area(bboxes)), SIDES[1:-1])
    return [sizes == size for size in range(len(SIDES) - 1)]


def _write_sheet(path, samples, dataset):
    chosen = set(contact_sheet.choose(
        [sample.labels for sample in samples],
        max(contact_sheet.NUM_IMAGES, len(dataset.labels))))
    shown = [
        (records.image_name(sample.filename, index), sample)
        for index, sample in enumerate(records.read_samples(
            dataset.data_sources, dataset.record_ids)) if index in chosen]
    sheet = contact_sheet.draw(shown, dataset.labels)
    _, encoded = cv2.imencode('.png', cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    files.write_whole(path, [encoded.tobytes()])


def _check_labels(samples, dataset):
    for index, sample in enumerate(samples):
        for label in sample.labels:
            if not 1 <= label <= len(dataset.labels):
                name = records.image_name(sample.filename, index)
                raise ValueError(
                    f'{dataset.name} {dataset.split_name}, image {name}: an '
                    f'object is of class {label}, but there are '
                    f'{len(dataset.labels)} classes; convert again.')
