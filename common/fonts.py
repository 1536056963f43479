r"""Fonts that have the letters of a text, whatever its script.

DejaVu Sans comes with matplotlib, is the same everywhere and has the letters
of Europe, and Arabic and Hebrew ones. For others a font of the system is
taken. What no font has is written as in Python and JSON: \u6c7d.
"""
import contextlib
import functools
import os
import re
import unicodedata
from collections import abc

import matplotlib
from matplotlib import ft2font
from PIL import features
from PIL import ImageFont

DEFAULT = os.path.join(
    matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
# In the names of files: of two fonts the one with fewer of them is plainer.
_STYLES = ('bold', 'italic', 'oblique', 'black', 'heavy', 'light', 'thin',
           'medium', 'semi', 'extra', 'mono', 'serif', 'condensed', 'narrow')
# Fonts whose letters are boxes or nothing.
_WITHOUT_LETTERS = ('lastresort', 'adobeblank')
# The first words of what Unicode calls letters of China, Japan and Korea.
_CJK = {'CJK', 'HIRAGANA', 'KATAKANA', 'HANGUL', 'BOPOMOFO', 'IDEOGRAPHIC',
        'FULLWIDTH', 'HALFWIDTH', 'KATAKANA-HIRAGANA'}
_VIRAMA = 9  # The combining class of signs that join two consonants.
_NUM_SHOWN = 8


def runs(text: str) -> list[tuple[str, str]]:
    r"""Returns the parts of a text, in order, each with its font's path.

    A word is of one font, if one has all of it. Letters that no font has,
    and what cannot be printed, are \uXXXX or \UXXXXXXXX.
    """
    if not features.check('raqm'):  # Which draws nothing for these.
        text = ''.join(filter(_needs_glyph, text))
    found = []
    for part in re.findall(r' +|[^ ]+', text):
        path = _first_with(part)
        if path is not None:
            found.append((part, path))
            continue
        for cluster in _clusters(part):
            path = _first_with(cluster)
            found.append((cluster, path) if path is not None
                         else (_escaped(cluster), DEFAULT))
    joined = []
    for part, path in found:
        if joined and (joined[-1][1] == path or part.isspace()):
            joined[-1] = joined[-1][0] + part, joined[-1][1]
        else:
            joined.append((part, path))
    return joined


@functools.lru_cache(maxsize=256)
def load(path: str, size: int) -> ImageFont.FreeTypeFont:
    """Returns a font, its letters `size` pixels high; OSError if it has none.

    Of one with several weights it is the regular one.
    """
    font = ImageFont.truetype(path, size)
    with contextlib.suppress(OSError, ValueError):  # Most have one weight.
        font.set_variation_by_name('Regular')
    return font


def families(text: str) -> list[str]:
    """Returns what matplotlib calls the fonts of a text, but for DejaVu."""
    return list(dict.fromkeys(
        _family(path) for _, path in runs(text) if path != DEFAULT))


@functools.lru_cache(maxsize=256)
def _family(path):
    from matplotlib import font_manager  # As in system_fonts.
    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=path).get_name()


def notes(texts: abc.Iterable[str]) -> list[str]:
    """Returns sentences on what is not drawn as it is written, best none.

    Each is for all texts, and names what to install.
    """
    texts, lines = list(texts), []
    missing = sorted({
        character for text in texts for cluster in _clusters(text)
        if _first_with(cluster) is None for character in cluster
        if character.isprintable() and _needs_glyph(character)})
    if missing:
        name = next(text for text in texts if missing[0] in text)
        packages = ', '.join(sorted(set(map(_package, missing))))
        more = f' and {len(missing) - _NUM_SHOWN} more'
        lines.append(
            f'No font here has {" ".join(missing[:_NUM_SHOWN])}'
            f'{more * (len(missing) > _NUM_SHOWN)}, as in {name}; pictures '
            f'show {_escaped(missing[0])} and the like. Install a font that '
            f'has them; its package on Debian and Ubuntu: {packages}.')
    joining = [text for text in texts if _is_joined(text)]
    if joining and not features.check('raqm'):
        lines.append(
            f'Pillow cannot join and order the letters of {joining[0]} here: '
            'pictures show one after another. Its Raqm needs FriBiDi; its '
            'package on Debian and Ubuntu: libfribidi0.')
    return lines


def _first_with(text):
    """Returns the path of the first font that has all letters, or None."""
    return _first_with_all(frozenset(filter(_needs_glyph, text)))


@functools.lru_cache(maxsize=4096)
def _first_with_all(characters):
    if not all(character.isprintable() or character in '\xa0\u3000'
               for character in characters):
        return None
    if _has(DEFAULT, characters):
        return DEFAULT
    return next((path for path in system_fonts() if _has(path, characters)),
                None)


def _has(path, characters):
    try:
        face = ft2font.FT2Font(path)
        if not all(face.get_char_index(ord(character))
                   for character in characters):
            return False
        ImageFont.truetype(path)  # Refuses those of pictures, not of lines.
        return True
    except (OSError, RuntimeError, ValueError):
        return False


@functools.lru_cache(maxsize=1)
def system_fonts() -> tuple[str, ...]:
    """Returns the paths of the fonts that are installed, plain ones first."""
    # On some systems this import looks at all fonts, for seconds.
    from matplotlib import font_manager

    def rank(path):
        name = os.path.basename(path).lower()
        return sum(style in name for style in _STYLES), name, path

    return tuple(
        path for path in sorted(font_manager.findSystemFonts(), key=rank)
        if not os.path.basename(path).lower().startswith(_WITHOUT_LETTERS))


def _needs_glyph(character):
    """Whether a character is seen: not the joiners and variants of others."""
    return not (unicodedata.category(character) == 'Cf'
                or '\ufe00' <= character <= '\ufe0f')


def _clusters(text):
    """Returns the letters of a text, each with the marks that are on it."""
    clusters = []
    for character in text:
        if clusters and (unicodedata.category(character)[0] == 'M'
                         or not _needs_glyph(character)):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def _escaped(text):
    return ''.join(
        f'\\u{ord(character):04x}' if character <= '\uffff' else
        f'\\U{ord(character):08x}' for character in text)


def _package(character):
    """Returns the Debian package of a font that has a character."""
    if unicodedata.name(character, '').partition(' ')[0] in _CJK:
        return 'fonts-noto-cjk'
    return ('fonts-symbola' if unicodedata.category(character) == 'So'
            else 'fonts-noto-core')


def _is_joined(text):
    """Whether letters are joined or ordered otherwise than they are stored."""
    return any(
        unicodedata.bidirectional(character) in ('R', 'AL')
        or unicodedata.category(character) == 'Mc'
        or unicodedata.combining(character) == _VIRAMA for character in text)
