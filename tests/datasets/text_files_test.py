import pytest

from datasets import text_files


def xml(encoding):
    return f'<?xml version="1.0" encoding="{encoding}"?><a>汽車</a>'


@pytest.mark.parametrize('content, text', [
    ('汽车\r\nb\rc\n'.encode(), '汽车\nb\nc\n'),
    ('ü\r\n'.encode('utf-8-sig'), 'ü\n'),
    ('汽车\r\n'.encode('utf-16'), '汽车\n'),
    ('汽车'.encode('utf-32'), '汽车'),
    # Without a byte order mark; U+4E00 has a zero where ASCII has none.
    ('一\n'.encode('utf-16-le'), '一\n'),
    ('一\r\nb'.encode('utf-16-be'), '一\nb'),
    ('RBC'.encode('utf-16-le'), 'RBC'),
    # Two letters and a zero are no evidence of it.
    (b'a\x00b\n', 'a\x00b\n'),
    (b'', ''),
    *((xml(declared).encode(written), xml(declared)) for declared, written in (
        ('Shift_JIS', 'shift_jis'), ('GBK', 'gbk'), ('Big5', 'big5'),
        ('utf8', 'utf-8'), ('UTF-16', 'utf-8'), ('UTF-16', 'utf-16-be'),
        # Not one of the characters of GB 2312.
        ('gb2312', 'gbk'))),
])
def test_reads_what_a_file_tells(tmp_path, content, text):
    (tmp_path / 'a').write_bytes(content)
    assert text_files.read_text(tmp_path / 'a') == text


@pytest.mark.parametrize('content, message', [
    ('ab汽车'.encode('gbk'), r'it is not in UTF-8 \(byte 2\), nor in UTF-16, '
     'and declares nothing else; if it is in, say, GBK, .*iconv'),
    (b'<?xml version="1.0" encoding="UTF-8"?>\xff', 'not in UTF-8 .byte 38.'),
    (b'<?xml version="1.0" encoding="GBK"?>\xff\xff', 'in GBK .*it declares'),
    ('汽车'.encode('utf-16')[:-1], 'in UTF-16-LE .*as its byte order mark'),
    (b'<?xml version="1.0" encoding="klingon"?>', "encoding 'klingon' is"),
    (b'<?xml version="1.0" encoding="hex"?>', "unknown encoding 'hex'"),
    (b'<?xml version="1.0" encoding="punycode"?>', 'unknown encoding'),
])
def test_never_guesses(tmp_path, content, message):
    (tmp_path / 'a').write_bytes(content)
    with pytest.raises(ValueError, match=f'{tmp_path}/a: .*{message}'):
        text_files.read_text(tmp_path / 'a')


def test_names_are_the_same_however_they_are_composed():
    assert text_files.same('Tu\u0308r', 'T\xfcr')
    assert not text_files.same('Tur', 'T\xfcr')
    assert text_files.normalised('u\u0308') == '\xfc'


def test_letters_of_every_script_are_printable():
    # Persian, with a joiner that has no width; Hindi; an ideographic blank.
    assert all(map(text_files.is_printable, (
        '\u0645\u06cc\u200c\u0631\u0648\u062f', 'गाय', '汽\u3000车', 'w/o')))
    assert not any(map(text_files.is_printable, (
        'a\n', '\x1b[31m', '\x9b', '\udc80', '\u202e')))
