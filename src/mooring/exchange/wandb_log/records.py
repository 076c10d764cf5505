"""The framing of W&B's transaction log: LevelDB's log format, with a header of W&B's own.

Seven bytes of header; then blocks of 32 KiB that hold chunks: a CRC-32 over type and data, a
length, a type (whole, first, middle, last). Since 0.31 the `wandb` package has no reader of it in
Python; the messages within are read with its own protocol buffers.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mooring.errors import SourceUnreadable
from mooring.exchange.packages import require_package
from mooring.exchange.reading.files import walk
from mooring.exchange.reports import ProblemList

_LOG = re.compile(r"^run-(?P<id>.+)\.wandb$", re.DOTALL)
_MAGIC = b":W&B"
_HEADER_BYTES = 7
_BLOCK_BYTES = 32_768
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_TYPE_CRC = [zlib.crc32(bytes([type])) for type in range(5)]


def require_wandb() -> None:
    """Raise `MissingExtra` unless wandb is installed."""
    require_package("wandb", extra="wandb")


def find_logs(root: Path, problems: ProblemList | None = None) -> list[tuple[str, Path]]:
    """Return id and place of each log below a folder, by the names of their folders.

    Links are not followed: `latest-run` would show a run twice. Folders that cannot be listed are
    told.
    """
    found = []
    for folder, files in walk(root, problems):
        for name in files:
            if match := _LOG.match(name):
                found.append((match["id"], folder / name))
    return sorted(found, key=lambda entry: (entry[1].parent.name, entry[1]))


@dataclass(frozen=True, slots=True)
class Damage:
    """A place of the log that cannot be read; `cut`: the log ends there, within a record."""

    offset: int
    why: str
    cut: bool = False


def iter_payloads(
    path: Path, *, last_blocks: int | None = None
) -> Iterator[tuple[int, bytes | Damage]]:
    """Yield where each record begins, and its bytes, or what is damaged there.

    `last_blocks`: only what stands in so many blocks (of 32 KiB) at the end; what begins before
    them is told as damage. Raises `SourceUnreadable` for a file that is no transaction log.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
            if not head.startswith(_MAGIC):
                raise SourceUnreadable(
                    f"{path} is no transaction log of W&B: it does not begin with ':W&B'",
                    where=str(path),
                )
            size = file.seek(0, os.SEEK_END)
            blocks = -(-size // _BLOCK_BYTES)
            first = 0 if last_blocks is None else max(0, blocks - last_blocks)
            yield from _iter_chunks(file, first)
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read: {error}", where=str(path)) from error


def iter_records(path: Path, *, last_blocks: int | None = None) -> Iterator[tuple[int, Any]]:
    """Yield offset and `Record` of a log, or `Damage` where it cannot be read."""
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined,unused-ignore]

    for offset, payload in iter_payloads(path, last_blocks=last_blocks):
        if isinstance(payload, Damage):
            yield offset, payload
            continue
        try:
            yield offset, Record.FromString(payload)
        except DecodeError as error:
            yield offset, Damage(offset, f"no record of W&B: {error}")


def _iter_chunks(file: BinaryIO, first_block: int) -> Iterator[tuple[int, bytes | Damage]]:
    base = first_block * _BLOCK_BYTES
    begun = 0
    parts: list[bytes] | None = None
    position = base or _HEADER_BYTES
    file.seek(base)
    while block := file.read(_BLOCK_BYTES):
        at = position - base
        while at + _CHUNK.size <= len(block):
            check, length, type = _CHUNK.unpack_from(block, at)
            if not (check or length or type):
                at = len(block)  # padding of the block
                break
            data = block[at + _CHUNK.size : at + _CHUNK.size + length]
            whole = len(data) == length
            if not whole and len(block) < _BLOCK_BYTES:
                yield base + at, Damage(base + at, "the log ends within a record", cut=True)
                return
            if (
                not whole
                or not _WHOLE <= type <= _LAST
                or zlib.crc32(data, _TYPE_CRC[type]) != check
            ):
                yield base + at, Damage(base + at, "the checksum of a record is wrong")
                parts = None
                # No checksum of its own covers the length: it is believed when a good chunk
                # follows; else reading goes on at the next block.
                following = at + _CHUNK.size + length
                at = following if _is_chunk(block, following) else len(block)
                continue
            offset = base + at
            at += _CHUNK.size + length
            if type == _WHOLE:
                if parts is not None:
                    yield begun, Damage(begun, "a record has no end")
                parts = None
                yield offset, data
            elif type == _FIRST:
                if parts is not None:
                    yield begun, Damage(begun, "a record has no end")
                begun, parts = offset, [data]
            elif parts is None:
                if type == _LAST:
                    yield offset, Damage(offset, "the end of a record whose beginning is damaged")
            else:
                parts.append(data)
                if type == _LAST:
                    yield begun, b"".join(parts)
                    parts = None
        rest = len(block) - at
        base += _BLOCK_BYTES
        position = base
        if len(block) < _BLOCK_BYTES and 0 < rest < _CHUNK.size and any(block[at:]):
            yield (
                base - _BLOCK_BYTES + at,
                Damage(base - _BLOCK_BYTES + at, "the log ends within a record", cut=True),
            )
            return
    if parts is not None:
        yield begun, Damage(begun, "the log ends within a record", cut=True)


def _is_chunk(block: bytes, at: int) -> bool:
    """Return whether a whole chunk stands there."""
    if at + _CHUNK.size > len(block):
        return False
    check, length, type = _CHUNK.unpack_from(block, at)
    data = block[at + _CHUNK.size : at + _CHUNK.size + length]
    return bool(
        _WHOLE <= type <= _LAST
        and len(data) == length
        and zlib.crc32(data, _TYPE_CRC[type]) == check
    )
