"""Identities of objects that move, cross and hide."""
import itertools

import numpy as np
import pytest

from detection import boxes
from engine.detecting import tracking

NUM_FRAMES = 200


def film(seed, num_objects=8, height=480, width=640):
    """Yields bboxes, scores, classes of shapes that cross and hide others."""
    rng = np.random.default_rng(seed)
    room = np.array([height, width])
    centres = rng.uniform(60, room - 60, (num_objects, 2))
    angles = rng.uniform(0, 2 * np.pi, num_objects)
    speeds = np.stack([np.sin(angles), np.cos(angles)], 1) * rng.uniform(
        2.5, 6, (num_objects, 1))
    sizes = rng.uniform(40, 80, (num_objects, 2))
    class_ids = rng.integers(1, 4, num_objects)
    for _ in range(NUM_FRAMES):
        centres += speeds
        is_out = (centres < sizes / 2) | (centres > room - sizes / 2)
        centres = np.clip(centres, sizes / 2, room - sizes / 2)
        speeds[is_out] *= -1
        bboxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1)
        scores = np.full(num_objects, .9)
        for behind, front in itertools.combinations(range(num_objects), 2):
            window = bboxes[front]
            hidden = boxes.area(boxes.clip(
                bboxes[behind], window)) / boxes.area(bboxes[behind])
            # Faint, then not found at all.
            scores[behind] = min(
                scores[behind], .9 if hidden < .4 else .3 if hidden < .7
                else 0.)
        yield bboxes + rng.normal(0, 1.5, bboxes.shape), scores, class_ids


@pytest.mark.parametrize('seed', range(4))
def test_objects_that_cross_keep_their_identities(seed):
    tracker = tracking.Tracker(.5)
    ids, num_hidden, num_faint = {}, 0, 0
    for frame, (bboxes, scores, class_ids) in enumerate(film(seed)):
        seen = np.flatnonzero(scores)
        num_hidden += len(scores) - len(seen)
        tracked = tracker.update(
            frame, bboxes[seen], scores[seen], class_ids[seen])
        num_faint += (scores[seen][tracked.rows] < .5).sum()
        for row, one in zip(tracked.rows, tracked.ids, strict=True):
            ids.setdefault(seen[row], []).append(one)
    assert num_hidden >= 5 and num_faint >= 5
    switches = sum(one != other for some in ids.values()
                   for one, other in itertools.pairwise(some[2:]))
    assert switches <= 2
    assert all(some[:2] == [None] * 2 for some in ids.values())
    classes, counts = np.unique(class_ids, return_counts=True)
    assert tracker.counts() == dict(zip(classes, counts))


def update(tracker, frame, *detections):
    """Follows detections (cy, cx, score, class), all of 20 pixels."""
    rows = np.reshape(detections, (-1, 4))
    return tracker.update(
        frame, np.concatenate([rows[:, :2] - 10, rows[:, :2] + 10], 1),
        rows[:, 2], rows[:, 3].astype(int))


def test_an_identity_begins_with_the_third_frame_in_a_row():
    tracker = tracking.Tracker(.5)
    for frame in (0, 1):
        assert update(tracker, frame, (50, 50, .9, 1)).ids == [None]
    assert update(tracker, 2).ids == [] and tracker.counts() == {}
    for frame in (3, 4):
        assert update(tracker, frame, (50, 50, .9, 1)).ids == [None]
    assert update(tracker, 5, (20, 20, .9, 2), (50, 51, .9, 1)).ids == [
        None, 1]
    for frame, ids in ((6, [1, None]), (7, [1, 2])):
        assert update(tracker, frame, (50, 52, .9, 1), (20, 20, .9, 2)).ids == (
            ids)
    assert tracker.counts() == {1: 1, 2: 1}


def test_faint_detections_are_of_objects_that_are_there():
    tracker = tracking.Tracker(.5)
    for frame in range(3):
        update(tracker, frame, (50, 50, .9, 1))
    tracked = update(tracker, 3, (90, 90, .4, 1), (50, 50, .2, 1))
    assert tracked.rows.tolist() == [1] and tracked.ids == [1]
    assert len(update(tracker, 4, (50, 50, .05, 1)).rows) == 0
    # It was lost, and does not come back by a faint one.
    assert len(update(tracker, 5, (50, 50, .2, 1)).rows) == 0
    assert update(tracker, 6, (50, 50, .6, 1)).ids == [1]


def test_objects_come_back_within_a_second_or_not():
    for gap, ids in ((30, [1]), (31, [None])):
        tracker = tracking.Tracker(.5)
        for frame in range(3):
            update(tracker, frame, (50, 50, .9, 1))
        update(tracker, 2 + gap)
        assert update(tracker, 3 + gap, (50, 50, .9, 1)).ids == ids
        assert tracker.counts() == {1: 1}


def test_frames_that_are_passed_over_are_moved_over():
    tracker = tracking.Tracker(.5)
    frames = [*range(10), 15]
    for frame in frames:
        tracked = update(tracker, frame, (50, 50 + 8 * frame, .9, 1))
    assert tracked.ids == [1]
    np.testing.assert_array_equal(tracked.trails[0], [
        (50, 50 + 8 * frame) for frame in frames])


def test_the_class_is_the_one_that_was_most_often():
    tracker = tracking.Tracker(.5)
    for frame, label in enumerate([1, 2, 1, 1]):
        tracked = update(tracker, frame, (50, 50, .9, label))
    assert tracked.ids == [1] and tracker.counts() == {1: 1}
    # Of two in one place the class tells which is which.
    tracker = tracking.Tracker(.5)
    for frame, order in enumerate([(1, 2), (2, 1), (1, 2), (2, 1)]):
        tracked = update(tracker, frame, *(
            (50, 50 + label, .9, label) for label in order))
    assert tracked.ids == [2, 1]


def test_pairs_have_the_largest_sum_of_all():
    rng = np.random.default_rng(0)
    for _ in range(200):
        shape = rng.integers(0, 6, 2).tolist()
        values, minimum = rng.random(shape), rng.choice([0, .3, .6])
        pairs = tracking.assign(values, minimum)
        for items in zip(*pairs):
            assert len(set(items)) == len(pairs)
        worth = np.maximum(values - minimum, 0)
        worth = worth if shape[0] <= shape[1] else worth.T
        best = max(worth[range(len(worth)), list(columns)].sum()
                   for columns in itertools.permutations(
                       range(worth.shape[1]), len(worth)))
        assert sum(values[pair] - minimum for pair in pairs) == (
            pytest.approx(best))
        assert all(values[pair] >= minimum for pair in pairs)
