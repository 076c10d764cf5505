"""Functions to be searched, all to be minimised: public test functions, and a real model.

A space is parameters by algorithm: `(name, "float" or "int", low, high, log)`, or
`(name, "choice", choices)`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Parameter = tuple[Any, ...]
Space = Mapping[str, Sequence[Parameter]]


@dataclass(frozen=True, slots=True)
class Function:
    """What is searched.

    Attributes
    ----------
    space : parameters by algorithm; "" where there is one without a name
    evaluate : of an algorithm and its parameters
    least : the minimum; what is reported is how far above it a search ends
    """

    space: Space
    evaluate: Callable[[str, Mapping[str, Any]], float]
    least: float = 0.0
    trials: int = 60


def _numbers(count: int, low: float, high: float) -> Space:
    return {"": [(f"x{index}", "float", low, high, False) for index in range(count)]}


def _of_numbers(function: Callable[..., float]) -> Callable[[str, Mapping[str, Any]], float]:
    return lambda _, params: function(*params.values())


def branin(x: float, y: float) -> float:
    """Return Branin's function (Dixon and Szegő, 1978)."""
    square = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return square**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_A = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
_P = (
    (1312, 1696, 5569, 124, 8283, 5886),
    (2329, 4135, 8307, 3736, 1004, 9991),
    (2348, 1451, 3522, 2883, 3047, 6650),
    (4047, 8828, 8732, 5743, 1091, 381),
)
_WEIGHTS = (1.0, 1.2, 3.0, 3.2)


def hartmann6(*x: float) -> float:
    """Return Hartmann's function of six numbers (Dixon and Szegő, 1978)."""
    return -sum(
        weight * math.exp(-sum(a * (v - p / 1e4) ** 2 for a, p, v in zip(row, at, x, strict=True)))
        for weight, row, at in zip(_WEIGHTS, _A, _P, strict=True)
    )


def rosenbrock(*x: float) -> float:
    """Return Rosenbrock's function (1960)."""
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x))


_MOVED = 0.37
"""Minima that lie in the middle of the box would flatter samplers that begin there."""


def rastrigin(*given: float) -> float:
    """Return Rastrigin's function, moved."""
    x = [v - 2.1 * _MOVED for v in given]
    return 10 * len(x) + sum(v * v - 10 * math.cos(2 * math.pi * v) for v in x)


def ackley(*given: float) -> float:
    """Return Ackley's function (1987), moved."""
    x = [v - 8 * _MOVED for v in given]
    root = math.sqrt(sum(v * v for v in x) / len(x))
    waves = sum(math.cos(2 * math.pi * v) for v in x) / len(x)
    return 20 + math.e - 20 * math.exp(-0.2 * root) - math.exp(waves)


def mixed(_: str, params: Mapping[str, Any]) -> float:
    """Return a bowl over a rate, a count and a choice, as networks have them."""
    rate = math.log10(params["rate"]) + 2.5
    units = math.log2(params["units"]) - 5
    penalty = {"adam": 0.0, "sgd": 0.6, "rmsprop": 0.2}[params["optimizer"]]
    return rate**2 + 0.3 * units**2 + penalty + 2 * (params["dropout"] - 0.2) ** 2


def conditional(algorithm: str, params: Mapping[str, Any]) -> float:
    """Return one of two functions, the better one the narrower; made for this benchmark."""
    if algorithm == "narrow":
        return 4 * ((params["a"] - 0.7) ** 2 + (params["b"] - 0.2) ** 2 + (params["c"] - 0.5) ** 2)
    return 0.3 + (params["u"] - 0.4) ** 2


@functools.cache
def _data() -> tuple[Any, Any]:
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def classifier(algorithm: str, params: Mapping[str, Any]) -> float:
    """Return the error of a model on breast cancer data, cross-validated in three parts."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    if algorithm == "svc":
        model = SVC(**params)
    else:
        model = RandomForestClassifier(n_estimators=15, random_state=0, **params)
    return 1 - float(cross_val_score(model, *_data(), cv=3).mean())


FUNCTIONS: Mapping[str, Function] = {
    "Branin": Function(
        {"": [("x", "float", -5.0, 10.0, False), ("y", "float", 0.0, 15.0, False)]},
        _of_numbers(branin),
        0.397887357729739,
    ),
    "Hartmann 6": Function(_numbers(6, 0.0, 1.0), _of_numbers(hartmann6), -3.322368011415515),
    "Rosenbrock 5": Function(_numbers(5, -2.0, 2.0), _of_numbers(rosenbrock)),
    "Rastrigin 5": Function(_numbers(5, -5.12, 5.12), _of_numbers(rastrigin)),
    "Ackley 10": Function(_numbers(10, -10.0, 10.0), _of_numbers(ackley)),
    "mixed": Function(
        {
            "": [
                ("rate", "float", 1e-5, 1.0, True),
                ("units", "int", 4, 512, True),
                ("dropout", "float", 0.0, 0.8, False),
                ("optimizer", "choice", ["adam", "sgd", "rmsprop"]),
            ]
        },
        mixed,
    ),
    "two algorithms": Function(
        {
            "narrow": [(name, "float", 0.0, 1.0, False) for name in "abc"],
            "wide": [("u", "float", 0.0, 1.0, False)],
        },
        conditional,
    ),
    "scikit-learn": Function(
        {
            "svc": [("C", "float", 1e-3, 1e3, True), ("gamma", "float", 1e-5, 1.0, True)],
            "forest": [
                ("max_depth", "int", 1, 20, False),
                ("max_features", "float", 0.05, 1.0, False),
                ("min_samples_leaf", "int", 1, 20, True),
            ],
        },
        classifier,
        trials=40,
    ),
}
"""What is searched, by name; of the last one the error itself is reported."""
