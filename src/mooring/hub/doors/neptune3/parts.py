"""Parts of long files, until the upload is complete.

They are files `uploads/<id>-...` beside the store; the hub makes up the id of the upload:

    <id>-<number>-<digest>   a part as S3 has them, which got its name when it was whole
    <id>-block-<digest>      a block as Azure has them, by the digest of the name it was given
    <id>-session             the begin of a file as Google has it, which grows

What a SIGKILL leaves behind: parts that are removed after a day.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from mooring.errors import NotFound

STALE_S = 24 * 3600.0
_NAME = re.compile(r"[0-9a-f]{32}-((\d+|block)-[0-9a-f]{64}|session|part-.*)")
_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SWEEP_S = 600.0


class Parts:
    """The parts in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._swept = 0.0

    def create(self, id: str) -> IO[bytes]:
        """Return a new file to write a part into. It is removed unless `keep` names it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.NamedTemporaryFile(prefix=f"{id}-part-", dir=self._folder, buffering=0)

    def keep(self, file: IO[bytes], id: str, number: int, digest: str) -> None:
        """Give a part that is whole its name. The same part again changes nothing."""
        path = self._path(id, number, digest)
        with suppress(FileExistsError):
            os.link(file.name, path)

    def find(self, id: str, digests: Sequence[str]) -> list[Path] | None:
        """Return the parts of these digests in their order; None where one is missing."""
        if not _ID.fullmatch(id) or not all(map(_DIGEST.fullmatch, digests)):
            return None
        paths = [self._path(id, number, digest) for number, digest in enumerate(digests, 1)]
        return paths if all(path.exists() for path in paths) else None

    def keep_block(self, file: IO[bytes], id: str, name: str) -> None:
        """Give a block that is whole its name; it takes the place of another one of that name."""
        kept = Path(f"{file.name}-named")
        os.link(file.name, kept)
        kept.replace(self._block(id, name))

    def find_blocks(self, id: str, names: Sequence[str]) -> list[Path] | None:
        """Return the blocks of these names in their order; None where one is missing."""
        paths = [self._block(id, name) for name in names]
        return paths if all(path.exists() for path in paths) else None

    def list_blocks(self, id: str) -> list[Path]:
        """Return all blocks of an upload."""
        return list(self._folder.glob(f"{id}-block-*"))

    def begin_session(self, id: str) -> None:
        """Begin a file that comes piece by piece."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._session(id).touch()

    def open_session(self, id: str) -> IO[bytes] | None:
        """Return the file so far, to write into it at any place; None where there is none.

        Nobody else has it meanwhile: `BlockingIOError` where somebody has.
        """
        try:
            file = self._session(id).open("r+b", buffering=0)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            file.close()
            raise
        return file

    def end_session(self, id: str) -> None:
        """Remove a file that has become content."""
        self._session(id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove parts whose upload nobody went on with for a day; looked at now and then."""
        now = time.time()
        if now - self._swept < _SWEEP_S or not self._folder.is_dir():
            return
        self._swept = now
        for path in self._folder.iterdir():
            if _NAME.fullmatch(path.name):
                with suppress(FileNotFoundError):
                    if now - path.stat().st_mtime > STALE_S:
                        path.unlink()

    def _path(self, id: str, number: int, digest: str) -> Path:
        return self._folder / f"{id}-{number}-{digest}"

    def _block(self, id: str, name: str) -> Path:
        return self._folder / f"{id}-block-{hashlib.sha256(name.encode()).hexdigest()}"

    def _session(self, id: str) -> Path:
        return self._folder / f"{id}-session"


class _Joined:
    """Files one after another, as one to read from."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._file: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        while True:
            if self._file is None:
                if not self._paths:
                    return b""
                path = self._paths.pop(0)
                try:
                    self._file = path.open("rb")
                except FileNotFoundError:
                    raise NotFound(path.name, where="the parts of uploads") from None
            if piece := self._file.read(size):
                return piece
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def joined(paths: Sequence[Path]) -> BinaryIO:
    """Return files one after another, as one that can be read and closed.

    Reading raises `NotFound` where one of them was removed meanwhile.
    """
    return cast(BinaryIO, _Joined(paths))
