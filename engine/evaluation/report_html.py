"""Parts of a page that needs nothing but itself.

Pictures are inside, there is no script, and a policy forbids the browser to
fetch anything.
"""
import base64
import html

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; margin: 0 auto;
  max-width: 72rem; padding: 1rem; background: #fff; color-scheme: light }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem;
  border-bottom: 1px solid #cbd2d9; padding-bottom: .3rem }
h1, h2, td, th, dd, p, figcaption { overflow-wrap: anywhere }
p, dl, li { max-width: 46rem }
.scores { display: flex; gap: .75rem; flex-wrap: wrap; margin: 1rem 0 }
.scores div { background: #f0f4f8; border-radius: .5rem;
  padding: .6rem 1rem; flex: 1 1 7rem; max-width: 14rem }
.scores b { display: block; font-size: 1.5rem; line-height: 1.2 }
dl { display: grid; grid-template-columns: max-content 1fr;
  gap: .15rem 1rem; margin: 1rem 0 }
dt { color: #616e7c } dd { margin: 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem;
  font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #e4e7eb }
th:first-child, td:first-child { text-align: left; padding-left: 0;
  white-space: normal; min-width: 6rem; max-width: 16rem }
@media (max-width: 40rem) { th, td { padding: .3rem .45rem } }
tfoot td { font-weight: 600 }
img { max-width: 100%; height: auto; display: block }
.overview { max-width: 44rem; width: 100% }
.grid { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)) }
.pictures { grid-template-columns:
  repeat(auto-fill, minmax(min(100%, 20rem), 1fr)) }
code { white-space: nowrap }
figure { margin: 0 } figure img { width: 100% }
figcaption { font-size: .85rem; color: #52606d }
.bars { display: grid; gap: .35rem .75rem; align-items: center;
  grid-template-columns: minmax(4rem, max-content) 1fr; font-size: .9rem }
.bars span { overflow-wrap: anywhere; max-width: 12rem }
.bar { display: flex; height: 1.1rem; background: #e4e7eb;
  border-radius: .2rem; overflow: hidden; max-width: 46rem }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem;
  padding: 0; list-style: none; margin: .5rem 0 }
.key i { display: inline-block; width: .8rem; height: .8rem;
  border-radius: .15rem; margin-right: .35rem; vertical-align: -.05rem }
"""


def document(title, body):
    """Returns the page.

    Args:
      title: str, escaped here.
      body: HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, '
        'initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src '
        "'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<link rel="icon" href="data:,">\n'
        f'<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'</head>\n<body>\n{body}</body>\n</html>\n')


def table(head, rows, foot=None):
    """Returns a table that scrolls sideways where it is too wide.

    Args:
      head: str per column.
      rows: lists of str, escaped here, as are the others.
      foot: str per column of a last row, or None.
    """
    lines = ['<div class="wide"><table>\n<thead>', _row(head, 'th'),
             '</thead>\n<tbody>', *(_row(row, 'td') for row in rows),
             '</tbody>\n']
    if foot is not None:
        lines += ['<tfoot>', _row(foot, 'td'), '</tfoot>\n']
    return ''.join([*lines, '</table></div>\n'])


def _row(cells, tag):
    return '<tr>' + ''.join(f'<{tag}>{html.escape(cell)}</{tag}>'
                            for cell in cells) + '</tr>\n'


def image(content, kind, text, css_class=None):
    """Returns an image that is inside of the page.

    Args:
      content: bytes of the file.
      kind: 'png' or 'jpeg'.
      text: what is said instead of it, escaped here.
      css_class: of STYLE, or None.
    """
    attribute = '' if css_class is None else f' class="{css_class}"'
    return (f'<img{attribute} alt="{html.escape(text)}" src="data:image/{kind}'
            f';base64,{base64.b64encode(content).decode()}">')
