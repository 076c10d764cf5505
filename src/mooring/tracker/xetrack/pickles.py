"""Texts and numbers in pickles, read without unpickling.

xetrack pickles the keys of its asset tables. Unpickling runs whatever the file says, so a pickle is
only walked here: one constant between the framing, or it is not read.
"""

from __future__ import annotations

import base64
import binascii
import pickle
import pickletools

from mooring.errors import InvalidValue

_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "INT"})
_FRAMING = frozenset(
    {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "STOP"}
)  # none of them makes or calls anything
_LONGEST = 1 << 16
_PROTOCOL = 5
"""The one whose bytes xetrack looks its keys up by."""


def read_text(pickled: bytes) -> str:
    """Return the text that a pickle consists of; `InvalidValue` when it is anything else.

    >>> read_text(dump_text("lr"))
    'lr'
    """
    value = _constant(pickled, _TEXTS)
    if not isinstance(value, str):
        raise InvalidValue("the pickle is no text")
    return value


def read_number(pickled: bytes) -> int:
    """Return the whole number that a pickle consists of; `InvalidValue` for anything else."""
    value = _constant(pickled, _NUMBERS)
    if not isinstance(value, int):
        raise InvalidValue("the pickle is no number")
    return value


def read_key(text: object) -> str:
    """Return the key that a column of keys holds: base64 of the pickle of a text.

    >>> read_key(dump_key("53425a65a40a49f4"))
    '53425a65a40a49f4'
    """
    if not isinstance(text, str):
        raise InvalidValue("the key is no text")
    try:
        return read_text(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise InvalidValue(f"the key is no pickled text: {error}") from None


def dump_text(text: str) -> bytes:
    """Return the pickle of a text."""
    return pickle.dumps(text, protocol=_PROTOCOL)


def dump_number(number: int) -> bytes:
    """Return the pickle of a whole number."""
    return pickle.dumps(number, protocol=_PROTOCOL)


def dump_key(text: str) -> str:
    """Return a key as a column of keys holds it."""
    return base64.b64encode(dump_text(text)).decode("ascii")


def _constant(pickled: bytes, wanted: frozenset[str]) -> object:
    if len(pickled) > _LONGEST:
        raise InvalidValue(f"a pickle of {len(pickled)} bytes is no key")
    found: list[object] = []
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name in wanted and not found:
                found.append(argument)
            elif opcode.name not in _FRAMING:
                raise InvalidValue(f"the pickle holds {opcode.name}, so it is not loaded")
    except InvalidValue:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged opcode raises whatever its reader meets
        raise InvalidValue(f"the pickle is damaged: {error}") from None
    if not found:
        raise InvalidValue("the pickle is empty")
    return found[0]
