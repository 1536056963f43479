"""Parts of a set, by the names of its images."""
import types

import pytest

from datasets import splits


def source(names):
    return types.SimpleNamespace(
        folder='folder', output_name='toy', labels=None, notes=(), load=str,
        missing=lambda: None, names=lambda: names,
        left_out=lambda: {'image without annotation': ['lone.jpg'] * 2})


def names_of(names, shares):
    return [part.names() for part in splits.parts(source(names), shares)]


def test_parts_are_disjoint_and_of_about_their_shares():
    names = [f'img_{index}' for index in range(1000)]
    parts = names_of(names, [.7, .1, .2])
    assert sorted(sum(parts, [])) == sorted(names)
    for part, number in zip(parts, (700, 100, 200), strict=True):
        assert abs(len(part) - number) < 50
    assert [part.output_name for part in splits.parts(
        source(names), [.7, .1, .2])] == ['toy_train', 'toy_val', 'toy_test']


def test_a_part_stays_the_same_when_images_are_added():
    few, many = (names_of([f'img_{index}' for index in range(number)],
                          [.8, .2]) for number in (100, 300))
    for part, larger in zip(few, many, strict=True):
        assert part == larger[:len(part)]
    # On every system, in every version.
    assert few[1][:4] == ['img_1', 'img_8', 'img_10', 'img_11']


def test_copies_and_ways_to_compose_a_name_are_in_the_same_part():
    copies = [f'shot_{index}_jpg.rf.{copy}' for index in range(50)
              for copy in ('0ab1', '77fe')]
    for part in names_of(copies, [.5, .5]):
        assert len(part) == 2 * len({name.split('.')[0] for name in part})
    first, _ = names_of([f'u\u0308{index}' for index in range(50)], [.5, .5])
    composed, _ = names_of([f'\xfc{index}' for index in range(50)], [.5, .5])
    assert [name[2:] for name in first] == [name[1:] for name in composed]


def test_each_file_that_is_left_out_is_told_once():
    told = [part.left_out() for part in splits.parts(source([]), [.5, .5])]
    assert sorted(len(names) for one in told for names in one.values()) == [
        0, 2]


def test_an_empty_part_is_refused():
    with pytest.raises(ValueError, match=(
            'folder: none of the 1 images falls into toy_')):
        names_of(['a'], [.5, .5])


@pytest.mark.parametrize('text', [
    '', 'a', '1', '.5,.6', '1,0', '.8,-.1,.3', 'nan,1', '.25,.25,.25,.25'])
def test_shares_are_checked(text):
    with pytest.raises(ValueError, match=f"--split is '{text}'; .* as 0.8,0.2"):
        splits.parse(text)


def test_shares_are_read():
    assert splits.parse('0.8,0.2') == [.8, .2]
    assert splits.parse('0.7, 0.2, 0.1') == [.7, .2, .1]
