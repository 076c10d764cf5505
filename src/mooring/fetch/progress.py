"""Progress of long reads: a tqdm bar, the caller's own, or none."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from mooring.errors import InvalidInput

ProgressBar = bool | type["ProgressBarCallback"] | None
"""What `progress_bar=` takes."""


class ProgressBarCallback(ABC):
    """Base of progress bars of your own.

    The type, not an object, is passed as `progress_bar=`. It is created with the keyword
    `description` when a read begins, entered, told of each chunk, and left at the end.

    Examples
    --------
    >>> class Dots(ProgressBarCallback):
    ...     def update(self, *, by, total=None):
    ...         print(f"{by} of {total}")
    >>> with open_progress(Dots, "Fetching runs") as bar:
    ...     bar.update(by=3, total=9)
    3 of 9
    """

    def __init__(self, *args: Any, description: str | None = None, **kwargs: Any) -> None:
        self.description = description

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    @abstractmethod
    def update(self, *, by: int, total: int | None = None) -> None:
        """Note that `by` more are done, of `total` when that is known."""


class SilentProgress(ProgressBarCallback):
    """Shows nothing."""

    def update(self, *, by: int, total: int | None = None) -> None:
        """Do nothing."""


class TqdmProgress(ProgressBarCallback):
    """A tqdm bar on standard error."""

    def __init__(self, *args: Any, description: str | None = None, **kwargs: Any) -> None:
        super().__init__(description=description)
        from tqdm.auto import tqdm

        self._bar = tqdm(desc=description, unit=" runs")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()

    def update(self, *, by: int, total: int | None = None) -> None:
        """Move the bar on."""
        if total is not None:
            self._bar.total = total
        self._bar.update(by)


def open_progress(progress_bar: ProgressBar, description: str) -> ProgressBarCallback:
    """Return the bar that `progress_bar` asks for.

    None: tqdm where standard error is a terminal; True: tqdm; False: none; a type: one of it.
    """
    if progress_bar is False or (progress_bar is None and not _on_terminal()):
        return SilentProgress(description=description)
    if progress_bar is None or progress_bar is True:
        return TqdmProgress(description=description)
    if _makes_bars(progress_bar):
        return progress_bar(description=description)
    raise InvalidInput(
        "progress_bar is True, False, None or a subclass of ProgressBarCallback, "
        f"not {progress_bar!r}"
    )


def _makes_bars(value: object) -> bool:
    # Bars written for Neptune derive from its class, not from ours.
    return isinstance(value, type) and all(
        hasattr(value, name) for name in ("update", "__enter__", "__exit__")
    )


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
