"""Fits of scikit-learn's estimators, each timed once, on one core."""

from __future__ import annotations

import importlib
import math
import os
import random
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.protocol import serve_tasks

Params = Callable[[random.Random], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Estimator:
    """An estimator, and what its fits are drawn from: parameters, most rows, most columns."""

    name: str
    params: Params
    rows: int
    columns: int = 60

    @property
    def is_regressor(self) -> bool:
        return self.name.endswith(("Regressor", "SVR", "Ridge"))


def _log_int(chance: random.Random, low: int, high: int) -> int:
    """Draw an integer, each magnitude alike."""
    return round(low * math.pow(high / low, chance.random()))


def _forest(chance: random.Random) -> dict[str, Any]:
    return {
        "n_estimators": _log_int(chance, 10, 200),
        "max_features": chance.choice(["sqrt", "log2", 0.5]),
        "max_depth": chance.choice([None, None, 4, 12]),
    }


def _boosting(chance: random.Random) -> dict[str, Any]:
    return {
        "n_estimators": _log_int(chance, 10, 150),
        "max_depth": chance.randint(2, 6),
        "learning_rate": chance.choice([0.03, 0.1]),
    }


def _histogram(chance: random.Random) -> dict[str, Any]:
    return {
        "max_iter": _log_int(chance, 20, 200),
        "max_leaf_nodes": chance.choice([7, 15, 31, 63]),
        "early_stopping": False,
    }


def _none(_: random.Random) -> dict[str, Any]:
    return {}


ESTIMATORS = (
    _Estimator("sklearn.ensemble.RandomForestClassifier", _forest, 8_000),
    _Estimator("sklearn.ensemble.RandomForestRegressor", _forest, 3_000, 30),
    _Estimator("sklearn.ensemble.ExtraTreesClassifier", _forest, 8_000),
    _Estimator("sklearn.ensemble.GradientBoostingClassifier", _boosting, 2_500, 30),
    _Estimator("sklearn.ensemble.HistGradientBoostingClassifier", _histogram, 20_000),
    _Estimator(
        "sklearn.ensemble.AdaBoostClassifier",
        lambda chance: {"n_estimators": _log_int(chance, 10, 150)},
        5_000,
    ),
    _Estimator(
        "sklearn.tree.DecisionTreeClassifier",
        lambda chance: {"max_depth": chance.choice([None, 3, 8])},
        20_000,
    ),
    _Estimator(
        "sklearn.linear_model.LogisticRegression",
        lambda chance: {"C": 10 ** chance.uniform(-2, 2), "max_iter": 200},
        30_000,
    ),
    _Estimator(
        "sklearn.linear_model.SGDClassifier",
        lambda chance: {"alpha": 10 ** chance.uniform(-5, -1)},
        20_000,
    ),
    _Estimator(
        "sklearn.svm.SVC",
        lambda chance: {
            "C": 10 ** chance.uniform(-1, 2),
            "kernel": chance.choice(["rbf", "poly", "sigmoid"]),
        },
        4_000,
    ),
    _Estimator("sklearn.svm.SVR", lambda chance: {"C": 10 ** chance.uniform(-1, 2)}, 3_000),
    _Estimator("sklearn.neighbors.KNeighborsClassifier", _none, 50_000),
    _Estimator("sklearn.naive_bayes.GaussianNB", _none, 100_000),
    _Estimator("sklearn.linear_model.Ridge", _none, 100_000),
    # Of no family: what is known of it beforehand is nearly nothing.
    _Estimator(
        "sklearn.neural_network.MLPClassifier",
        lambda chance: {
            "hidden_layer_sizes": [chance.choice([16, 64])],
            "max_iter": _log_int(chance, 10, 80),
        },
        4_000,
    ),
)


def fits(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Time `fits` fits of each estimator, after one that does not count."""
    for library in ("OMP", "OPENBLAS", "MKL"):  # read when they are loaded
        os.environ[f"{library}_NUM_THREADS"] = "1"
    warnings.simplefilter("ignore")  # of fits that were cut before they converged
    import sklearn

    chance = random.Random(task["seed"])
    timed = []
    for estimator in ESTIMATORS:
        module, _, name = estimator.name.rpartition(".")
        make = getattr(importlib.import_module(module), name)
        for number in range(task["fits"] + 1):
            rows = _log_int(chance, 200, max(201, round(estimator.rows * task["share"])))
            columns = _log_int(chance, 5, estimator.columns)
            params = estimator.params(chance)
            data = _data(estimator, rows, columns, seed=chance.randrange(2**31))
            model = make(**params)
            start = time.perf_counter()
            model.fit(*data)
            seconds = time.perf_counter() - start
            if number:
                timed.append(
                    {
                        "algorithm": estimator.name,
                        "params": params,
                        "rows": rows,
                        "columns": columns,
                        "seconds": seconds,
                    }
                )
    return {"fits": timed, "sklearn": sklearn.__version__}


def _data(estimator: _Estimator, rows: int, columns: int, *, seed: int) -> tuple[Any, Any]:
    from sklearn.datasets import make_classification, make_regression

    telling = min(columns, 8)
    if estimator.is_regressor:
        x, y = make_regression(rows, columns, n_informative=telling, noise=5.0, random_state=seed)
        return x, y / y.std()
    made: tuple[Any, Any] = make_classification(
        rows,
        columns,
        n_informative=telling,
        n_redundant=0,
        n_classes=2 + seed % 3,
        flip_y=0.05,
        random_state=seed,
    )
    return made


if __name__ == "__main__":
    serve_tasks({"fits": fits}, package="mooring")
