"""Trying again what may succeed later, and giving up on a target that is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mooring.errors import MooringError, Transient

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How often, and with which pauses, a call that failed for the moment is tried.

    Attributes
    ----------
    attempts : how often in all
    first_wait_s, longest_wait_s : the pause after the first failure; it doubles each time
    give_up_after : calls in a row that failed so often, after which the target counts as gone and
        the load breaks off
    """

    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    give_up_after: int = 3


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that raised, and what."""

    error: Exception

    @property
    def why(self) -> str:
        """The reason in words; of an error that is none of ours, with its name."""
        text, name = str(self.error).strip(), type(self.error).__name__
        if not isinstance(self.error, (MooringError, OSError)):
            text = f"{name}: {text}" if text else name
        text = text or name
        return text if len(text) <= 2_000 else f"{text[:2_000]}…"


class TargetGone(Exception):
    """Nothing succeeds any more; the load breaks off. Never leaves `mooring.exchange.loading`."""


def capture(function: Callable[[], T]) -> T | Failure:
    """Return what a function returns, or its error: one item fails, and the others go on."""
    try:
        return function()
    except TargetGone:
        raise
    except Exception as error:  # noqa: BLE001 - what a peer's client raises is reported by item
        return Failure(error)


class Attempts:
    """Calls a target, and counts what fails in a row."""

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self._failed = 0

    def call(self, function: Callable[[], T]) -> T | Failure:
        """Return what the function returns, or its error once trying again has not helped.

        Only errors that are `Transient` are tried again. Raises `TargetGone` when too many calls
        in a row have failed so.
        """
        wait = self._settings.first_wait_s
        left = self._settings.attempts
        while True:
            result = capture(function)
            if not isinstance(result, Failure) or not isinstance(result.error, Transient):
                self._failed = 0  # it answers
                return result
            left -= 1
            if left <= 0:
                break
            time.sleep(wait)
            wait = min(wait * 2, self._settings.longest_wait_s)
        self._failed += 1
        if self._failed >= self._settings.give_up_after:
            raise TargetGone(result.why) from result.error
        return result
