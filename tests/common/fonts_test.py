"""Letters of any script: which font has them, and what if none has."""
import cv2
import numpy as np
import pytest
from fontTools import fontBuilder
from fontTools.pens import ttGlyphPen
from PIL import features

from common import drawing
from common import fonts
from engine.evaluation import figures


def write_font(path, characters):
    """Writes a font in which all of the characters are black squares."""
    pen = ttGlyphPen.TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square, empty = pen.glyph(), ttGlyphPen.TTGlyphPen(None).glyph()
    builder = fontBuilder.FontBuilder(1000)
    builder.setupGlyphOrder(['.notdef', 'square'])
    builder.setupCharacterMap({ord(one): 'square' for one in characters})
    builder.setupGlyf({'.notdef': empty, 'square': square})
    builder.setupHorizontalMetrics({
        '.notdef': (1000, 0), 'square': (1000, 100)})
    builder.setupHorizontalHeader(ascent=900, descent=-200)
    builder.setupNameTable({'familyName': 'Squares', 'styleName': 'Regular'})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def installed(monkeypatch):
    """Puts fonts in place of those of the system."""
    def clear():
        fonts._first_with_all.cache_clear()
        drawing._text_mask.cache_clear()

    def install(*paths):
        monkeypatch.setattr(fonts, 'system_fonts', lambda: paths)
        clear()

    install()
    yield install
    clear()


@pytest.fixture
def squares(tmp_path):
    return write_font(tmp_path / 'squares.ttf', '汽车ग')


def drawn(name):
    return drawing.draw_bboxes(
        np.zeros((100, 200, 3), np.uint8), [[40, 10, 90, 190]], [1], [name])


def test_a_word_is_of_the_first_font_that_has_all_of_it(
        installed, squares, tmp_path):
    (tmp_path / 'damaged.ttf').write_text('no font')
    both = write_font(tmp_path / 'both.ttf', '汽a')
    installed(str(tmp_path / 'damaged.ttf'), str(tmp_path / 'gone'), squares,
              both)
    default = fonts.DEFAULT
    assert fonts.runs('étoile звезда سيارة') == [
        ('étoile звезда سيارة', default)]
    assert fonts.runs('汽车 ग 0.9') == [('汽车 ग ', squares), ('0.9', default)]
    assert fonts.runs('汽a') == [('汽a', both)]
    assert fonts.runs('汽车b') == [('汽车', squares), ('b', default)]
    assert fonts.runs('') == []


def test_letters_without_a_font_are_named_not_drawn_as_boxes(
        installed, squares):
    assert fonts.runs('汽 ग') == [('\\u6c7d \\u0917', fonts.DEFAULT)]
    np.testing.assert_array_equal(drawn('汽'), drawn('\\u6c7d'))
    names = ['汽车', 'गाय', '🚗', 'car', 'étoile']
    assert fonts.notes(names) == [
        'No font here has ग य ा 汽 车 🚗, as in गाय; pictures show \\u0917 and '
        'the like. Install a font that has them; its package on Debian and '
        'Ubuntu: fonts-noto-cjk, fonts-noto-core, fonts-symbola.']
    assert ' has 一 丁 丂 七 丄 丅 丆 万 and 2 more, as in' in fonts.notes(
        [chr(0x4e00 + index) for index in range(10)])[0]
    installed(squares)
    assert fonts.notes(['汽车', 'étoile']) == []
    # Two squares of the letters' size, and not the box of DejaVu.
    size = drawing.font_size(drawn('汽'))
    mask = drawing._text_mask('汽车', size)
    columns = np.flatnonzero((mask > 200).sum(0) >= .6 * size)
    assert len(columns) >= 2 * (.8 * size - 2)


def test_figures_have_the_letters_too(installed, squares, recwarn):
    installed(squares)
    assert fonts.families('汽 a') == ['Squares'] and fonts.families('a') == []
    axes = figures.new_axes(2, 1)
    axes.set_yticks([0], ['汽'])
    with_letter = figures.png(axes)
    axes.set_yticks([0], [' '])
    assert figures.png(axes) != with_letter
    assert figures._shortened('汽ไ') == '汽\\u0e44'
    assert not recwarn.list  # A glyph that is missing is a warning.


def test_what_cannot_be_printed_is_drawn_as_its_number(installed, squares):
    installed(squares)
    assert fonts.runs('a\nb\udcff') == [('a\\u000ab\\udcff', fonts.DEFAULT)]
    drawn('a\nb\udcff')
    # No font would help, nor has a joiner letters of its own.
    installed()
    assert fonts.notes(['a\nb']) == []
    assert fonts.notes(['👨\u200d👩'])[0].startswith(
        'No font here has 👨 👩, as in ')
    assert fonts.runs('👨') == [('\\U0001f468', fonts.DEFAULT)]


def test_joining_needs_a_library_which_is_told(installed, monkeypatch):
    arabic, hindi, accents = 'سيارة', 'क्', 'e\u0301a'
    monkeypatch.setattr(features, 'check', lambda name: name == 'raqm')
    assert fonts.notes([arabic, accents]) == []
    monkeypatch.setattr(features, 'check', lambda name: False)
    assert fonts.notes([accents, 'car']) == []
    assert fonts.notes(['car', arabic]) == [
        f'Pillow cannot join and order the letters of {arabic} here: pictures '
        'show one after another. Its Raqm needs FriBiDi; its package on '
        'Debian and Ubuntu: libfribidi0.']
    assert len(fonts.notes([hindi])) == 2
    # The joiner would be a box.
    assert fonts.runs('a\u200db') == [('ab', fonts.DEFAULT)]


def test_the_fonts_of_this_system_are_ordered_and_can_be_asked():
    found = fonts.system_fonts()
    assert len(set(found)) == len(found)
    for name in ('汽车', 'गाय', 'ไทย'):
        # Drawn, whether a font is here or not.
        assert cv2.absdiff(drawn(name), drawn('')).any()
