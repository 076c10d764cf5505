"""Rows of log files and of JSONL, as written by a `Logger` or by loguru.

Files are read and never changed. An entry begins at a line that holds the delimiter, and is a row
when JSON follows it; lines without the delimiter go on with the entry before. What was cut, by a
killed process or a full disk, costs itself alone, and is told.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from mooring.errors import InvalidInput
from mooring.tracker.constants import LOGURU_PARAMS
from mooring.tracker.logs.lines import (
    DEFAULT_DELIMITER,
    EXPERIMENT,
    MONITOR,
    TRACKING,
    delimiter_from_environment,
)

SUFFIX = ".log"

_HEAD_TIME = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
_HEAD = re.compile(rb"(" + _HEAD_TIME + rb") \| [^|]* \| ")
_SERIALIZED = b'{"text":'
_TIME_FORM = b"0000-00-00 00:00:00.000 | "
_TRACKED = re.compile(LOGURU_PARAMS.STRACTURED_REGEX, re.IGNORECASE)
_CUT_HEAD = re.compile(_HEAD_TIME + rb" \| [^|]*(\| \S*)?")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_YEAR = 5
_ROW_LEVELS = {EXPERIMENT, MONITOR, TRACKING}
_MESSAGE_LEVELS = {"TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"}
_SNIFFED_BYTES = 1 << 16


def read_logs(path: str | os.PathLike[str], limit: int | None = None) -> list[dict[str, Any]]:
    """Return the rows of the log files below a folder, or of one file; see `Reader.read_logs`."""
    return [row for file in find_files(path)[:limit] for row in read_log(file)]


def read_log(path: str | os.PathLike[str], level: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of one log file in its order; with `level` those of that level.

    A warning tells how many lines could not be read, if any.
    """
    parser = _Parser(level)
    with _existing(path).open("rb") as file:
        parser.feed(file)
    _tell(path, parser.unreadable)
    return parser.rows


def read_jsonl(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the objects of a file that has one JSON object a line; see `Reader.read_jsonl`."""
    rows: list[dict[str, Any]] = []
    unreadable = 0
    with _existing(path).open("rb") as file:
        for line in file:
            row = _loads(line)
            if row is not None:
                rows.append(row)
            elif line.strip():
                unreadable += 1
                # a cut line may be followed by a whole one, of a process that did not see the cut
                at = line.rfind(b'{"timestamp":')
                if at > 0 and (row := _loads(line[at:])) is not None:
                    rows.append(row)
    _tell(path, unreadable)
    return rows


def is_tracked_entry(text: str) -> bool:
    """Return whether a text names one of the levels of rows."""
    return _TRACKED.search(text) is not None


def find_files(path: str | os.PathLike[str]) -> list[Path]:
    """Return the log files below a folder, newest first, or the one file that `path` names.

    Log files are those called `*.log`, and others that begin as a log does. Newest is the one
    whose first entry is, or, where that cannot be told, the one that was changed last.
    """
    start = _existing(path)
    if start.is_file():
        return [start]
    dated = []
    for folder, _, names in os.walk(start):
        for name in names:
            file = Path(folder, name)
            if not file.is_file():
                continue
            with file.open("rb") as opened:
                beginning = opened.read(_SNIFFED_BYTES)
            if file.suffix == SUFFIX or _is_log(beginning):
                dated.append((_first_time(file, beginning), str(file)))
    return [Path(name) for _, name in sorted(dated, reverse=True)]


@dataclass(slots=True)
class _Parser:
    """Takes the lines of one file, and keeps its rows.

    Attributes
    ----------
    level : which rows are kept; None: all
    rows : what was read
    unreadable : number of lines (those of one entry count as one) that were cut or damaged
    """

    level: str | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    unreadable: int = 0
    _marks: tuple[bytes, ...] = field(default_factory=lambda: _marks())
    _open: list[bytes] = field(default_factory=list)
    """The lines so far of an entry whose JSON goes on."""
    _again: deque[bytes] = field(default_factory=deque)
    """Lines found in a damaged one, to be taken before the next."""
    _begun: bool = False
    _in_message: bool = False

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take all lines of the file."""
        line = b"\n"
        mark = self._marks[0]
        for line in lines:
            # most lines of most files, at a third of the cost
            at = line.find(mark)
            start = at + len(mark)
            if at > 0 and line[start : start + 1] == b"{" and not (self._open or line[:1] == b"{"):
                try:
                    row = orjson.loads(line[start:])
                except ValueError:
                    pass
                else:
                    self._begun, self._in_message = True, False
                    self._keep(row, line[:at])
                    continue
            self._take(line)
            self._take_again()
        if not line.endswith(b"\n") and not self._open and not self._in_message:
            # the end of a file whose last line lacks its own
            self.unreadable += self._find_mark(line)[0] < 0 and not _is_cut_head(line)
        while self._open:
            self._again.extend(self._close_entry())
            self._take_again()

    def _take_again(self) -> None:
        while self._again:
            self._take(self._again.popleft())

    def _take(self, line: bytes) -> None:
        if line.startswith(_SERIALIZED):
            self._take_serialized(line)
            return
        at, mark = self._find_mark(line)
        if at < 0:
            self._take_continuation(line)
            return
        if self._open and (found := self._close_entry()):
            self._again.extend([*found, line])
            return
        self._begun, self._in_message = True, False
        body = line[at + len(mark) :]
        if not body.startswith(b"{"):
            self._in_message = _level(line[:at]) not in _ROW_LEVELS
            if not self._in_message:
                self._again.extend(self._give_up([line], at))
        elif (row := _loads(body)) is None:
            self._open = [line]
        else:
            self._keep(row, line[:at])

    def _keep(self, row: dict[str, Any], head: bytes) -> None:
        if self.level is None or self.level == _level(head):
            self.rows.append(row)

    def _find_mark(self, line: bytes) -> tuple[int, bytes]:
        for mark in self._marks:
            if (at := line.find(mark)) >= 0:
                return at, mark
        return -1, b""

    def _take_continuation(self, line: bytes) -> None:
        if self._open:
            self._open.append(line)
            if line.rstrip() == b"}":  # where JSON of several lines ends
                self._again.extend(self._close_entry())
        elif _is_cut_head(line) or (not self._begun and line.rstrip().endswith(b"}")):
            # the beginning of a line, or the end of one whose beginning is gone
            self.unreadable += 1

    def _take_serialized(self, line: bytes) -> None:
        if self._open and (found := self._close_entry()):
            self._again.extend([*found, line])
            return
        self._begun, self._in_message = True, False
        record = _loads(line)
        if record is None:
            self.unreadable += 1
            if (at := line.find(_SERIALIZED, 1)) > 0:
                self._again.append(line[at:])
            return
        level, message = _message_of(record, self._marks)
        if message.startswith("{") and (self.level is None or self.level == level):
            row = _loads(message.encode("utf-8", "surrogatepass"))
            if row is not None:
                self.rows.append(row)

    def _close_entry(self) -> list[bytes]:
        """Keep the row of an entry of several lines; return lines that a damaged one hides."""
        lines, self._open = self._open, []
        at, mark = self._find_mark(lines[0])
        # of a single line it is known already that it cannot be read
        row = _loads(b"".join(lines)[at + len(mark) :]) if len(lines) > 1 else None
        if row is not None:
            self._keep(row, lines[0][:at])
            return []
        return [] if _level(lines[0][:at]) in _MESSAGE_LEVELS else self._give_up(lines, at)

    def _give_up(self, lines: list[bytes], at: int) -> list[bytes]:
        """Count a damaged entry; return the lines from the next entry that its first line holds."""
        self.unreadable += 1
        hidden = _HEAD.search(lines[0], at)
        return [] if hidden is None else [lines[0][hidden.start() :], *lines[1:]]


def _level(head: bytes) -> str:
    """Return the level that the beginning of a line names."""
    parts = head.rsplit(b" | ", 2)
    return parts[-2].strip().decode("utf-8", "replace") if len(parts) > 1 else ""


def _message_of(record: dict[str, Any], marks: Iterable[bytes]) -> tuple[str, str]:
    """Return level and message of a serialised record."""
    inner = record.get("record")
    if isinstance(inner, dict) and isinstance(message := inner.get("message"), str):
        level = inner.get("level")
        return str(level.get("name")) if isinstance(level, dict) else "", message
    text = str(record.get("text"))
    for mark in marks:
        head, found, message = text.partition(mark.decode())
        if found:
            return _level(head.encode("utf-8", "replace")), message
    return "", ""


def _is_cut_head(line: bytes) -> bool:
    """Return whether a line without the delimiter is the beginning of an entry, cut."""
    line = line.rstrip(b"\n")
    if len(line) < _YEAR:
        return False
    if len(line) <= len(_TIME_FORM):
        return line.translate(_DIGITS) == _TIME_FORM[: len(line)]
    return _CUT_HEAD.fullmatch(line) is not None


def _existing(path: str | os.PathLike[str]) -> Path:
    found = Path(path)
    if not found.exists():
        raise InvalidInput(f"there is no log file or folder {found.absolute()}")
    return found


def _is_log(beginning: bytes) -> bool:
    line = beginning.partition(b"\n")[0]
    if line.startswith(_SERIALIZED):
        return True
    return _HEAD.match(line) is not None and any(mark in line for mark in _marks())


def _first_time(file: Path, beginning: bytes) -> str:
    """Return when the file begins, as local time."""
    from mooring.tracker.times import local_text

    if head := _HEAD.search(beginning):
        return head.group(1).decode()
    return local_text(file.stat().st_mtime_ns // 1000)


def _marks() -> tuple[bytes, ...]:
    """Return the delimiters to look for: the one that is set, and the usual one."""
    return tuple(dict.fromkeys([delimiter_from_environment().encode(), DEFAULT_DELIMITER.encode()]))


def _loads(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a text is, else None. NaN and infinities are read."""
    try:
        value = orjson.loads(text)
    except ValueError:
        try:
            value = json.loads(text.decode())
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _tell(path: str | os.PathLike[str], unreadable: int) -> None:
    if unreadable:
        lines = "1 line" if unreadable == 1 else f"{unreadable:,} lines"
        warnings.warn(
            f"{os.fspath(path)}: {lines} could not be read (cut or damaged) and were left out; "
            "all others were read",
            stacklevel=_outside(),
        )


def _outside() -> int:
    """Return the stack level of the first caller outside of Mooring, for `warnings`."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("mooring."):
        frame, level = frame.f_back, level + 1
    return level
