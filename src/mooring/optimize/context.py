"""What an answer of the optimizers service gives the client to hand back with the next request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = 1

MAX_PENDING = 256
"""So many suggestions that were not heard of again are kept at most."""

MAX_PENDING_BYTES = 65_536
"""So long is their JSON text at most; the newest are kept."""

FORGOTTEN_AFTER = 64
"""A suggestion that was not heard of while so many others (or four batches) were is given up."""

_MAX_NUMBER = 2**53


@dataclass(frozen=True, slots=True)
class Pending:
    """A suggestion that was given out: its number, algorithm, and the parameters searched."""

    number: int
    algorithm: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The state of a search between two requests.

    Attributes
    ----------
    seed, asked : what the seed of the next suggestion is derived from
    points : of its Sobol sequence each algorithm has used
    pending : oldest first
    """

    seed: int
    asked: int = 0
    points: Mapping[str, int] = field(default_factory=dict)
    pending: tuple[Pending, ...] = ()

    def as_json(self, *, batch: int) -> dict[str, Any]:
        """Return it as JSON, of bounded size, after an answer of `batch` trials."""
        oldest = self.asked - max(FORGOTTEN_AFTER, 4 * batch)
        kept: list[dict[str, Any]] = []
        free = MAX_PENDING_BYTES
        for one in reversed(self.pending[-MAX_PENDING:]):
            item = {
                "number": one.number,
                "algorithm_name": one.algorithm,
                "algorithm_params": dict(one.params),
            }
            free -= len(json.dumps(item))
            if free < 0 or one.number < oldest:
                break
            kept.append(item)
        found: dict[str, Any] = {
            "v": VERSION,
            "seed": self.seed,
            "asked": self.asked,
            "pending": kept[::-1],
        }
        if self.points:
            found["points"] = dict(self.points)
        return found


def read_context(given: object) -> Context | None:
    """Return the state that a client handed back; None for anything that is not ours.

    What is not as it was written is left out, never an error: clients may send any object.

    >>> read_context({"what": "ever"}) is None
    True
    >>> read_context({"v": 1, "seed": 7, "asked": 3, "pending": "none"})
    Context(seed=7, asked=3, points={}, pending=())
    """
    if not isinstance(given, Mapping) or given.get("v") != VERSION:
        return None
    seed, asked = _count(given.get("seed")), _count(given.get("asked"))
    if seed is None or asked is None:
        return None
    points = given.get("points")
    pending = given.get("pending")
    return Context(
        seed=seed,
        asked=asked,
        points={
            str(name): number
            for name, value in (points.items() if isinstance(points, Mapping) else ())
            if (number := _count(value)) is not None
        },
        pending=tuple(
            found
            for item in (pending[-MAX_PENDING:] if isinstance(pending, list) else ())
            if (found := _pending(item, asked)) is not None
        ),
    )


def _pending(item: object, asked: int) -> Pending | None:
    if not isinstance(item, Mapping):
        return None
    number, name = _count(item.get("number")), item.get("algorithm_name")
    params = item.get("algorithm_params")
    if number is None or number >= asked:
        return None
    if not isinstance(name, str) or not isinstance(params, Mapping):
        return None
    return Pending(number, name, params)


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
        return None
    return value
