"""What could not be written, counted by kind, told once at the time and once at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_logger = logging.getLogger("mooring")


@dataclass(slots=True)
class _Kind:
    count: int
    first: str


class Failures:
    """Counts values that were not written.

    The first failure of each kind is told at once through the logger `mooring` (which prints to
    stderr when logging is not set up), later ones of the kind are only counted. `logging` and not
    `warnings`: a filter that turns warnings into errors must not stop a training.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._kinds: dict[str, _Kind] = {}
        self._lock = threading.Lock()
        self.listener: Callable[[BaseException | None, str], None] | None = None
        """Is told what the logger is told: the error (None: at the end), and the text."""

    def add(self, error: BaseException, values: int = 1) -> None:
        """Count `values` that were lost to `error`."""
        name = type(error).__name__
        with self._lock:
            kind = self._kinds.get(name)
            if kind is not None:
                kind.count += values
                return
            self._kinds[name] = _Kind(values, str(error))
        self._say(
            f"{self._subject}: not written: {error} "
            f"({name}; more of this kind will be counted and told at the end)",
            error,
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of values not written, by the name of the error."""
        with self._lock:
            return {name: kind.count for name, kind in self._kinds.items()}

    @property
    def total(self) -> int:
        """Number of values not written."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """Return one line that says how much was not written and why; empty when all was.

        >>> failures = Failures("run digits/quiet-heron-0042")
        >>> failures.add(ValueError("no type holds a lock"))
        >>> failures.summary()
        'run digits/quiet-heron-0042: 1 value was not written: 1 ValueError (no type holds a lock)'
        """
        with self._lock:
            if not self._kinds:
                return ""
            total = sum(kind.count for kind in self._kinds.values())
            reasons = "; ".join(
                f"{kind.count} {name} ({kind.first})" for name, kind in self._kinds.items()
            )
        were = "value was" if total == 1 else "values were"
        return f"{self._subject}: {total} {were} not written: {reasons}"

    def tell(self) -> None:
        """Log the summary, if there is anything to say."""
        if summary := self.summary():
            self._say(summary)

    def _say(self, text: str, error: BaseException | None = None) -> None:
        _logger.warning("%s", text)
        if self.listener is not None:
            self.listener(error, text)
