"""A table on a terminal: as wide as the terminal, cells folded, and nothing cut in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from mooring.cli.formats import is_numeric, shown_columns
from mooring.cli.table import Table

_FOLDED_WIDTH = 16
"""Cells wider than this can be folded to it before a column is left out."""
_MARGIN = 3


def write_table(table: Table, stream: TextIO, *, width: int | None = None) -> Sequence[str]:
    """Write a table; return the names of the columns that had no room.

    Parameters
    ----------
    width : characters a line; None: those of the terminal
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    rows = list(table.rows)
    columns = shown_columns(table.columns, rows)
    widths = [max(map(cell_len, column)) for column in columns]
    room = _fitting(widths, console.width)
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns[:room]):
        # folded and never shortened to an ellipsis
        grid.add_column(
            Text(column[0]),
            justify="right" if is_numeric(rows, i) else "left",
            overflow="fold",
            min_width=min(widths[i], _FOLDED_WIDTH, console.width),
        )
    for number in range(1, len(rows) + 1):
        grid.add_row(*(Text(column[number], overflow="fold") for column in columns[:room]))
    console.print(grid)
    return [column[0] for column in columns[room:]]


def _fitting(widths: Sequence[int], available: int) -> int:
    """Return how many columns there is room for, at least one."""
    used = 0
    for i, width in enumerate(widths):
        used += min(width, _FOLDED_WIDTH) + (_MARGIN if i else 0)
        if i and used > available:
            return i
    return len(widths)
