"""A few of the cases of tests.hostile.fuzz_checkpoints."""
import pytest

from tests.hostile import checkpoint_damage
from tests.hostile import fuzz_checkpoints


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    checkpoint_damage.save(folder)
    return folder


@pytest.mark.parametrize('kind', fuzz_checkpoints.KINDS)
def test_no_damage_does_harm(kind, whole, tmp_path):
    outcomes = [
        fuzz_checkpoints.run_case(kind, number, 0, whole, tmp_path / 'a')
        for number in range(40)]
    assert not [text for outcome, text in outcomes if outcome == 'failed']
    assert any(outcome == 'read' for outcome, _ in outcomes)
    # The newest whole checkpoint is taken for what the state does not name.
    assert kind == 'state' or any(
        outcome == 'refused' for outcome, _ in outcomes)
