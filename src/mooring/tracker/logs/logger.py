"""`Logger`: what a tracker also writes to stdout, to log files and to JSONL.

A row goes to the store first, then to the log files, to JSONL, to stdout. A SIGKILL between two of
these leaves the row where it has been written, and not where it had yet to go; nothing is undone.
What one line survives is told in `log_sinks`.

Each logger has files of its own. The handlers of `logging` and of loguru are never touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mooring.errors import InvalidInput, LogNotWritten
from mooring.model import now_micros
from mooring.tracker.failures import Failures
from mooring.tracker.logs import reading as log_reading
from mooring.tracker.logs.lines import (
    EXPERIMENT,
    MONITOR,
    TRACKING,
    check_level,
    delimiter_from_environment,
    dump,
    escaper,
    find_caller,
    head,
    iso_text,
    jsonl_record,
    records_of,
    serialized,
    to_part,
)
from mooring.tracker.logs.names import DEFAULT_TEMPLATE, FileNames
from mooring.tracker.logs.sinks import AppendedFile, LogFolder, Sink, Stdout
from mooring.tracker.session import OnError, Session, check_on_error
from mooring.tracker.times import local_text
from mooring.tracker.values import PLAIN_TYPES, Cell, convert

PathArgument = str | os.PathLike[str]

_INDENT = 2
_CHUNK = 1 << 20
"""Bytes of many rows that are handed over at once."""

_TEXT, _SERIALIZED, _JSONL = range(3)
"""Forms of a line."""

_TEXT_ONLY = frozenset({str})


class Logger:
    """Writes rows and messages as lines to stdout, log files and JSONL.

    Parameters
    ----------
    stdout : print each line
    logs_path : folder of the log files, created when it is missing
    file_format : their names, see `log_names.FileNames`. Default: one for each day,
        `{time:YYYY-MM-DD}.log`
    prettify : False: lines of the log files are JSON records as loguru serialises them
    jsonl : path of a file with one JSON object a line: `timestamp` (ISO 8601 with its zone),
        `level`, then the fields. A field called `timestamp` or `level` is written `_timestamp`,
        `_level`
    on_error : what a line that cannot be written does. "warn": it is counted (`failures`) and
        told. "raise": `LogNotWritten`. A tracker's logger does what its tracker does

    Raises
    ------
    InvalidInput
        For a file name or a `LOGS_DELIMITER` that cannot be used.

    Notes
    -----
    A line is `time | level | module:function:line`, the delimiter `!📁!` (or the environment's
    `LOGS_DELIMITER`), and JSON, in which NaN is `NaN`. When a method returns, its lines are with
    the operating system: a killed process loses none of them, a power cut may.

    A logger that has nowhere to write to is false, and what would write raises `InvalidInput`.

    Examples
    --------
    >>> logger = Logger(stdout=False, logs_path="logs", jsonl="rows.jsonl")
    >>> logger.monitor({"drift": 0.2, "feature": "age"})
    >>> logger.experiment({"model": {"depth": 3}})
    >>> logger.read_logs()
    [{'drift': 0.2, 'feature': 'age'}, {'model': {'depth': 3}}]
    """

    def __init__(
        self,
        stdout: bool = True,
        logs_path: PathArgument | None = None,
        file_format: str | None = None,
        prettify: bool = True,
        jsonl: PathArgument | None = None,
        *,
        on_error: OnError = "warn",
    ) -> None:
        self.stdout = stdout
        self.logs_path = None if logs_path is None else Path(logs_path).absolute()
        self.file_format = file_format or DEFAULT_TEMPLATE
        self.prettify = prettify
        self.jsonl = None if jsonl is None else Path(jsonl).absolute()
        self._raises = check_on_error(on_error) == "raise"
        self._failures = Failures("log")
        self._session: Session | None = None
        self.delimiter = delimiter_from_environment()
        self._mark = self.delimiter.encode()
        self._escape = escaper(self.delimiter)
        self._sinks: list[tuple[Sink, int]] = []
        names = FileNames(self.file_format)
        if self.logs_path is not None:
            folder = LogFolder(self.logs_path, names)
            self._sinks.append((folder, _TEXT if prettify else _SERIALIZED))
        if self.jsonl is not None:
            self._sinks.append((AppendedFile(self.jsonl), _JSONL))
        if stdout:
            self._sinks.append((Stdout(), _TEXT))

    def __bool__(self) -> bool:
        return bool(self._sinks)

    @property
    def failures(self) -> Mapping[str, int]:
        """Number of values and lines that were not written, by the name of the error."""
        return self._counted.counts

    @property
    def _counted(self) -> Failures:
        return self._failures if self._session is None else self._session.failures

    # rows

    def monitor(self, data: object) -> None:
        """Write each row of a dict, a list of dicts or a data frame, at level MONITOR."""
        self.log(data, MONITOR)

    def experiment(self, params: object) -> None:
        """Write a dict over several lines, for people to read, at level EXPERIMENT."""
        self.log(params, EXPERIMENT, indent=_INDENT)

    experiemnt = experiment

    def track(self, data: object) -> None:
        """Write each row of a dict, a list of dicts or a data frame, at level TRACKING."""
        self.log(data, TRACKING)

    def log(self, data: object, level: str = MONITOR, indent: int | None = None) -> None:
        """Write each row of a dict, a list of dicts or a pandas, polars or Arrow table.

        Values are brought to what JSON holds as a tracker brings them to cells; lists and dicts
        stay nested, bytes become hex digits, keys become texts. A value that has no such form is
        left out and counted (or raises, see `on_error`).

        Parameters
        ----------
        data : the rows
        level : name of the level
        indent : spaces for each level of nesting, over several lines; None: one line a row
        """
        self._require_a_sink()
        try:
            check_level(level)
        except InvalidInput as error:
            return self._lose(error)
        return self._write(((row, None) for row in self._rows_of(data)), level, indent=indent)

    def write_rows(self, rows: Iterable[tuple[Mapping[str, Cell], int]]) -> None:
        """Write rows of a tracker, each with its time, at level TRACKING."""
        self._write(rows, TRACKING)

    # messages

    def debug(self, msg: object, *args: object, **kwargs: object) -> None:
        """Write a message at level DEBUG; see `info`."""
        self._say("DEBUG", msg, args, kwargs)

    def info(self, msg: object, *args: object, **kwargs: object) -> None:
        """Write a message at level INFO to stdout and the log files (JSONL holds rows only).

        With further arguments it is `msg.format(*args, **kwargs)`.
        """
        self._say("INFO", msg, args, kwargs)

    def warning(self, msg: object, *args: object, **kwargs: object) -> None:
        """Write a message at level WARNING; see `info`."""
        self._say("WARNING", msg, args, kwargs)

    def error(self, msg: object, *args: object, **kwargs: object) -> None:
        """Write a message at level ERROR; see `info`."""
        self._say("ERROR", msg, args, kwargs)

    # reading

    def read_logs(
        self, path: PathArgument | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of the log files of a folder, by default of this logger's own.

        See `mooring.Reader.read_logs`. `InvalidInput` when there is no folder to read.
        """
        path = self.logs_path if path is None else path
        if path is None:
            raise InvalidInput("name a folder: read_logs(path); this logger has no logs_path")
        return log_reading.read_logs(path, limit)

    def read_log(self, path: PathArgument, level: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of one log file; with `level` those of that level."""
        return log_reading.read_log(path, level)

    def read_structured_logs(self, path: PathArgument) -> list[dict[str, Any]]:
        """Return the rows of one log file that was written with `prettify=False`."""
        return log_reading.read_log(path)

    @staticmethod
    def is_tracked_entry(text: str) -> bool:
        """Return whether a text names one of the levels MONITOR, TRACKING and EXPERIMENT.

        >>> Logger.is_tracked_entry("… | TRACKING | …"), Logger.is_tracked_entry("tracked")
        (True, False)
        """
        return log_reading.is_tracked_entry(text)

    # life

    def attach(self, session: Session, *, warnings: bool = True) -> None:
        """Leave to a session what becomes of failures; write its warnings as lines too."""
        self._session = session
        session.failures.listener = self._note if warnings and self else None

    def close(self) -> None:
        """Close the files. What is logged later opens them again."""
        for sink, _ in self._sinks:
            sink.close()

    # how

    def _require_a_sink(self) -> None:
        if not self:
            raise InvalidInput(
                "there is nowhere to log to: give Tracker logs_path='…' (a folder of log files), "
                "logs_stdout=True or jsonl='….jsonl' (Logger: stdout=True)"
            )

    def _rows_of(self, data: object) -> Iterator[Mapping[str, object]]:
        """Yield rows as JSON can say them, less what it cannot."""
        try:
            for row in records_of(data):
                plain = PLAIN_TYPES.issuperset(map(type, row.values()))
                is_ready = plain and _TEXT_ONLY.issuperset(map(type, row))
                yield row if is_ready else self._converted(row)
        except InvalidInput as error:
            self._lose(error)

    def _converted(self, row: Mapping[Any, object]) -> dict[str, object]:
        values, refused = convert(((str(key), value) for key, value in row.items()), to_part)
        for error in refused.values():
            self._lose(error)
        return values

    def _write(
        self,
        rows: Iterable[tuple[Mapping[str, object], int | None]],
        level: str,
        *,
        indent: int | None = None,
    ) -> None:
        """Write rows; one without a time is of now, and its `timestamp` is the user's own."""
        lines = _Lines(level, find_caller(), self.delimiter, pretty=self.prettify)
        for row, time in rows:
            if lines.size >= _CHUNK:
                self._flush(lines)
                lines = _Lines(level, lines.place, self.delimiter, pretty=self.prettify)
            try:
                body = dump(row, indent=indent)
            except (TypeError, ValueError):  # bytes, or a text that is no Unicode
                row = self._converted(row)
                body = dump(row, indent=indent)
            if self._mark in body:
                body = body.replace(*self._escape)
            lines.add(now_micros() if time is None else time, body)
            if self.jsonl is not None:
                lines.add_object(row, is_tracked=time is not None)
        self._flush(lines)

    def _say(
        self, level: str, msg: object, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> None:
        self._require_a_sink()
        text = str(msg)
        if args or kwargs:
            try:
                text = text.format(*args, **kwargs)
            except (AttributeError, LookupError, TypeError, ValueError):
                # a text that is no template is told with what came along
                text = " ".join([text, *map(str, args), *map(str, kwargs.items())])
        self._flush(self._message(level, text))

    def _message(self, level: str, text: str) -> _Lines:
        if self.delimiter in text:  # after a line break it would begin an entry
            text = text.replace("\n", "\\n")
        lines = _Lines(level, find_caller(), self.delimiter, pretty=self.prettify)
        lines.add(now_micros(), text.encode("utf-8", "backslashreplace"))
        return lines

    def _note(self, error: BaseException | None, text: str) -> None:
        """Write a warning of the tracker's; one that cannot be written is counted."""
        if not isinstance(error, LogNotWritten):
            self._flush(self._message("WARNING", text), quiet=True)

    def _flush(self, lines: _Lines, *, quiet: bool = False) -> None:
        """Hand lines to every sink; raise or count those that one did not take."""
        reasons: dict[str, str] = {}
        lost = 0
        for sink, form in self._sinks:
            if parts := lines.forms[form]:
                try:
                    sink.write(b"".join(parts), lines.micros)
                except (OSError, ValueError) as error:
                    reasons[sink.target] = getattr(error, "strerror", None) or str(error)
                    lost += len(parts)
        if not reasons:
            return
        failure = LogNotWritten(reasons, lines=lost)
        if quiet:
            self._counted.add(failure, lost)
        else:
            self._lose(failure, lost)

    def _lose(self, error: Exception, values: int = 1) -> None:
        if self._session is not None:
            self._session.lose(error, values)
        elif self._raises:
            raise error
        else:
            self._failures.add(error, values)


class _Lines:
    """Lines of one level and one place, in each form that the logger's sinks take."""

    __slots__ = ("_head", "_local", "_pretty", "forms", "level", "micros", "place", "size")

    def __init__(self, level: str, place: str, delimiter: str, *, pretty: bool) -> None:
        self.level = level
        self.place = place
        self.forms: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
        self.size = 0
        self.micros = 0
        self._local = ""
        self._head = head(level, place, delimiter)
        self._pretty = pretty

    def add(self, micros: int, body: bytes) -> None:
        """Add what was logged at this time."""
        self.micros = micros
        self._local = local_text(micros)
        text = b"%b%b%b\n" % (self._local[:23].encode(), self._head, body)
        self.forms[_TEXT].append(text)
        self.size += len(text)
        if not self._pretty:
            time = (micros, iso_text(micros, self._local))
            record = serialized(text.decode(), body.decode(), self.level, self.place, time)
            self.forms[_SERIALIZED].append(record)

    def add_object(self, row: Mapping[str, object], *, is_tracked: bool) -> None:
        """Add the JSONL line of what was added last."""
        time = iso_text(self.micros, self._local)
        self.forms[_JSONL].append(dump(jsonl_record(row, self.level, time, is_tracked)) + b"\n")
