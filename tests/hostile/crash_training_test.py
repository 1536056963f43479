"""The short form of tests/crash_training.py."""
from tests.hostile import crash_training


def test_training_that_is_killed_in_a_save_ends_the_same(tmp_path):
    crash_training.write_records(tmp_path)
    assert crash_training.run(
        tmp_path, num_kills=1, num_steps=6, seed=0) == (1, 1)
