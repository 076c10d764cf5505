"""Pruners, which end trials that lead nowhere, by the series that the trials log anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidInput, closest

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

PRUNERS = {
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "successive-halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "threshold": "ThresholdPruner",
}
"""Names of pruners, and Optuna's classes that do it."""


def pruner_spec(given: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return name and settings of a pruner as a study keeps them.

    >>> pruner_spec("median")
    {'name': 'median'}

    Raises
    ------
    InvalidInput
        For a name that is none, and settings that the pruner does not have.
    """
    if given is None:
        return None
    spec = {"name": given} if isinstance(given, str) else dict(given)
    make_pruner(spec)
    return spec


def make_pruner(spec: Mapping[str, Any]) -> BasePruner:
    """Return Optuna's pruner of a name and settings."""
    import optuna

    settings = dict(spec)
    name = str(settings.pop("name", ""))
    found = PRUNERS.get(name)
    if found is None:
        near = closest(name, PRUNERS)
        told = f"; closest: {near[0]}" if near else ""
        raise InvalidInput(f"no pruner is called {name!r:.80}; known: {', '.join(PRUNERS)}{told}")
    try:
        pruner: BasePruner = getattr(optuna.pruners, found)(**settings)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"pruner {name!r} with {settings!r:.200}: {error}") from error
    return pruner
