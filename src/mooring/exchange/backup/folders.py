"""Files below one folder, and never elsewhere: no `..`, no links that somebody planted."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Self

from mooring.errors import SourceUnreadable

CHUNK_BYTES = 1 << 20

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What ends a whole backup, not only a file of it."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Folder:
    """A folder whose content is reached by relative names such as `a/b.csv`.

    Every step below it is looked at first: a symbolic link, or a name that leads out, raises
    `SourceUnreadable`. The folder itself may be a link: that is its owner's choice.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: set[str] = set()

    def path(self, name: str) -> Path:
        """Return where a name lies; `SourceUnreadable` for a name that leads out."""
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts) or (
            os.name == "nt" and not set(name).isdisjoint("\\:")
        ):
            raise SourceUnreadable(
                f"{name!r} is no name of a file below {self.root}", where=str(self.root)
            )
        return self.root.joinpath(*parts)

    def folder(self, name: str) -> Folder:
        """Return a folder below this one, which is looked at."""
        path = self.path(name)
        self._look_above(name)
        self._look(path, folder=True)
        return Folder(path)

    def make(self, name: str) -> Folder:
        """Return a folder below this one, made when it is missing."""
        path = self.path(name)
        if name not in self._known:
            self._make_above(name)
            self._make_one(path)
            self._known.add(name)
        return Folder(path)

    def kind(self, name: str) -> str:
        """Return "file", "folder", "symbolic link" or "special file"; "" for nothing."""
        path = self.path(name)
        try:
            self._look_above(name)
        except (FileNotFoundError, SourceUnreadable):
            return ""
        return _kind(path)

    def size(self, name: str) -> int | None:
        """Return the length of a file; None when there is no such file."""
        path = self.path(name)
        try:
            self._look_above(name)
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError, SourceUnreadable):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; `SourceUnreadable` when it is not there or no plain file."""
        path = self.path(name)
        try:
            self._look_above(name)
            self._look(path, folder=False)
            return os.fdopen(os.open(path, os.O_RDONLY | _NO_FOLLOW | _BINARY), "rb")
        except OSError as error:
            raise SourceUnreadable(
                f"{path} cannot be read: {error.strerror or error}", where=str(path)
            ) from error

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with self.open(name) as file:
            return file.read()

    def create(self, name: str) -> IO[bytes]:
        """Open a new file for writing, in place of one that is there."""
        path = self.path(name)
        self._make_above(name)
        with suppress(FileNotFoundError):
            path.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY
        return os.fdopen(os.open(path, flags, 0o666), "wb")

    def write(self, name: str, parts: Iterable[bytes]) -> tuple[str, int]:
        """Write a file; return its SHA-256 in hex and its size in bytes."""
        with self.sink(name) as sink:
            for part in parts:
                sink.write(part)
        return sink.sha256, sink.size

    def sink(self, name: str) -> Sink:
        """Open a new file, as `create` does, that knows its checksum when it is closed."""
        return Sink(self.create(name))

    def replace(self, name: str, content: bytes) -> None:
        """Write a file beside its name, force it to the disk, then give it the name."""
        beside = f"{name}.part"
        with self.create(beside) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.path(beside).replace(self.path(name))

    def take(self, name: str, source: Folder, source_name: str) -> None:
        """Have a file of another folder here too: as a hard link, or as a copy."""
        with source.open(source_name) as content:  # no link, and there
            target = self.path(name)
            self._make_above(name)
            with suppress(FileNotFoundError):
                target.unlink()
            try:
                os.link(source.path(source_name), target, follow_symlinks=False)
            except (OSError, NotImplementedError):
                self.write(name, iter(lambda: content.read(CHUNK_BYTES), b""))

    def digest(self, name: str) -> tuple[str, int]:
        """Return SHA-256 in hex and size of a file."""
        with self.open(name) as file:
            hasher, size = hashlib.sha256(), 0
            while part := file.read(CHUNK_BYTES):
                hasher.update(part)
                size += len(part)
        return hasher.hexdigest(), size

    def names(self) -> list[str]:
        """Return the names in the folder itself, sorted; none when it is missing."""
        try:
            return sorted(os.listdir(self.root))  # noqa: PTH208 - names, not paths
        except FileNotFoundError:
            return []

    def walk(self) -> Iterator[str]:
        """Yield the names of all that is no folder, at any depth, links among them, sorted."""
        waiting = [""]
        while waiting:
            above = waiting.pop()
            below = []
            for entry in sorted(os.scandir(self.root / above), key=lambda entry: entry.name):
                name = f"{above}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    below.append(f"{name}/")
                else:
                    yield name
            waiting += reversed(below)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that it holds; links are not followed."""
        path = self.path(name)
        self._look_above(name)
        self._known.clear()
        if _kind(path) == "folder":
            below = Folder(path)
            for entry in below.names():
                below.remove(entry)
            path.rmdir()
        else:
            with suppress(FileNotFoundError):
                path.unlink()

    def remove_empty(self) -> None:
        """Remove folders below this one that hold nothing."""
        for above, folders, _ in os.walk(self.root, topdown=False):
            for name in folders:
                path = Path(above, name)
                if not path.is_symlink():
                    with suppress(OSError):
                        path.rmdir()
        self._known.clear()

    # looking

    def _look_above(self, name: str) -> None:
        above = self.root
        for part in name.split("/")[:-1]:
            above /= part
            self._look(above, folder=True)

    def _make_above(self, name: str) -> None:
        above, _, _ = name.rpartition("/")
        if not above or above in self._known:
            return
        path = self.root
        for part in above.split("/"):
            path /= part
            self._make_one(path)
        self._known.add(above)

    def _make_one(self, path: Path) -> None:
        try:
            path.mkdir()
        except FileExistsError:
            self._look(path, folder=True)

    def _look(self, path: Path, *, folder: bool) -> None:
        kind = _kind(path)
        if not kind:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if kind != ("folder" if folder else "file"):
            wanted = "folder" if folder else "file"
            raise SourceUnreadable(
                f"{path} is not followed: it is a {kind} where a {wanted} has to be",
                where=str(path),
            )


class Sink:
    """A file that is written, with the SHA-256 and the length of what it was given."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hasher = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """SHA-256 in hex of what was written so far."""
        return self._hasher.hexdigest()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._file.closed

    def write(self, content: Any) -> int:
        """Write bytes, or what gives a view of them."""
        view = memoryview(content)
        self._hasher.update(view)
        self.size += view.nbytes
        self._file.write(view)
        return view.nbytes

    def flush(self) -> None:
        """Write what is held back."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _kind(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "symbolic link" if stat.S_ISLNK(mode) else "special file"


def ends_all(error: OSError) -> bool:
    """Return whether an error of writing ends the whole backup: a full or read-only disk."""
    return error.errno in _FULL
