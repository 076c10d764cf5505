"""hyperopt: `fmin` with `tpe.suggest`, as its users call it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.jobs.functions import FUNCTIONS, Parameter, Space
from benchmarks.peers.protocol import serve_tasks


def search(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Search a function once for each seed; return the least value of each search."""
    import numpy as np
    from hyperopt import Trials, fmin, tpe

    function = FUNCTIONS[task["function"]]
    space = _space(function.space)
    best = []
    for seed in task["seeds"]:
        trials = Trials()
        fmin(
            lambda asked: function.evaluate(*_read(asked)),
            space,
            algo=tpe.suggest,
            max_evals=task["trials"],
            trials=trials,
            rstate=np.random.default_rng(seed),
            show_progressbar=False,
            verbose=False,
        )
        best.append(min(loss for loss in trials.losses() if loss is not None))
    return {"best": best}


def _space(space: Space) -> Any:
    from hyperopt import hp

    kinds = [
        {"algorithm": name, "params": {p[0]: _parameter(name, p) for p in parameters}}
        for name, parameters in space.items()
    ]
    return hp.choice("algorithm", kinds) if len(kinds) > 1 else kinds[0]


def _parameter(algorithm: str, parameter: Parameter) -> Any:
    from hyperopt import hp
    from hyperopt.pyll import scope

    name, kind, *rest = parameter
    label = f"{algorithm}/{name}"
    if kind == "choice":
        return hp.choice(label, rest[0])
    low, high, log = rest
    if kind == "float":
        if log:
            return hp.loguniform(label, math.log(low), math.log(high))
        return hp.uniform(label, low, high)
    if log:
        # From half a unit below to half a unit above: else the ends had half the weight.
        ends = math.log(low - 0.5), math.log(high + 0.49)
        return scope.int(hp.qloguniform(label, *ends, 1))
    return hp.uniformint(label, low, high)


def _read(asked: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return asked["algorithm"], {name: _plain(value) for name, value in asked["params"].items()}


def _plain(value: Any) -> Any:
    """Return NumPy's number as Python's."""
    return value.item() if hasattr(value, "item") else value


if __name__ == "__main__":
    serve_tasks({"search": search}, package="hyperopt")
