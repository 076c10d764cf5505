"""Console output as lines: W&B logs it in pieces, as they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_STREAMS = {0: "stderr", 1: "stdout"}


class Console:
    r"""Joins pieces of output to lines, each with the time of its first piece.

    >>> console = Console()
    >>> for piece in ("one", "\nt", "wo"):
    ...     console.add(1, 5, piece)
    >>> console.finish()
    {'stdout': [(5, 'one'), (5, 'two')]}
    """

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[int, str]]] = {}
        self._open: dict[str, tuple[int, list[str]]] = {}

    def add(self, stream: int, micros: int, text: str) -> None:
        """Add a piece of a stream (0: errors, 1: output)."""
        name = _STREAMS.get(stream, f"stream_{stream}")
        first, *others = text.split("\n")
        begun, parts = self._open.pop(name, (micros, []))
        parts.append(first)
        for other in others:
            self._lines.setdefault(name, []).append((begun, "".join(parts).rstrip("\r")))
            begun, parts = micros, [other]
        if any(parts):
            self._open[name] = (begun, parts)

    def finish(self) -> Mapping[str, Sequence[tuple[int, str]]]:
        """Return the lines of each stream."""
        for name, (begun, parts) in self._open.items():
            self._lines.setdefault(name, []).append((begun, "".join(parts)))
        self._open = {}
        return self._lines
