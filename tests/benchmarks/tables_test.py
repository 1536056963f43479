"""benchmarks/tables.py, on runs with literal seconds."""
from benchmarks import contest
from benchmarks import tables


def measured(title, seconds, fault=None, num_images=4, waited=None, **spec):
    return contest.Measurement(
        {'title': title, 'model_name': 'net', 'batch': 4, 'dtype': 'float32',
         **spec}, [seconds], [seconds], [waited], num_images, 8 * 10 ** 9,
        2 ** 30, fault)


def cells(table):
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in table.splitlines()[2:]]  # Below the head.


def test_forward_is_a_share_of_the_matrix_product():
    table = tables.forward_table([
        measured('matrix product', 1), measured('this project', 2),
        measured('PyTorch', 2, 'torch is not installed')])
    assert cells(table) == [
        ['this project', 'net', '4', 'float32', '2.000', '0%', '2.00', '50%',
         '1.00 GiB'],
        ['PyTorch', 'net', '4', 'float32', 'torch is not installed',
         '', '', '', '']]


def test_an_export_is_a_multiple_of_its_checkpoint():
    table = tables.export_table([
        measured('checkpoint', 2), measured('onnx', .5, dtype='int8')])
    assert 'times checkpoint, float32' in table
    assert [row[3:6] for row in cells(table)] == [
        ['2.00', '0%', '1.00'], ['8.00', '0%', '4.00']]


def test_a_stage_tells_its_share_of_waiting():
    table = tables.stage_table([
        measured('training', 2, waited=.5), measured('decoding', 2)])
    assert [row[6] for row in cells(table)] == ['25.0%', '']


def test_a_network_has_its_multiply_adds():
    assert cells(tables.network_table([measured('this project', 2)])) == [
        ['net', 'float32', '4.00', '2.00', '0%', '1.00 GiB']]
