"""Contents of files: copied beside the log, within it, or left where the user has them."""

from __future__ import annotations

import base64
import binascii
import glob
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.sources.neptune.lines import Line, parse_line

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_SPOOLED_BYTES = 16 * 1024 * 1024
_MAGIC: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\x00": "tif",
    b"MM\x00*": "tif",
}


@dataclass(frozen=True, slots=True)
class FileSetStep:
    """One change of a file set: files that match `patterns` come in, or `removed` paths leave."""

    patterns: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def expand_file_set(steps: Sequence[FileSetStep], working_folder: Path) -> dict[str, Path]:
    """Return the files of a file set as they are now, by their path in the set.

    Paths are relative to the common folder of what the patterns match, as the client has them:
    the working folder when all lies below it.
    """
    files: dict[str, Path] = {}
    for step in steps:
        # As the client does it: the patterns are absolute, and links in them are not followed.
        found = sorted({os.path.abspath(each) for each in _match(step.patterns)})  # noqa: PTH100
        if found:
            root = os.path.commonpath(found)
            root = root if os.path.isdir(root) else os.path.dirname(root)  # noqa: PTH112, PTH120
            if Path(root).is_relative_to(working_folder):
                root = str(working_folder)
            for each in found:
                for file in _walk(Path(each)):
                    files[file.relative_to(root).as_posix()] = file
        for removed in step.removed:
            name = removed.strip("/")
            for path in [path for path in files if path == name or path.startswith(f"{name}/")]:
                del files[path]
    return files


def _match(patterns: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from glob.iglob(pattern, recursive=True)  # noqa: PTH207 - its rules are the client's


def _walk(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names if Path(folder, name).is_file())


def list_tracked(
    entries: Sequence[tuple[str, str | None]], working_folder: Path
) -> tuple[list[tuple[str, Path]], list[str]]:
    """Return the files of an artifact, each with its path there, and what is not here."""
    files: dict[str, Path] = {}
    missing = []
    for location, destination in entries:
        source = Path(working_folder, location.removeprefix("file://")).expanduser()
        inside = "://" in location and not location.startswith("file://")
        if inside or not source.exists():
            missing.append(location)
            continue
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file():
                path = file.relative_to(source).as_posix() if source.is_dir() else file.name
                files[Path(destination, path).as_posix() if destination else path] = file
    return sorted(files.items()), missing


class Contents:
    """Opens the locations that it gave away."""

    def __init__(self) -> None:
        self._sets: dict[str, Mapping[str, Path]] = {}
        self._artifacts: dict[str, Sequence[tuple[str, Path]]] = {}

    def of_path(self, path: Path) -> str:
        """Return the location of a file."""
        return json.dumps(["path", str(path)])

    def in_line(self, line: Line, index: int | None = None) -> str:
        """Return the location of what a line holds: the image of this index, or the one file."""
        return json.dumps(["line", str(line.file), line.offset, line.length, index])

    def of_set(self, owner: str, files: Mapping[str, Path]) -> str:
        """Return the location of the zip of a file set; `owner` is unique."""
        self._sets[owner] = files
        return json.dumps(["set", owner])

    def of_artifact(self, owner: str, files: Sequence[tuple[str, Path]]) -> str:
        """Return the location of the list of an artifact's files; `owner` is unique."""
        self._artifacts[owner] = files
        return json.dumps(["artifact", owner])

    @contextmanager
    def open(self, location: str) -> Iterator[BinaryIO]:
        """Open the content at a location; `SourceUnreadable` when it is gone."""
        kind, name, *rest = json.loads(location)
        with ExitStack() as opened:
            try:
                if kind == "path":
                    stream: BinaryIO = opened.enter_context(Path(name).open("rb"))
                elif kind == "line":
                    stream = io.BytesIO(_read_line(Path(name), *rest))
                elif kind == "artifact":
                    stream = io.BytesIO(_describe(self._artifacts[name]))
                else:
                    stream = opened.enter_context(_pack(self._sets[name]))
            except OSError as error:
                raise SourceUnreadable(f"{name} cannot be read: {error}", where=name) from error
            yield stream


def decode_base64(text: object) -> bytes:
    """Return the bytes that a log holds as text."""
    if not isinstance(text, str) or not text:
        raise InvalidInput("the client kept no content of it")
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"its content is no base64: {error}") from None


def guess_extension(start: bytes) -> str:
    """Return the extension that an image's first bytes tell, `bin` for others.

    >>> guess_extension(b"GIF89a")
    'gif'
    """
    return next((known for magic, known in _MAGIC.items() if start.startswith(magic)), "bin")


def _read_line(file: Path, offset: int, length: int, index: int | None) -> bytes:
    with file.open("rb") as stream:
        stream.seek(offset)
        line = stream.read(length)
    try:
        operation = parse_line(line)["obj"]
        if index is None:
            return decode_base64(operation["file_content"])
        value = operation["values"][index]["value"]
        return decode_base64(value["data"] if isinstance(value, dict) else value)
    except (ValueError, LookupError, TypeError) as error:
        raise SourceUnreadable(
            f"{file} has changed: byte {offset} no longer holds the file", where=str(file)
        ) from error


def _pack(files: Mapping[str, Path]) -> BinaryIO:
    """Return a zip whose bytes depend on names and contents only."""
    target: Any = tempfile.SpooledTemporaryFile(_SPOOLED_BYTES)  # noqa: SIM115
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, path in sorted(files.items()):
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            large = path.stat().st_size > zipfile.ZIP64_LIMIT // 2
            with path.open("rb") as source, packed.open(info, "w", force_zip64=large) as entry:
                shutil.copyfileobj(source, entry, 1024 * 1024)
    target.seek(0)
    return target  # type: ignore[no-any-return]


def _describe(files: Sequence[tuple[str, Path]]) -> bytes:
    """Return the list of an artifact's files in the form that exports have it."""
    entries = []
    for name, path in files:
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha1").hexdigest()
        status = path.stat()
        changed = datetime.fromtimestamp(int(status.st_mtime), UTC)
        metadata = {
            "file_path": path.resolve().as_uri(),
            "last_modified": changed.strftime("%Y-%m-%d %H:%M:%S"),
        }
        entries.append(
            {
                "filePath": name,
                "fileHash": digest,
                "type": "Local",
                "size": status.st_size,
                "metadata": [{"key": key, "value": value} for key, value in metadata.items()],
            }
        )
    return json.dumps(entries, indent=2).encode()
