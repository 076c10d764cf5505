"""Assets of a xetrack file: what there is, and its bytes. Nothing is unpickled here."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xxhash

from mooring.errors import InvalidValue
from mooring.tracker.assets.objects import hash_bytes
from mooring.tracker.xetrack.pickles import read_key, read_text

ASSETS, KEYS, COUNTS = "assets", "keys", "counts"
"""The three tables, each of (key, value)."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class XetrackAsset:
    """One asset of a file.

    Attributes
    ----------
    hash : xxh64 of its cloudpickle bytes, in hex
    keys : names that it was logged under last, sorted; empty when later objects took them
    size_bytes : length of its content in the file, which can be compressed
    """

    hash: str
    keys: tuple[str, ...]
    size_bytes: int


def read_entries(
    connection: sqlite3.Connection,
) -> tuple[Mapping[str, XetrackAsset], Mapping[str, str], list[str]]:
    """Return the assets by hash, the key text of each, and what could not be read."""
    names: dict[str, list[str]] = {}
    unreadable: list[str] = []
    for text, value in _entries(connection, KEYS, "value"):
        try:
            names.setdefault(_hash_of(value), []).append(read_key(text))
        except InvalidValue as error:
            unreadable.append(f"an entry of the table {KEYS!r}: {error}")
    assets: dict[str, XetrackAsset] = {}
    texts: dict[str, str] = {}
    for text, size in _entries(connection, ASSETS, "length(CAST(value AS BLOB))"):
        try:
            found = read_key(text)
        except InvalidValue as error:
            unreadable.append(f"an entry of the table {ASSETS!r}: {error}")
            continue
        texts[found] = text
        keys = tuple(sorted(names.get(found, ())))
        assets[found] = XetrackAsset(hash=found, keys=keys, size_bytes=size or 0)
    return assets, texts, unreadable


def read_content(connection: sqlite3.Connection, text: str) -> bytes | None:
    """Return the bytes that the table holds under a key text; None when it has no such key."""
    if not _has_table(connection, ASSETS):
        return None
    row = connection.execute(f"SELECT value FROM {ASSETS} WHERE key = ?", (text,)).fetchone()
    if row is None:
        return None
    return row[0].encode() if isinstance(row[0], str) else bytes(row[0] or b"")


def is_compressed(hash_value: str, content: bytes) -> bool | None:
    """Return whether content is the asset of this hash compressed; None when it is damaged.

    Compressed content is hashed in pieces, so that a small one that expands to very much costs
    time and no memory.
    """
    if hash_bytes(content) == hash_value:
        return False
    hasher = xxhash.xxh64()
    stream = zlib.decompressobj()
    left = content
    try:
        while left:
            hasher.update(stream.decompress(left, _CHUNK))
            left = stream.unconsumed_tail
        hasher.update(stream.flush())
    except zlib.error:
        return None
    whole = stream.eof and not stream.unused_data and hasher.hexdigest() == hash_value
    return True if whole else None


def _entries(connection: sqlite3.Connection, table: str, value: str) -> list[tuple[str, Any]]:
    if not _has_table(connection, table):
        return []
    return connection.execute(f"SELECT key, {value} FROM {table} ORDER BY rowid").fetchall()


def _has_table(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    return {("key",), ("value",)} <= set(found)


def _hash_of(value: object) -> str:
    if not isinstance(value, bytes):
        raise InvalidValue("the value is no pickle")
    return read_text(value)
