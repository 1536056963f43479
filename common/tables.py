"""Tables of text for the screen."""


def lines(rows: list[tuple]) -> list[str]:
    """Returns the lines of a table: the first column left, others right.

    Args:
      rows: of the same number of cells; a cell is shown as str() has it.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ['  '.join([row[0].ljust(widths[0]), *(
        cell.rjust(width) for cell, width
        in zip(row[1:], widths[1:], strict=True))]) for row in rows]
