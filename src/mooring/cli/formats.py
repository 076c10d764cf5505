"""Formats in which a table is written: JSON, JSON lines, CSV, Markdown.

All but Markdown are written row by row. The fifth, for terminals, is in `terminal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain

from mooring.cli.cells import escaped, looks_otherwise, number_text, plain, shown, to_json
from mooring.cli.table import Table

_QUOTED = re.compile(r"[\",\r\n]|^\s|\s$|^$")


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    """Columns for a terminal."""
    JSON = "json"
    """An array of objects."""
    JSONL = "jsonl"
    """An object a line."""
    CSV = "csv"
    """Comma-separated, with a header; a missing value is nothing, an empty text `""`."""
    MARKDOWN = "markdown"
    """A table of pipes."""


def json_lines(table: Table) -> Iterator[str]:
    """Yield one JSON object a row.

    >>> list(json_lines(Table(["x", "y"], [(1, None)])))
    ['{"x": 1, "y": null}\\n']
    """
    for row in table.rows:
        yield to_json(_record(table, row)) + "\n"


def json_array(table: Table) -> Iterator[str]:
    """Yield a JSON array of objects, piece by piece.

    >>> print("".join(json_array(Table(["x"], [(0.5,)]))))
    [
      {
        "x": 0.5
      }
    ]
    """
    opening = "[\n"
    for row in table.rows:
        record = to_json(_record(table, row), indent=2).replace("\n", "\n  ")
        yield f"{opening}  {record}"
        opening = ",\n"
    yield "[]\n" if opening == "[\n" else "\n]\n"


def csv_lines(table: Table, *, for_terminal: bool = False) -> Iterator[str]:
    """Yield CSV with a header.

    Texts that look like numbers are quoted, and all keep every character, unless it goes to a
    terminal, which would obey some of them.

    >>> list(csv_lines(Table(["x", "y"], [(1, "a,b"), (None, "")])))
    ['x,y\\n', '1,"a,b"\\n', ',""\\n']
    """
    for row in chain([table.columns], table.rows):
        line = ",".join(_csv_cell(value) for value in row)
        # a line of nothing would be skipped by readers
        line = line or '""'
        yield (escaped(line, keep="\n") if for_terminal else line) + "\n"


def markdown_lines(table: Table) -> Iterator[str]:
    """Yield a table of pipes; columns of numbers are aligned to the right.

    >>> print("".join(markdown_lines(Table(["loss", "model"], [(0.1, "a|b")]))), end="")
    |   loss | model   |
    |-------:|:--------|
    |    0.1 | a\\|b    |
    """
    rows = list(table.rows)
    columns = [[_pipes(text) for text in texts] for texts in shown_columns(table.columns, rows)]
    right = [is_numeric(rows, i) for i in range(len(columns))]
    widths = [
        max(len(text) + 2 if i == 0 else len(text) for i, text in enumerate(column))
        for column in columns
    ]
    for number in range(len(rows) + 1):
        cells = [
            column[number].rjust(width) if on_right else column[number].ljust(width)
            for column, width, on_right in zip(columns, widths, right, strict=True)
        ]
        yield f"| {' | '.join(cells)} |\n"
        if number == 0:
            rules = [
                "-" * (width + 1) + ":" if on_right else ":" + "-" * (width + 1)
                for width, on_right in zip(widths, right, strict=True)
            ]
            yield f"|{'|'.join(rules)}|\n"


def shown_columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[str]]:
    """Return each column as texts for people, its name first."""
    columns = []
    for i, name in enumerate(names):
        values = [row[i] for row in rows]
        mixed = any(value is not None and not isinstance(value, str) for value in values)
        columns.append([shown(name), *(shown(value, beside_others=mixed) for value in values)])
    return columns


def is_numeric(rows: Sequence[Sequence[object]], column: int) -> bool:
    """Return whether a column holds numbers and nothing else."""
    values = [row[column] for row in rows if row[column] is not None]
    return bool(values) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
    )


def _record(table: Table, row: Sequence[object]) -> Mapping[str, object]:
    return dict(zip(table.columns, row, strict=True))


def _csv_cell(value: object) -> str:
    kind = type(value)
    if kind is float or kind is int:
        return number_text(value)  # type: ignore[arg-type]
    if value is None:
        return ""
    if kind is not str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return number_text(value)
    text = plain(value)
    if not isinstance(text, str):
        text = to_json(text)
    if _QUOTED.search(text) or (kind is str and looks_otherwise(text)):
        return '"' + text.replace('"', '""') + '"'
    return text


def _pipes(text: str) -> str:
    return text.replace("|", "\\|")
