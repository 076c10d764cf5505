"""Lines of the client's log files: one JSON object each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from mooring.exchange.reports import ProblemList


@dataclass(frozen=True, slots=True)
class Line:
    """An operation, and where it was read: `offset` and `length` in bytes."""

    file: Path
    number: int
    offset: int
    length: int
    version: int
    operation: dict[str, Any]

    @property
    def where(self) -> str:
        """The place as a person would look for it."""
        return f"{self.file}, line {self.number}"


def parse_line(line: bytes) -> Any:
    """Return what a line holds; `ValueError` when it is no JSON."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN, Infinity and halves of surrogate pairs, which Python's own writer lets pass
        try:
            return json.loads(line)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def iter_lines(file: Path, problems: ProblemList) -> Iterator[Line]:
    """Yield the operations of a log file; lines that hold none are problems.

    An unfinished last line is none: `Execution.incomplete` tells of it.
    """
    offset = 0
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                start, offset = offset, offset + len(line)
                if not line.strip():
                    continue
                try:
                    found = parse_line(line)
                    version, operation = found["version"], found["obj"]
                    if not isinstance(operation, dict) or not isinstance(version, int):
                        raise ValueError("it holds no operation")
                except (ValueError, KeyError, TypeError) as error:
                    if line.endswith(b"\n"):
                        why = "it holds no operation" if isinstance(error, KeyError) else error
                        problems.add(f"{file}, line {number}", f"left out: {why}", kind="lines")
                    continue
                yield Line(file, number, start, len(line), version, operation)
    except OSError as error:
        problems.add(f"{file}", f"not read to its end: {error}", kind="lines")
