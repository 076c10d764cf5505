"""`Output`: where every command hands its result.

Data goes to stdout, words and progress to stderr, so that a pipe carries data alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import TextIO

from mooring.cli.cells import escaped, to_json
from mooring.cli.formats import Format, csv_lines, json_array, json_lines, markdown_lines
from mooring.cli.table import Table

Progress = Callable[[int, int], None]
"""What a long command calls with how much is done, and of how much."""

_NAMED_COLUMNS = 8


class Output:
    """Writes results in one format.

    Parameters
    ----------
    format : None: a table on a terminal, Markdown elsewhere
    """

    def __init__(self, format: Format | None = None) -> None:
        self._data: TextIO = sys.stdout
        self._words: TextIO = sys.stderr
        self.on_terminal = self._data.isatty()
        self.format = format or (Format.TABLE if self.on_terminal else Format.MARKDOWN)

    # data

    def table(self, table: Table) -> None:
        """Write a table."""
        match self.format:
            case Format.TABLE:
                self._terminal_table(table)
            case Format.JSON:
                self._write(json_array(table))
            case Format.JSONL:
                self._write(json_lines(table))
            case Format.CSV:
                self._write(csv_lines(table, for_terminal=self.on_terminal))
            case Format.MARKDOWN:
                self._write(markdown_lines(table))

    def sections(self, sections: Mapping[str, Table]) -> None:
        """Write several tables, each under its title.

        In JSON they are one object; in JSON lines and CSV one table whose first column,
        `section`, is the title.
        """
        match self.format:
            case Format.JSON:
                named = {
                    title: [dict(zip(table.columns, row, strict=True)) for row in table.rows]
                    for title, table in sections.items()
                }
                self._write([to_json(named, indent=2), "\n"])
            case Format.JSONL | Format.CSV:
                self.table(_joined(sections))
            case _:
                for number, (title, table) in enumerate(sections.items()):
                    heading = f"## {title}" if self.format is Format.MARKDOWN else title
                    self._write(["\n" if number else "", f"{escaped(heading)}\n\n"])
                    self.table(table)

    def record(self, values: Mapping[str, object]) -> None:
        """Write named values: an object in JSON, a table of `name` and `value` elsewhere."""
        if self.format is Format.JSON:
            self._write([to_json(dict(values), indent=2), "\n"])
        else:
            self.table(Table(["name", "value"], list(values.items())))

    def picture(self, text: str) -> None:
        """Write a picture made of characters."""
        self._write([text.rstrip("\n"), "\n"])

    def _terminal_table(self, table: Table) -> None:
        from mooring.cli.terminal import write_table

        hidden = write_table(table, self._data)
        if hidden:
            self._data.flush()
            named = ", ".join(hidden[:_NAMED_COLUMNS])
            more = f" and {len(hidden) - _NAMED_COLUMNS} more" * (len(hidden) > _NAMED_COLUMNS)
            self.say(
                f"{len(hidden)} of {len(table.columns)} columns have no room here: {named}{more}; "
                "--format markdown, csv or json shows all of them"
            )

    def _write(self, parts: Iterable[str]) -> None:
        self._data.writelines(parts)

    # words

    def say(self, text: str) -> None:
        """Tell a person something."""
        self._words.write(escaped(text, keep="\n") + "\n")
        self._words.flush()

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show on stderr how far something long is, if that is a terminal."""
        if not self._words.isatty():
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(file=self._words), transient=True) as bar:
            task = bar.add_task(escaped(what), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def _joined(sections: Mapping[str, Table]) -> Table:
    names = list(dict.fromkeys(chain.from_iterable(table.columns for table in sections.values())))
    records = (
        {**dict(zip(table.columns, row, strict=True)), "section": title}
        for title, table in sections.items()
        for row in table.rows
    )
    return Table.of_records(records, ["section", *(name for name in names if name != "section")])
