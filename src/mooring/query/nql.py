"""Reads Neptune's query language."""

from __future__ import annotations

from mooring.query.ast import And, Expression


def parse(text: str) -> Expression:
    """Read a filter."""
    return And(())
