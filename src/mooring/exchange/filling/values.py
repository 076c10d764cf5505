"""Single values as other trackers hold them: with Python's own types, or as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from mooring.exchange.source import SourceFile, SourceValue
from mooring.model import Typed, micros_from_datetime

PlainValue: TypeAlias = int | float | str | bool | datetime | frozenset[str]
"""A value with Python's own type."""


def plain_value(value: SourceValue) -> PlainValue:
    """Return a value that is no file as one of Python's own; a dict becomes JSON text.

    >>> from mooring.model import AttributeType
    >>> plain_value(Typed(AttributeType.RUN_STATE, "inactive"))
    'inactive'
    """
    if isinstance(value, SourceFile):
        raise TypeError("a file is no plain value")
    if not isinstance(value, Typed):
        return value
    if isinstance(value.value, str):
        return value.value
    return json.dumps(value.value, ensure_ascii=False, sort_keys=True, default=str)


def value_text(value: SourceValue) -> str:
    """Return a value that is no file as text, for trackers that know nothing else.

    Sets are joined by commas in order of their text, times are `2025-01-01 12:00:00+00:00`.

    >>> value_text(True), value_text(32), value_text(frozenset({"b", "a"}))
    ('True', '32', 'a,b')
    """
    plain = plain_value(value)
    return ",".join(sorted(plain)) if isinstance(plain, frozenset) else str(plain)


def is_finite(value: SourceValue) -> bool:
    """Return False for a number that is NaN or infinite.

    >>> is_finite(1.0), is_finite("nan"), is_finite(float("inf"))
    (True, True, False)
    """
    return not isinstance(value, float) or math.isfinite(value)


def millis_of(values: Mapping[str, SourceValue], path: str) -> int | None:
    """Return a time among the values of a run in milliseconds since 1970; None without one.

    >>> from datetime import UTC
    >>> created = datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
    >>> millis_of({"sys/creation_time": created}, "sys/creation_time")
    2000
    """
    value = values.get(path)
    return micros_from_datetime(value) // 1_000 if isinstance(value, datetime) else None


def tags_of(values: Mapping[str, SourceValue]) -> frozenset[str]:
    """Return the tags of a run, and those of its group.

    >>> sorted(tags_of({"sys/tags": frozenset({"b"}), "sys/group_tags": frozenset({"a"})}))
    ['a', 'b']
    """
    sets = (values.get(path) for path in ("sys/tags", "sys/group_tags"))
    return frozenset().union(*(held for held in sets if isinstance(held, frozenset)))
