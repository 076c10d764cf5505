"""Searches by Mooring and by plain Optuna, which Mooring brings along: in this environment."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.jobs.functions import FUNCTIONS, Function, Parameter
from benchmarks.peers.protocol import serve_tasks, wait_for_go

STUDY = "bench"
_HISTORY = [f"p{index}" for index in range(5)]


def search(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Search a function once for each seed; return the least value of each search."""
    function = FUNCTIONS[task["function"]]
    run = {"mooring": _by_mooring, "optuna": _by_optuna, "random": _at_random}[task["who"]]
    return {"best": [run(function, seed, task["trials"]) for seed in task["seeds"]]}


def _by_mooring(function: Function, seed: int, trials: int) -> float:
    from mooring.optimize import Study

    with Study(STUDY, store=":memory:", space=_space(function), seed=seed) as study:
        study.optimize(
            lambda trial: function.evaluate(trial.algorithm, trial.params),
            n_trials=trials,
            progress=False,
        )
        return study.best_value


def _space(function: Function) -> Any:
    from mooring.optimize import SearchSpace

    return SearchSpace(
        {
            name: {parameter[0]: _parameter(parameter) for parameter in parameters}
            for name, parameters in function.space.items()
        }
    )


def _parameter(parameter: Parameter) -> Any:
    from mooring.optimize import Categorical, Float, Int

    _, kind, *rest = parameter
    if kind == "choice":
        return Categorical(rest[0])
    return (Float if kind == "float" else Int)(*rest)


def _by_optuna(function: Function, seed: int, trials: int, *, at_random: bool = False) -> float:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kind = optuna.samplers.RandomSampler if at_random else optuna.samplers.TPESampler
    study = optuna.create_study(sampler=kind(seed=seed))
    study.optimize(lambda trial: function.evaluate(*_suggested(function, trial)), n_trials=trials)
    return float(study.best_value)


def _at_random(function: Function, seed: int, trials: int) -> float:
    return _by_optuna(function, seed, trials, at_random=True)


def _suggested(function: Function, trial: Any) -> tuple[str, dict[str, Any]]:
    """Return what Optuna's users would have suggested, one after the other."""
    names = list(function.space)
    name = trial.suggest_categorical("algorithm", names) if len(names) > 1 else names[0]
    found = {}
    for parameter, kind, *rest in function.space[name]:
        if kind == "choice":
            found[parameter] = trial.suggest_categorical(parameter, rest[0])
        else:
            suggest = trial.suggest_float if kind == "float" else trial.suggest_int
            low, high, log = rest
            found[parameter] = suggest(parameter, low, high, log=log)
    return name, found


# how long a suggestion takes


def _history(count: int) -> list[dict[str, Any]]:
    chance = random.Random(count)
    trials = []
    for number in range(count):
        params = {name: chance.random() for name in _HISTORY}
        score = -sum((value - 0.3) ** 2 for value in params.values())
        trials.append(
            {
                "uid": str(number),
                "algorithm_name": "A",
                "algorithm_params": params,
                "score": score,
                "error": None,
                "ratio": 1.0,
            }
        )
    return trials


def _request(count: int) -> dict[str, Any]:
    specs = {name: {"type": "float", "bounds": [0, 1]} for name in _HISTORY}
    return {
        "optimizer_name": "TPEHyperoptOptimizer",
        "search_space": {"A": specs},
        "trials_history": _history(count),
    }


def suggest(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Time suggestions of the service in this process, from a request that is read already."""
    from mooring.optimize.service import next_trials

    request = _request(task["trials"])
    return {"taken_s": _timed(lambda: next_trials(request), task["repeats"])}


def suggest_optuna(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Time suggestions of plain Optuna, which has the history in memory already."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {name: optuna.distributions.FloatDistribution(0, 1) for name in _HISTORY}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=one["algorithm_params"], distributions=kinds, value=one["score"]
            )
            for one in _history(task["trials"])
        ]
    )

    def ask() -> None:
        trial = study.ask()
        for name in _HISTORY:
            trial.suggest_float(name, 0, 1)

    return {"taken_s": _timed(ask, task["repeats"])}


def suggest_hub(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Time suggestions of a hub, its answer read; bodies are gzip, made before."""
    import gzip

    import httpx
    import orjson

    from mooring.client.token import secret_of

    body = {**_request(task["trials"]), "project_api_token": secret_of(task["token"])}
    packed = gzip.compress(orjson.dumps(body), 1)
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    with httpx.Client(timeout=120) as client:

        def ask() -> None:
            answer = client.post(task["address"] + "/next_trials", content=packed, headers=headers)
            trials, _ = answer.raise_for_status().json()["data"]
            assert len(trials) == 1

        return {"taken_s": _timed(ask, task["repeats"]), "size_bytes": len(packed)}


def _timed(call: Callable[[], object], repeats: int) -> list[float]:
    call()  # what is imported at the first one
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return taken


# many processes on one study


def create(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make an empty study."""
    _open(task["who"], Path(task["folder"]))
    return {}


def race(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask and tell, beside others, until this process has its share of trials or the time is over.

    Parameters are drawn at random by all, so that the store is measured and no sampler.
    """
    ask_and_tell = _open(task["who"], Path(task["folder"]))
    ask_and_tell(0.0)  # what is imported at the first one
    wait_for_go()
    end = time.monotonic() + task["seconds"]
    asked, told, errors = [], [], 0
    for _ in range(task["share"]):
        if time.monotonic() > end:
            break
        try:
            ask, tell = ask_and_tell(task["pause_s"])
        except Exception as error:
            errors += 1
            if errors > 50:
                raise RuntimeError("too many errors") from error
            continue
        asked.append(ask)
        told.append(tell)
    return {"asked_s": asked, "told_s": told, "errors": errors}


def count(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how many trials are there, and how many of them with a number of their own."""
    from mooring.optimize import Study

    if task["who"] == "mooring":
        with Study(STUDY, store=str(Path(task["folder"]) / "runs.db"), project="p") as study:
            numbers = [trial.number for trial in study.trials]
    else:
        import optuna

        storage = _storage(task["who"], Path(task["folder"]))
        study = optuna.load_study(study_name=STUDY, storage=storage)
        numbers = [trial.number for trial in study.trials]
    return {"trials": len(numbers), "distinct": len(set(numbers))}


def _open(who: str, folder: Path) -> Callable[[float], tuple[float, float]]:
    """Return what asks for a trial, waits, and tells its value: the seconds of both."""
    folder.mkdir(parents=True, exist_ok=True)
    if who == "mooring":
        from mooring.optimize import Float, Int, Study

        study = Study(
            STUDY,
            store=str(folder / "runs.db"),
            project="p",
            space={"a": Float(0, 1), "b": Int(1, 9)},
            method="random",
        )
        return lambda pause: _ask_and_tell(
            study.ask, lambda trial: study.tell(trial, trial["a"]), pause
        )
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {
        "a": optuna.distributions.FloatDistribution(0, 1),
        "b": optuna.distributions.IntDistribution(1, 9),
    }
    theirs = optuna.create_study(
        study_name=STUDY,
        storage=_storage(who, folder),
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(seed=os.getpid()),
    )
    return lambda pause: _ask_and_tell(
        lambda: theirs.ask(kinds), lambda trial: theirs.tell(trial, trial.params["a"]), pause
    )


def _storage(who: str, folder: Path) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    from mooring.optimize import OptunaStorage

    if who == "optuna_on_mooring":
        return OptunaStorage(str(folder / "runs.db"), project="p")
    if who == "journal":
        return JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    waits = {"connect_args": {"timeout": 60}}
    return optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}", engine_kwargs=waits)


def _ask_and_tell(
    ask: Callable[[], Any], tell: Callable[[Any], object], pause: float
) -> tuple[float, float]:
    start = time.perf_counter()
    trial = ask()
    asked = time.perf_counter() - start
    if pause:
        time.sleep(pause)
    start = time.perf_counter()
    tell(trial)
    return asked, time.perf_counter() - start


if __name__ == "__main__":
    serve_tasks(
        {
            "search": search,
            "suggest": suggest,
            "suggest_optuna": suggest_optuna,
            "suggest_hub": suggest_hub,
            "create": create,
            "race": race,
            "count": count,
        },
        package="mooring",
    )
