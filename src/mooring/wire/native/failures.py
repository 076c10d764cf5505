"""Errors as JSON and back: the class by its name in `mooring.errors`, its facts as attributes."""

from __future__ import annotations

from typing import Any

from mooring import errors
from mooring.errors import HubFailed, MooringError

_PLAIN = (str, int, float, bool, type(None))


def encode_error(error: MooringError) -> dict[str, Any]:
    """Return an error as JSON: its class, its message, and those attributes that are plain."""
    kind = next(one for one in type(error).__mro__ if one.__name__ in errors.__all__)
    facts = {
        name: list(value) if isinstance(value, (list, tuple)) else value
        for name, value in vars(error).items()
        if isinstance(value, _PLAIN)
        or (isinstance(value, (list, tuple)) and all(isinstance(v, _PLAIN) for v in value))
    }
    return {"type": kind.__name__, "message": str(error), "facts": facts}


def decode_error(record: Any, *, status: int | None = None) -> MooringError:
    """Return the error that `encode_error` told of; `HubFailed` for what it cannot have made."""
    if isinstance(record, dict):
        name, message = record.get("type"), record.get("message")
        facts = record.get("facts")
        if isinstance(name, str) and isinstance(message, str) and name in errors.__all__:
            kind = getattr(errors, name)
            if isinstance(kind, type) and issubclass(kind, MooringError):
                error = kind.__new__(kind, message)
                Exception.__init__(error, message)
                for fact, value in (facts if isinstance(facts, dict) else {}).items():
                    if fact.isidentifier() and not hasattr(Exception, fact):
                        setattr(error, fact, tuple(value) if isinstance(value, list) else value)
                return error
    return HubFailed("the hub answered with an error that says nothing", status=status)
