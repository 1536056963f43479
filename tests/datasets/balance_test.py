"""Repeat factors of images, by the classes that are in them."""
import numpy as np
import pytest

from datasets import balance
from datasets import dataset_factory
from tests import scripts


def test_factors_by_hand():
    """Class 1 is in all four images, 2 in one; 3 in none."""
    labels = [np.array(of_image, int) for of_image in (
        [1, 1], [1], [1, 2, 2], [1])]
    np.testing.assert_allclose(
        balance.class_shares(labels, 3), [1, .25, 0])
    np.testing.assert_allclose(  # sqrt(1 / .25)
        balance.repeat_factors(labels, 3), [1, 1, 2, 1])


def test_an_image_without_objects_is_seen_once_and_no_image_too_often():
    labels = [np.array([1])] * 999 + [np.array([2]), np.array([], int)]
    factors = balance.repeat_factors(labels, 2)
    assert factors[0] == factors[-1] == 1
    assert factors[-2] == balance.MAX_FACTOR  # Not sqrt(999).
    assert balance.repeat_factors([np.array([], int)], 2) == [1]


def test_copies_of_records(tmp_path, monkeypatch):
    scripts.write_shapes(tmp_path / 'voc', 5, size=40)
    scripts.write_records(tmp_path / 'voc', tmp_path, 'toy_train')
    dataset = dataset_factory.get_dataset('toy', 'train', str(tmp_path))
    monkeypatch.setattr(balance, 'repeat_factors', lambda labels, num: (
        np.array([1, 2, 2.5, 3.9, 1])))
    copies, = balance.copies(dataset, seed=0)
    assert copies.dtype == np.int64
    assert copies[[0, 1, 4]].tolist() == [1, 2, 1]
    assert copies[2] in (2, 3) and copies[3] in (3, 4)
    many = [balance.copies(dataset, seed)[0][2] for seed in range(40)]
    assert np.mean(many) == pytest.approx(2.5, abs=.25)
