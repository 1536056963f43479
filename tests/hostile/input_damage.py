"""Ways to damage a file, for fuzz_inputs.py."""
import json
import struct

# Names, numbers and texts that annotations and manifests do not expect.
VALUES = (
    '', ' ', '0', '-1', '1e309', '-1e308', '1e-320', 'nan', 'inf', '1_0',
    '9' * 400, '1,5', '0x10', '１２', 'yes', 'true', 'None', '../../etc/passwd',
    '/etc/passwd', 'C:\\x.jpg', 'damaged.jpg', 'x' * 10000, 'circle', 'a/b',
    '\x9b31m', '\u202eevil', 'a\nb', '\x7f', '𝄞', 'é', '&lt;b&gt;',
    '&#x9b;', '&#x202e;', '&#10;', '&#0;', '&#xd800;', '&x;', '&amp;',
    '<![CDATA[<x>]]>', '<!-- -->', '<a/>', '<a>' * 5000, '<?php ?>')
JSON_VALUES = (
    None, True, 0, -1, 1.5, 10 ** 30, float('nan'), float('inf'), '', 'x',
    '\x1b[2J', '\ud800', '../../x', 'x' * 10000, [], {}, [[]], [None], [1],
    ['a', 'a'], ['a/b'], ['background'], {'a': 1}, [{}], [[[[[]]]]])
DOCTYPES = (
    '<!DOCTYPE a>', '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
    '<!DOCTYPE a [<!ENTITY x "y">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///dev/zero">]>',
    '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>')
ENCODINGS = ('utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32', 'latin-1',
             'cp1252', 'cp037', 'utf-7', 'shift_jis')
DECLARED = (*ENCODINGS, 'no-such', 'rot13', 'zlib', 'idna', 'undefined',
            'unicode_escape', 'mbcs', '../../x')
MAX_BYTES = 2 ** 22  # Of a damaged file.


def damaged(kind, wholes, generator):
    """Returns the bytes of a damaged file.

    Args:
      kind: of fuzz_inputs.
      wholes: list of bytes, files to choose from.
      generator: random.Random.
    """
    content = generator.choice(wholes)
    damages = {'annotation': [damage_xml] * 3, 'record': [damage_record],
               'manifest': [damage_json] * 2}.get(kind, [])
    for _ in range(generator.choice((1, 1, 1, 2, 3, 6))):
        damage = generator.choice([*damages, damage_bytes])
        content = damage(content, generator)[:MAX_BYTES]
    return content


def damage_bytes(content, generator):
    """Cuts, flips, inserts, repeats or removes bytes."""
    first, last = sorted(generator.randrange(len(content) + 1)
                         for _ in range(2))
    way = generator.randrange(7)
    if way == 0:
        return content[:first]
    if way == 1:
        return content[:first] + generator.choice((
            b'\0', b'\xff', b'\n', b'\x1b[2J', b'\xff\xfe', b'\x80' * 12,
            generator.randbytes(8), generator.randbytes(300))) + content[first:]
    if way == 2:
        return content[:first] + content[last:]
    if way == 3:
        times = generator.choice((2, 3, 50))
        return content[:first] + content[first:last] * times + content[last:]
    if way == 4:
        return content[:first] + content[last:] + content[first:last]
    changed = bytearray(content)
    for _ in range(generator.choice((1, 2, 10, 100)) if content else 0):
        index = generator.randrange(len(content))
        if way == 5:
            changed[index] ^= 1 << generator.randrange(8)
        else:
            changed[index] = generator.choice((0, 1, 127, 128, 255))
    return bytes(changed)


def damage_xml(content, generator):
    """Replaces texts, moves elements, adds a DOCTYPE or another encoding."""
    text = content.decode('utf-8', 'replace')
    parts = text.split('<')
    index, other = (generator.randrange(len(parts)) for _ in range(2))
    tag, end, _ = parts[index].partition('>')
    way = generator.randrange(6)
    if way == 0:
        text = generator.choice(DOCTYPES) + text.partition('?>')[2]
    elif way == 1:
        body = text.partition('?>')[2] or text
        declared = generator.choice(DECLARED)
        text = f'<?xml version="1.0" encoding="{declared}"?>{body}'
        return text.encode(generator.choice(ENCODINGS), 'replace')
    elif way == 2:
        del parts[index]
        text = '<'.join(parts)
    elif way == 3:
        parts.insert(index, parts[other])
        text = '<'.join(parts)
    else:
        parts[index] = tag + end + generator.choice(VALUES)
        text = '<'.join(parts)
    return text.encode('utf-8', 'replace')


def damage_json(content, generator):
    """Replaces, removes or adds a value; nests what is deep."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return damage_bytes(content, generator)
    if generator.random() < .02:
        return generator.choice((b'[', b'{"a":')) * 200_000
    node = parent = {'root': document}
    key = 'root'
    while isinstance(node[key], (dict, list)) and node[key] and (
            generator.random() < .8):
        node = node[key]
        key = generator.choice(
            list(node) if isinstance(node, dict) else range(len(node)))
    if generator.random() < .2:
        del node[key]
    else:
        node[key] = generator.choice(JSON_VALUES)
    return json.dumps(parent.get('root')).encode()


def damage_record(content, generator):
    """Damages one record's bytes, between lengths and sums as they are due."""
    parts, position = [], 0
    while position + 12 <= len(content):
        length, = struct.unpack_from('<Q', content, position)
        parts.append(content[position + 12:position + 12 + length])
        position += length + 16
    if not parts:
        return damage_bytes(content, generator)
    index = generator.randrange(len(parts))
    parts[index] = damage_bytes(parts[index], generator)
    return b''.join(struct.pack('<QI', len(part), 0) + part + bytes(4)
                    for part in parts)
