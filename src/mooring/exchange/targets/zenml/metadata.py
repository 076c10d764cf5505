"""Single values as ZenML's metadata: nested dicts, each top-level key below a limit of size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from mooring.exchange.filling.values import plain_value
from mooring.exchange.source import SourceValue
from mooring.exchange.targets.zenml.names import VALUE

LIMIT = 60_000
"""Characters of JSON below one key. ZenML leaves out, with a warning, what has more than 65,535."""
TEXT_LIMIT = LIMIT // 12
"""Characters of one text; a longer one is cut here, and whole as an artifact.

JSON writes a character as up to twelve.
"""


def metadata_value(value: SourceValue) -> object:
    """Return a value as JSON can hold it.

    >>> metadata_value(frozenset({"b", "a"}))
    ['a', 'b']
    """
    plain = plain_value(value)
    if isinstance(plain, frozenset):
        return sorted(plain)
    if isinstance(plain, datetime):
        return str(plain)
    return plain[:TEXT_LIMIT] if isinstance(plain, str) else plain


def is_too_long(value: object) -> bool:
    """Return whether ZenML would leave the value out.

    >>> is_too_long(["a" * LIMIT]), is_too_long("a")
    (True, False)
    """
    return len(json.dumps(value)) > LIMIT


def nest(values: Mapping[str, object]) -> dict[str, object]:
    """Return values by path as nested dicts; a group too large for one key stays flat.

    >>> nest({"a": 1, "a/b": 2, "c": 3})
    {'a': {'_value': 1, 'b': 2}, 'c': 3}
    """
    groups: dict[str, dict[str, object]] = {}
    for path, value in values.items():
        groups.setdefault(path.split("/", 1)[0], {})[path] = value
    whole: dict[str, object] = {}
    for key, group in groups.items():
        tree: dict[str, object] = {}
        for path, value in group.items():
            _put(tree, path.split("/"), value)
        if not is_too_long(tree[key]):
            whole[key] = tree[key]
        else:
            whole.update(group)
    return whole


def _put(tree: dict[str, object], parts: list[str], value: object) -> None:
    for part in parts[:-1]:
        inner = tree.get(part)
        if not isinstance(inner, dict):
            inner = {} if part not in tree else {VALUE: inner}
            tree[part] = inner
        tree = inner
    there = tree.get(parts[-1])
    if isinstance(there, dict):
        there[VALUE] = value
    else:
        tree[parts[-1]] = value


def flatten(metadata: Mapping[str, object]) -> Iterator[str]:
    """Yield the paths of values of nested metadata.

    >>> list(flatten({"a": {"_value": 1, "b": 2}, "c": 3}))
    ['a', 'a/b', 'c']
    """
    for key, value in metadata.items():
        if not isinstance(value, Mapping):
            yield key
            continue
        for path in flatten(value):
            yield key if path == VALUE else f"{key}/{path}"
