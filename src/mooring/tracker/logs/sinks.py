"""Where log lines go: files that are appended to, and stdout.

Whole lines are handed to the operating system in one `write` to a file that was opened for
appending, so that lines of several threads, trackers and processes do not mix. What `write`
returned for survives a SIGKILL, and not a power cut. A SIGKILL during it leaves the lines, or none
of them, or (rarely, of many lines) the first of them, perhaps with the last one cut; a disk that
fills does the same. Whoever opens the file next begins a new line, so that a cut line costs itself
alone.

No lock is taken: a forked child goes on with the open file, and a signal handler may log. A
descriptor is closed when the last thread that writes to it lets go.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mooring.model import now_micros
from mooring.tracker.logs.names import FileNames

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND


class Sink(Protocol):
    """Takes whole lines, each with its line break; raises `OSError` or `ValueError`."""

    @property
    def target(self) -> str:
        """What it writes to, for people."""
        ...

    def write(self, lines: bytes, micros: int) -> None:
        """Write lines that were logged at this time (microseconds since 1970)."""
        ...

    def close(self) -> None:
        """Let go of what is open; a later `write` opens it again."""
        ...


class _Descriptor:
    """An open file, closed when nobody refers to it any more."""

    __slots__ = ("cut", "identity", "number")

    def __init__(self, path: Path) -> None:
        self.number = -1
        path.parent.mkdir(parents=True, exist_ok=True)
        self.number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        status = os.fstat(self.number)
        self.identity = (status.st_dev, status.st_ino)
        self.cut = stat.S_ISREG(status.st_mode) and _lacks_its_end(path, status.st_size)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.number >= 0:
            close(self.number)


class AppendedFile:
    """Lines appended to one file, which is created with its folder.

    A file that was moved or deleted is missed within a second: the next lines begin a new one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: _Descriptor | None = None
        self._checked = 0

    @property
    def target(self) -> str:
        """The path."""
        return str(self.path)

    def write(self, lines: bytes, micros: int) -> None:
        """Append whole lines."""
        file = self._open
        if file is None or (self._checked != micros // _SECOND and not self._is_there(file)):
            file = self._open = _Descriptor(self.path)
        self._checked = micros // _SECOND
        if file.cut:
            lines = b"\n" + lines
        written = os.write(file.number, lines)
        while written < len(lines):
            file.cut = True
            written += os.write(file.number, lines[written:])
        file.cut = False

    def _is_there(self, file: _Descriptor) -> bool:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == file.identity

    def close(self) -> None:
        """Close the file."""
        self._open = None


class LogFolder:
    """Lines appended to files of a folder, whose names tell the time."""

    def __init__(self, folder: Path, names: FileNames) -> None:
        self._folder = folder
        self._names = names
        self._minute = 0
        self._file = self._file_at(now_micros())

    @property
    def target(self) -> str:
        """The path of the present file."""
        return self._file.target

    def write(self, lines: bytes, micros: int) -> None:
        """Append whole lines to the file of their time."""
        file = self._file
        if self._names.moves and micros // _MINUTE != self._minute:
            named = self._file_at(micros)
            if named.path != file.path:
                file = self._file = named
            self._minute = micros // _MINUTE
        file.write(lines, micros)

    def _file_at(self, micros: int) -> AppendedFile:
        time = datetime.fromtimestamp(micros / 1_000_000).astimezone()
        return AppendedFile(self._folder / self._names.at(time))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Stdout:
    """Lines on whatever `sys.stdout` is at the time, flushed."""

    target = "stdout"

    def write(self, lines: bytes, micros: int) -> None:
        """Write whole lines; characters that stdout cannot encode are escaped."""
        if (stream := sys.stdout) is None:
            raise OSError("this process has no stdout")
        text = lines.decode()
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()

    def close(self) -> None:
        """Do nothing: stdout belongs to the process."""


def _lacks_its_end(path: Path, size: int) -> bool:
    """Return whether the last line of a file lacks its end."""
    if not size:
        return False
    try:
        with path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) != b"\n"
    except OSError:  # one that may be written and not read: taken as whole
        return False
