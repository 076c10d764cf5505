"""Nested things to paths: `{"train": {"loss": 1}}` is `train/loss`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mooring.model import FileRef, Histogram

_DEEPEST = 64
"""Beyond it a structure is taken for a cycle, and refused as a value."""


def flatten(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and value of each leaf.

    Opened are mappings, dataclass instances, `argparse.Namespace`, pydantic models, and what has
    `keys()` and item access as a mapping has.

    >>> dict(flatten({"train": {"loss": 1, "acc": 2}, "epoch": 3}))
    {'train/loss': 1, 'train/acc': 2, 'epoch': 3}
    """
    yield from _walk(value, prefix, 0)


def _walk(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    parts = as_mapping(value) if depth < _DEEPEST else None
    if parts is None:
        yield path, value
        return
    for key in parts:
        below = f"{path}/{key}" if path else str(key)
        yield from _walk(parts[key], below, depth + 1)


def as_mapping(value: object) -> Mapping[Any, object] | None:
    """Return the named parts of a value, or None for one that is a leaf."""
    kind = type(value)
    if isinstance(value, Mapping):
        return value
    if isinstance(value, (type, FileRef, Histogram)) or kind.__module__ == "builtins":
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if _is_namespace(value):
        return vars(value)
    if callable(dump := getattr(kind, "model_dump", None)):  # pydantic 2
        return dump(value)  # type: ignore[no-any-return]
    if hasattr(kind, "__fields__") and callable(dump := getattr(kind, "dict", None)):  # pydantic 1
        return dump(value)  # type: ignore[no-any-return]
    if hasattr(kind, "keys") and hasattr(kind, "__getitem__"):
        return {key: value[key] for key in value.keys()}  # type: ignore[index,attr-defined]  # noqa: SIM118
    return None


def _is_namespace(value: object) -> bool:
    argparse = sys.modules.get("argparse")  # a Namespace exists only where it is loaded
    return argparse is not None and isinstance(value, argparse.Namespace)
