"""Text as people's tools write it: any encoding that a file tells, and names.

Names of files and classes are compared in Unicode's composed form (NFC): a
Mac takes an ü apart, other systems do not.
"""
import codecs
import re
import unicodedata

_BOMS = (  # UTF-32's little endian one begins with UTF-16's.
    (codecs.BOM_UTF8, 'utf-8'),
    (codecs.BOM_UTF32_LE, 'utf-32-le'), (codecs.BOM_UTF32_BE, 'utf-32-be'),
    (codecs.BOM_UTF16_LE, 'utf-16-le'), (codecs.BOM_UTF16_BE, 'utf-16-be'))
_DECLARATION = re.compile(
    rb'\s*<\?xml[^>]*?\sencoding\s*=\s*["\']([\w.:-]{1,40})["\']')
# Programs declare these and write what holds more characters.
_WIDER = {'gb2312': 'gb18030', 'gbk': 'gb18030', 'shift_jis': 'cp932',
          'euc_kr': 'cp949'}
# Of domain names; slow on long texts.
_NOT_OF_FILES = ('idna', 'punycode', 'undefined')
# Scripts of India and Persia join letters by characters without a width.
_PRINTABLE_TOO = '\u200c\u200d\xa0\u3000'
# Characters in a message.
_MAX_SHOWN = 200


def read_text(path: str) -> str:
    r"""Reads a text file; its line ends become \n.

    Raises:
      ValueError: it is in no encoding that it declares or that is known by
        its bytes; names the file.
      OSError: it cannot be read.
    """
    # Buffering costs more than the reading of so small a file.
    with open(path, 'rb', buffering=0) as file:
        content = file.readall()
    try:
        return decode(content).replace('\r\n', '\n').replace('\r', '\n')
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def decode(content: bytes) -> str:
    """Returns the text of a file.

    Its encoding is that of its byte order mark, else the one that an XML
    declaration names, else UTF-8, or UTF-16 if that is evident.

    Raises:
      ValueError: it is in none of them; does not name the file.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return _decoded(content[len(bom):], encoding,
                            'as its byte order mark says')
    declared = _DECLARATION.match(content)
    encoding = 'utf-8' if declared is None else _codec(declared[1].decode())
    if encoding.startswith(('utf-16', 'utf-32')):
        # The declaration could not be read if that were true.
        encoding = 'utf-8'
    if encoding != 'utf-8':
        return _decoded(content, encoding, 'as it declares')
    return _utf16(content) or _decoded(
        content, 'utf-8', 'nor in UTF-16, and declares nothing else; if it is '
        'in, say, GBK, save it as UTF-8 (iconv -f GBK -t UTF-8), or begin an '
        'XML file with <?xml version="1.0" encoding="GBK"?>')


def normalised(name: str) -> str:
    """Returns a name in the form in which names are compared."""
    return name if name.isascii() else unicodedata.normalize('NFC', name)


def same(one: str, other: str) -> bool:
    """Whether two names are the same, however they are composed."""
    return normalised(one) == normalised(other)


def is_printable(name: str) -> bool:
    """Whether a name has no character that does things to a screen."""
    return name.isprintable() or all(
        character.isprintable() or character in _PRINTABLE_TOO
        for character in name)


def shown(value: object) -> str:
    """Returns what a file says for a message, quoted and not too long."""
    return repr(shortened(value)) if isinstance(value, str) else (
        shortened(repr(value)))


def shortened(text: str) -> str:
    """Returns a text for a message, not too long."""
    return text if len(text) <= _MAX_SHOWN else f'{text[:_MAX_SHOWN]}...'


def _codec(name):
    """Returns Python's name of an encoding."""
    try:
        encoding = codecs.lookup(name).name
        b'<?'.decode(encoding, 'ignore')  # Not all codecs are of texts.
    except (LookupError, UnicodeError):
        encoding = 'undefined'
    if encoding in _NOT_OF_FILES:
        raise ValueError(f'unknown encoding {name!r} is declared; save it as '
                         'UTF-8.')
    return encoding


def _decoded(content, encoding, reason):
    error = None
    for candidate in filter(None, (encoding, _WIDER.get(encoding))):
        try:
            return content.decode(candidate)
        except UnicodeError as caught:
            error = error or caught
    raise ValueError(f'it is not in {encoding.upper()} '
                     f'(byte {getattr(error, "start", 0)}), {reason}.')


def _utf16(content):
    """Returns the text of UTF-16 without a byte order mark, else None."""
    if b'\0' not in content:
        return None
    for encoding in ('utf-16-le', 'utf-16-be'):
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        # Two bytes of other texts seldom make a line end or an XML's begin.
        if (text.isascii() or re.search('^<|[\r\n]', text)) and is_printable(
                re.sub(r'[\t\r\n]', '', text)):
            return text
    return None
