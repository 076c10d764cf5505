"""Files to log: from a path, from bytes, from an open binary file."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mooring.errors import InvalidValue
from mooring.model import FileRef

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
PutBlob = Callable[[BinaryIO | bytes], tuple[str, int]]


class File:
    """A file to store with a run.

    Parameters
    ----------
    source : a path, the content as bytes, or an open binary file (read from where it stands)
    name : file name to keep, extension included; default: that of the path, else the last part
        of the attribute's path
    mime_type : media type; default: guessed from the name

    Examples
    --------
    >>> File(b"lr,loss", name="curve.csv")
    File(name='curve.csv')

    `run["report"] = File("report.html")` stores one file, `run.log({"sample": File(png_bytes,
    name="sample.png")}, step=3)` one point of a series of files.
    """

    __slots__ = ("mime_type", "name", "source")

    def __init__(
        self, source: Source, *, name: str | None = None, mime_type: str | None = None
    ) -> None:
        self.source = source
        self.name = name
        self.mime_type = mime_type

    def __repr__(self) -> str:
        return f"File(name={self._name_for('')!r})"

    def store(self, path: str, put_blob: PutBlob) -> FileRef:
        """Store the content by `put_blob`; return the reference for the attribute `path`."""
        name = self._name_for(path)
        digest, size = self._put(path, put_blob)
        mime_type = self.mime_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return FileRef(digest=digest, size_bytes=size, mime_type=mime_type, name=name)

    def _name_for(self, path: str) -> str:
        if self.name:
            return self.name
        if isinstance(self.source, (str, os.PathLike)):
            return Path(self.source).name
        opened = getattr(self.source, "name", None)
        return Path(opened).name if isinstance(opened, str) else path.rpartition("/")[2]

    def _put(self, path: str, put_blob: PutBlob) -> tuple[str, int]:
        source = self.source
        if isinstance(source, (bytes, bytearray, memoryview)):
            return put_blob(bytes(source))
        if isinstance(source, (str, os.PathLike)):
            try:
                opened = Path(source).open("rb")  # noqa: SIM115 - its own errors only
            except OSError as error:
                reason = error.strerror or str(error)
                raise InvalidValue(
                    f"{path!r}: cannot read the file {os.fspath(source)!r}: {reason}"
                ) from None
            with opened:
                return put_blob(opened)
        if isinstance(getattr(source, "encoding", None), str):
            raise InvalidValue(f"{path!r}: open the file in binary mode ('rb')")
        if callable(getattr(source, "read", None)):
            return put_blob(source)
        raise InvalidValue(
            f"{path!r}: a file is given by a path, bytes or an open binary file, "
            f"not by a {type(source).__name__}"
        )
