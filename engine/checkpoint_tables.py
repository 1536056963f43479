"""Tables of keys and values: an .index, and a checkpoint of format V1.

The format is LevelDB's, see tensorflow/core/lib/io/format.h.
"""
import os

# The last bytes of a table.
MAGIC = (0xdb4775248b80fb57).to_bytes(8, 'little')
_FOOTER_BYTES = 48
_BLOCK_TRAILER_BYTES = 5  # The kind of compression, and a sum.
_MAX_KEY_BYTES = 1 << 14  # Far above any variable's name.


def read(file):
    """Yields (key, value), bytes, of an open file; reads it block by block.

    Raises:
      ValueError: it is no whole table.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _FOOTER_BYTES, 0))
    footer = file.read()
    if len(footer) < _FOOTER_BYTES or not footer.endswith(MAGIC):
        raise ValueError('its end is missing.')
    _, place = _read_handle(footer, 0)  # A block of notes, not used.
    (offset, length), _ = _read_handle(footer, place)
    end = 0
    for _, value in _read_block(file, size, offset, length):
        (offset, length), _ = _read_handle(value, 0)
        # Each byte is read but once, however a table is made up.
        if offset < end:
            raise ValueError('it has blocks that overlap.')
        end = offset + length
        yield from _read_block(file, size, offset, length)


def _read_block(file, size, offset, length):
    """Yields (key, value) of a block."""
    if offset + length + _BLOCK_TRAILER_BYTES > size:
        raise ValueError('it is cut off.')
    file.seek(offset)
    content = file.read(length + 1)
    if len(content) != length + 1 or content[-1] != 0:
        raise ValueError('it has a compressed block.')
    num_restarts = int.from_bytes(content[-5:-1], 'little')
    end = length - 4 * (num_restarts + 1)
    if end < 0:
        raise ValueError('it has a block without content.')
    key, place = b'', 0
    while place < end:
        shared, place = _read_varint(content, place)
        added, place = _read_varint(content, place)
        num_bytes, place = _read_varint(content, place)
        if (shared > len(key) or shared + added > _MAX_KEY_BYTES
                or place + added + num_bytes > end):
            raise ValueError('it has an entry that is too long.')
        key = key[:shared] + content[place:place + added]
        place += added + num_bytes
        yield key, content[place - num_bytes:place]


def _read_handle(content, place):
    """Returns (offset, length) of a block, and where the next begins."""
    offset, place = _read_varint(content, place)
    length, place = _read_varint(content, place)
    return (offset, length), place


def _read_varint(content, place):
    """Returns a number, and where the next begins."""
    number = shift = 0
    while place < len(content) and shift < 64:
        byte = content[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
    raise ValueError('it has a number that does not end.')
