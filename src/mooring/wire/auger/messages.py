"""Bodies of requests and answers: strict JSON in, in its order; JSON with its floats out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mooring.errors import InvalidInput

MALFORMED = (
    b"<!DOCTYPE html><html><head><title>Bad Request</title></head><body><h1>Bad Request</h1>"
    b"<p>ActionDispatch::Http::Parameters::ParseError</p></body></html>\n"
)
"""What answers a body that is no JSON. Clients look for either of its two texts."""

_MAX_DEPTH = 64


class MalformedBody(InvalidInput):
    """A body that is no JSON object, which is answered by `MALFORMED`."""


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the object of a body, its keys in their order; an empty body is an empty object.

    Raises
    ------
    MalformedBody
        For what is no JSON object, for NaN and infinities, for numbers beyond a double, for texts
        that UTF-8 cannot hold, for a key that is there twice, and for what is nested more than 64
        deep.

    Examples
    --------
    >>> parse_body(b'{"name": "x"}')
    {'name': 'x'}
    """
    if not body.strip():
        return {}
    try:
        found = json.loads(
            body.decode(),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_each_once,
        )
        _check(found, 0)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise MalformedBody("the body is no JSON object")
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Whoever looks at a request before the hub may take the other one of two.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError("a number is beyond every double")
    return number


def _check(value: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
    if isinstance(value, str):
        value.encode()  # a lone surrogate raises UnicodeEncodeError, which is a ValueError
    elif isinstance(value, dict):
        for key, held in value.items():
            key.encode()
            _check(held, depth + 1)
    elif isinstance(value, list):
        for held in value:
            _check(held, depth + 1)


def encode(value: object) -> bytes:
    """Return JSON text; floats stay floats (`3.0`)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def instant(moment: datetime) -> str:
    """Return an instant as it is told: UTC, with milliseconds.

    >>> instant(datetime(2020, 5, 28, 13, 7, 49, 268_999, tzinfo=UTC))
    '2020-05-28T13:07:49.268Z'
    """
    plain = moment.astimezone(UTC)
    # strftime leaves out the zeros of early years.
    day = f"{plain.year:04d}-{plain.month:02d}-{plain.day:02d}"
    return f"{day}T{plain:%H:%M:%S}.{plain.microsecond // 1000:03d}Z"
