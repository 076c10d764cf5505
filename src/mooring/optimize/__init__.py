"""Searches for hyper-parameters on any store, where every trial is an ordinary run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooring.optimize.observations import TrialState
    from mooring.optimize.optuna_storage import OptunaStorage
    from mooring.optimize.spaces import Categorical, Constant, Float, Int, SearchSpace
    from mooring.optimize.study import Study
    from mooring.optimize.trial import Trial

__all__ = [
    "Categorical",
    "Constant",
    "Float",
    "Int",
    "OptunaStorage",
    "SearchSpace",
    "Study",
    "Trial",
    "TrialState",
]

_HOMES = {
    "Categorical": "spaces",
    "Constant": "spaces",
    "Float": "spaces",
    "Int": "spaces",
    "OptunaStorage": "optuna_storage",
    "SearchSpace": "spaces",
    "Study": "study",
    "Trial": "trial",
    "TrialState": "observations",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mooring.optimize' has no attribute {name!r}")
    value = getattr(import_module(f"mooring.optimize.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
