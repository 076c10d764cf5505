"""Which of very many names are worth comparing with a misspelt one."""

from __future__ import annotations

from collections.abc import Sequence

_COMPARED = 2_000
"""Comparing takes about 10 µs a name; a run may have a million."""


def near_paths(path: str, known: Sequence[str]) -> Sequence[str]:
    """Return those of `known` that may resemble `path`, at most 2,000.

    >>> near_paths("a/los", ["a/loss", "b/lr"])
    ['a/loss', 'b/lr']
    """
    if len(known) <= _COMPARED:
        return known
    folder, _, leaf = path.rpartition("/")
    size = len(path)

    def distance(name: str) -> tuple[bool, bool, int]:
        other_folder, _, other_leaf = name.rpartition("/")
        return other_leaf != leaf, other_folder != folder, abs(len(name) - size)

    return sorted(known, key=distance)[:_COMPARED]
