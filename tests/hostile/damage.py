"""Ways in which files come to harm; a way takes bytes and a random.Random."""
import json
import random

# What annotations do not expect, in place of a name or a number.
TEXTS = (
    '', ' ', '0', '-1', '1e309', '-1e308', '1e-320', 'nan', 'inf', '1_0',
    '9' * 400, '1,5', '0x10', '１２', 'yes', 'None', '../../etc/passwd',
    'C:\\x.jpg', 'damaged.jpg', 'x' * 10000, 'circle', 'a/b', '\x9b31m',
    '\u202eevil', 'a\nb', '\x7f', '𝄞', 'é', '&lt;b&gt;', '&#x9b;', '&#0;',
    '&x;', '<![CDATA[<x>]]>', '<!-- -->', '<a/>', '<a>' * 5000, '<?php ?>')
VALUES = (
    None, True, 0, -1, 1.5, 10 ** 30, float('nan'), float('inf'), '',
    '\x1b[2J', '\ud800', '../../x', 'x' * 10000, [], {}, [[]], [None], [1],
    ['a', 'a'], ['a/b'], ['background'], {'a': 1}, [{}], [[[[[]]]]])
DOCTYPES = (
    '<!DOCTYPE a>', '<!DOCTYPE a [<!ENTITY x "y">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///dev/zero">]>',
    '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>')
ENCODINGS = ('utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32', 'latin-1',
             'cp037', 'utf-7', 'shift_jis')
DECLARED = (*ENCODINGS, 'no-such', 'rot13', 'zlib', 'undefined', '../../x')


def damaged(content: bytes, ways: list, rng: random.Random) -> bytes | None:
    """Returns a file's content after some harm; None if it is missing."""
    if rng.random() < .02:
        return None
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        content = rng.choice(ways)(content, rng)[:2 ** 22]
    return content


def damage_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flips bits; cuts, zeroes, repeats, moves, removes or inserts bytes."""
    first = rng.randrange(len(content) + 1)
    last = first + rng.choice((1, 4, 16, 512, len(content)))
    before, part, after = content[:first], content[first:last], content[last:]
    way = rng.randrange(9)
    if way <= 2 and content:
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 8, 100))):
            changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    inserted = rng.choice((b'\n', b'\x80' * 12, rng.randbytes(300)))
    return (before if way == 3 else
            before + bytes(len(part)) + after if way == 4 else
            before + part * rng.choice((2, 3, 50)) + after if way == 5 else
            after + before + part if way == 6 else
            before + after if way == 7 else before + inserted + part + after)


def damage_words(content: bytes, rng: random.Random) -> bytes:
    """Replaces, repeats or removes what stands between separators."""
    separator = rng.choice((b' ', b',', b'\n', b':', b'/'))
    words = content.split(separator)
    index = rng.randrange(len(words))
    text = rng.choice(TEXTS).encode(rng.choice(ENCODINGS[:1] * 9 + ENCODINGS),
                                    'replace')
    words[index:index + 1] = rng.choice((
        [text], [text], [], words[index:index + 1] * rng.choice((2, 99))))
    return separator.join(words)


def damage_xml(content: bytes, rng: random.Random) -> bytes:
    """Replaces texts, moves elements, adds a DOCTYPE or another encoding."""
    text = content.decode('utf-8', 'replace')
    body = text.partition('?>')[2] or text
    parts = text.split('<')
    index, other = (rng.randrange(len(parts)) for _ in range(2))
    way = rng.randrange(6)
    if way == 0:
        return (rng.choice(DOCTYPES) + body).encode('utf-8', 'replace')
    if way == 1:
        declared = rng.choice(DECLARED)
        text = f'<?xml version="1.0" encoding="{declared}"?>{body}'
        return text.encode(rng.choice(ENCODINGS), 'replace')
    if way == 2:
        del parts[index]
    elif way == 3:
        parts.insert(index, parts[other])
    else:
        tag, end, _ = parts[index].partition('>')
        parts[index] = tag + end + rng.choice(TEXTS)
    return '<'.join(parts).encode('utf-8', 'replace')


def damage_json(content: bytes, rng: random.Random) -> bytes:
    """Replaces or removes a value, or nests very deep."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return damage_bytes(content, rng)
    if rng.random() < .02:
        return rng.choice((b'[', b'{"a":')) * 200_000
    node = parent = {'root': document}
    key = 'root'
    while isinstance(node[key], (dict, list)) and node[key] and (
            rng.random() < .8):
        node = node[key]
        key = rng.choice(
            list(node) if isinstance(node, dict) else range(len(node)))
    if rng.random() < .2:
        del node[key]
    else:
        node[key] = rng.choice(VALUES)
    return json.dumps(parent.get('root')).encode()
