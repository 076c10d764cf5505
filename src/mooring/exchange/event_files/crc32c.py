"""CRC-32C of many pieces of a buffer at once, as TFRecord files have it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Words = np.ndarray[Any, np.dtype[np.uint32]]
    Numbers = np.ndarray[Any, np.dtype[np.int64]]
    Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_POLYNOMIAL = 0x82F63B78
_CHUNK = 1024
"""Long pieces are cut into chunks of so many bytes, which are worked on side by side."""


def masked_crc32c(data: Bytes, starts: Numbers, lengths: Numbers) -> Words:
    """Return the masked CRC-32C of each piece of `data`.

    >>> piece = np.frombuffer(b"123456789", np.uint8)
    >>> hex(int(masked_crc32c(piece, np.array([0]), np.array([9]))[0]))
    '0xc78ab0e5'
    """
    crc = crc32c(data, starts, lengths)
    rotated: Words = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


def crc32c(data: Bytes, starts: Numbers, lengths: Numbers) -> Words:
    """Return the CRC-32C of each piece of `data`.

    `starts` and `lengths` are int64 arrays, in bytes.

    >>> piece = np.frombuffer(b"123456789", np.uint8)
    >>> hex(int(crc32c(piece, np.array([0]), np.array([9]))[0]))
    '0xe3069283'
    """
    # The register before the first byte is all ones; every chunk is worked on from zero, and
    # joined by moving the register over as many zero bytes as the chunk has.
    register = np.full(len(starts), 0xFFFFFFFF, np.uint32)
    heads = lengths % _CHUNK
    whole = lengths // _CHUNK
    register = _update(register, data, starts, heads)
    many = np.flatnonzero(whole)
    if not len(many):
        return ~register
    first = np.zeros(len(many) + 1, np.int64)
    np.cumsum(whole[many], out=first[1:])
    within = np.arange(first[-1]) - np.repeat(first[:-1], whole[many])
    chunk_starts = np.repeat((starts + heads)[many], whole[many]) + within * _CHUNK
    parts = _update(
        np.zeros(len(chunk_starts), np.uint32),
        data,
        chunk_starts,
        np.full(len(chunk_starts), _CHUNK, np.int64),
    )
    many = many[np.argsort(-whole[many], kind="stable")]
    place = dict(zip(np.flatnonzero(whole).tolist(), first[:-1].tolist(), strict=True))
    offsets = np.array([place[index] for index in many.tolist()], np.int64)
    counts = whole[many]
    state = register[many]
    for number in range(int(counts[0])):
        active = int(np.searchsorted(-counts, -number, side="left"))
        state[:active] = _advance(state[:active]) ^ parts[offsets[:active] + number]
    register[many] = state
    return ~register


def _update(register: Words, data: Bytes, starts: Numbers, lengths: Numbers) -> Words:
    """Return registers after `lengths` bytes from `starts`, byte by byte for all of them."""
    table = _table()
    order = np.argsort(-lengths, kind="stable")
    sizes, places, state = lengths[order], starts[order], register[order]
    for number in range(int(sizes[0]) if len(sizes) else 0):
        active = int(np.searchsorted(-sizes, -number, side="left"))
        byte = data[places[:active] + number]
        state[:active] = table[(state[:active] ^ byte) & np.uint32(0xFF)] ^ (
            state[:active] >> np.uint32(8)
        )
    result = np.empty_like(register)
    result[order] = state
    return result


def _advance(register: Words) -> Words:
    """Return registers after `_CHUNK` zero bytes."""
    tables = _zeros_tables()
    low = np.uint32(0xFF)
    moved: Words = (
        tables[0][register & low]
        ^ tables[1][(register >> np.uint32(8)) & low]
        ^ tables[2][(register >> np.uint32(16)) & low]
        ^ tables[3][register >> np.uint32(24)]
    )
    return moved


@cache
def _table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table.astype(np.uint32)


@cache
def _zeros_tables() -> Words:
    table = _table()
    places = np.arange(256, dtype=np.uint32)
    state = np.stack([places << np.uint32(8 * place) for place in range(4)])
    for _ in range(_CHUNK):
        state = table[state & np.uint32(0xFF)] ^ (state >> np.uint32(8))
    return state
