"""`Study`: what a search gives out, learns, and keeps, on a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mooring
from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    InvalidSpace,
    ObjectiveFailed,
    StudyError,
    StudyNotFound,
    TrialFinished,
    UnknownOptimizer,
)
from mooring.optimize import Categorical, Float, Int, Study, Trial, TrialState
from mooring.query import parse
from mooring.store import open_store

SPACE = {
    "x": Float(-2, 2),
    "n": Int(1, 8, log=True),
    "kind": Categorical(["a", None, True, 1]),
    "fixed": 3,
}


KINDS = [(str, "a"), (type(None), None), (bool, True), (int, 1)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def study(file: Path) -> Iterator[Study]:
    with Study("s", store=file, project="p", space=SPACE, seed=1) as study:
        yield study


def parabola(trial: Trial) -> float:
    return float((trial["x"] - 1) ** 2)


# trials are runs


def test_a_trial_is_a_run_that_every_door_shows(study: Study, file: Path) -> None:
    trial = study.ask()
    trial.log({"loss": 0.5}, step=1)
    trial.assign({"note": "first"})
    study.tell(trial, 0.25)
    with mooring.ReadOnlyProject("p", store=str(file)) as project:
        (row,) = project.fetch_runs_df(
            columns=["params/x", "params/n", "trial/state", "loss", "note"]
        ).to_dict("records")
    assert row["params/x"] == trial["x"]
    assert (row["params/n"], row["trial/state"]) == (trial["n"], "complete")
    assert (row["loss"], row["note"]) == (0.5, "first")


def test_a_run_logs_to_a_trial(study: Study) -> None:
    trial = study.ask()
    with mooring.Run("p", store=study.store, run_id=trial.run_id, resume=True) as run:
        run.log({"loss": 0.5}, step=0)
    study.tell(trial, 1)
    assert study.trials[0].state is TrialState.COMPLETE


def test_parameters_are_of_their_types_and_all_there(study: Study) -> None:
    for number in range(20):
        trial = study.ask()
        assert (trial.number, list(trial.params)) == (number, list(SPACE))
        assert type(trial["x"]) is float
        assert type(trial["n"]) is int
        assert trial["fixed"] == 3
        assert (type(trial["kind"]), trial["kind"]) in KINDS
        study.tell(trial, trial["x"])
    assert [record.params for record in study.trials][-1] == dict(trial.params)


def test_what_is_found_is_told(study: Study) -> None:
    study.optimize(parabola, n_trials=40, progress=False)
    best = min(study.trials, key=lambda trial: trial.values["objective"])
    assert study.best_trial == best
    assert study.best_value == best.value
    assert study.best_params == best.params
    assert study.best_value < 0.05
    frame = study.to_df()
    assert list(frame.columns[:5]) == ["number", "state", "objective", "seconds", "algorithm"]
    assert len(frame) == 40


def test_nothing_is_found_yet(study: Study) -> None:
    assert (study.trials, study.best_trials) == ([], [])
    with pytest.raises(StudyError, match="no trial of study 's' is complete yet"):
        _ = study.best_trial
    assert study.to_df().empty


# opening


def test_a_study_goes_on_where_it_was(file: Path) -> None:
    with Study("s", store=file, project="p", space=SPACE, direction="maximize", seed=4) as first:
        first.optimize(lambda trial: trial["x"], n_trials=5, progress=False)
    with Study("s", store=file, project="p") as second:
        assert second.space == first.space
        assert second.spec.seed == 4
        second.optimize(lambda trial: trial["x"], n_trials=5, progress=False)
        assert [trial.number for trial in second.trials] == list(range(10))
        assert second.best_value == max(trial.values["objective"] for trial in second.trials)


def test_a_seed_repeats_a_search_also_when_it_is_interrupted(tmp_path: Path) -> None:
    found = []
    for parts in ((12,), (5, 7)):
        where = tmp_path / f"{len(parts)}.db"
        for count in parts:
            with Study("s", store=where, project="p", space=SPACE, seed=7) as study:
                study.optimize(parabola, n_trials=count, progress=False)
        with Study("s", store=where, project="p") as study:
            found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]


def test_what_contradicts_the_study_that_is_there(study: Study, file: Path) -> None:
    for other in (
        {"space": {"x": Float(0, 1)}},
        {"direction": "maximize"},
        {"objectives": {"a": "minimize", "b": "minimize"}},
        {"method": "random"},
        {"seed": 2},
        {"retries": 9},
    ):
        with pytest.raises(InvalidInput, match="study 's' is there with the"):
            Study("s", store=file, project="p", **other)  # type: ignore[arg-type]
    with pytest.raises(AlreadyExists, match="has a study 's' already"):
        Study("s", store=file, project="p", space=SPACE, resume=False)
    with pytest.raises(StudyNotFound, match="closest: s"):
        Study("ss", store=file, project="p", resume=True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": ""}, InvalidInput, "has a name"),
        ({"direction": "up"}, InvalidInput, "'minimize' or 'maximize'"),
        ({"method": "magic"}, UnknownOptimizer, "no optimizer is called 'magic'"),
        ({"pruner": "scissors"}, InvalidInput, "no pruner is called"),
        ({"pruner": {"name": "median", "sharp": True}}, InvalidInput, "sharp"),
        ({"seed": -1}, InvalidInput, "seed is 0 or more"),
        ({"space": {"x": Ellipsis}}, InvalidSpace, "parameter 'x'"),
        ({"space": {"A": {"x": {"type": "float"}}}}, InvalidSpace, "'A'"),
        ({"direction": "minimize", "objectives": {"a": "minimize"}}, InvalidInput, "objectives"),
        ({"objectives": {}}, InvalidInput, "none"),
        ({"resume": "maybe"}, InvalidInput, "resume is True, False or 'allow'"),
    ],
)
def test_arguments_that_are_none(
    file: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Study(**{"name": "s", "store": file, "project": "p", **arguments})
    assert not file.exists() or "p" not in "".join(open_store(file).list_projects())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(1, 0), "above its end"),
        (lambda: Float(0, 1, log=True), "begins above 0"),
        (lambda: Float(-1, 1, log=True), "begins above 0"),
        (lambda: Float(0, math.nan), "finite"),
        (lambda: Float(-1e308, 1e308), "wider"),
        (lambda: Int(0, 2**60), "2\\^53"),
        (lambda: Int(1, 2.5), "an integer"),  # type: ignore[arg-type]
        (lambda: Int(1, 5, step=0), "step is 1 or more"),
        (lambda: Categorical([]), "at least one"),
        (lambda: Categorical("abc"), "choices are a list"),
        (lambda: Categorical([object()]), "None, flags"),
    ],
)
def test_a_space_that_cannot_be_searched(make: Any, message: str) -> None:
    with pytest.raises(InvalidSpace, match=message):
        make()


def test_asking_without_a_space(file: Path) -> None:
    with Study("s", store=file, project="p") as study:
        with pytest.raises(InvalidSpace, match="has no search space"):
            study.ask()
        assert study.trials == []


def test_a_space_of_several_algorithms_as_the_service_writes_it(file: Path) -> None:
    space = {
        "svc": {"C": {"type": "float", "bounds": [0.1, 10], "log": True}},
        "tree": {"depth": {"type": "int", "bounds": [1, 9]}, "seed": 0},
    }
    with Study("s", store=file, project="p", space=space, seed=0) as study:
        study.optimize(lambda trial: len(trial.algorithm), n_trials=10, progress=False)
        params = {trial.algorithm: list(trial.params) for trial in study.trials}
    assert params == {"svc": ["C"], "tree": ["depth", "seed"]}


# telling


@pytest.mark.parametrize("value", [math.nan, None])
def test_no_value_is_a_failure(study: Study, value: float | None) -> None:
    record = study.tell(study.ask(), value)
    assert record.state is TrialState.FAILED
    assert record.error in ("the objective is nan", "no value was told")
    assert study.best_trials == []


def test_infinity_is_a_value(study: Study) -> None:
    study.tell(study.ask(), math.inf)
    study.tell(study.ask(), 5.0)
    assert [trial.value for trial in study.trials] == [math.inf, 5.0]
    assert study.best_value == 5.0
    study.ask()


@pytest.mark.parametrize("value", ["high", [1.0, 2.0], {"other": 1.0}, object(), []])
def test_what_is_no_value_changes_nothing(study: Study, value: Any) -> None:
    trial = study.ask()
    with pytest.raises(InvalidInput):
        study.tell(trial, value)
    assert study.tell(trial, 1.0).value == 1.0


def test_a_trial_is_told_once(study: Study) -> None:
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(TrialFinished, match="trial 0 of study 's' is complete already"):
        study.tell(trial, 2.0)
    with pytest.raises(StudyError, match="has no trial 7"):
        study.tell(7, 1.0)
    assert study.trials[0].value == 1.0


def test_a_trial_is_told_by_its_number_from_elsewhere(study: Study, file: Path) -> None:
    number = study.ask(detached=True).number
    with Study("s", store=file, project="p") as other:
        other.tell(number, 0.5)
    assert study.trials[number].value == 0.5


def test_trials_that_are_enqueued_come_first(study: Study) -> None:
    wanted = {"x": 0.5, "n": 2, "kind": None, "fixed": 3}
    study.enqueue(wanted)
    trial = study.ask()
    assert dict(trial.params) == wanted
    with pytest.raises(InvalidInput, match="not all parameters"):
        study.enqueue({"x": 0.5})
    with pytest.raises(InvalidInput, match="not all parameters"):
        study.enqueue({**wanted, "x": 99})


# several objectives


def test_several_objectives(file: Path) -> None:
    wanted = {"loss": "minimize", "seconds": "minimize"}
    with Study("s", store=file, project="p", space=SPACE, objectives=wanted, seed=0) as study:
        study.optimize(
            lambda trial: {"seconds": abs(trial["x"]), "loss": (trial["x"] - 1) ** 2},
            n_trials=30,
            progress=False,
        )
        front = [(trial.values["loss"], trial.values["seconds"]) for trial in study.best_trials]
        assert front
        for trial in study.trials:
            point = (trial.values["loss"], trial.values["seconds"])
            assert not any(point[0] < a and point[1] < b for a, b in front)
        with pytest.raises(StudyError, match="2 objectives, and no best trial"):
            _ = study.best_trial
        with pytest.raises(InvalidInput):
            study.tell(study.ask(), 1.0)


# pruning


def test_pruning_looks_at_the_series_that_trials_log(file: Path) -> None:
    pruner = {"name": "median", "n_startup_trials": 2}
    with Study(
        "s", store=file, project="p", space=SPACE, prune_on="val/loss", pruner=pruner, seed=1
    ) as study:

        def objective(trial: Trial) -> float:
            for step in range(5):
                trial.log({"val/loss": parabola(trial) / (step + 1)}, step)
                if trial.should_prune():
                    trial.prune()
            return parabola(trial)

        study.optimize(objective, n_trials=20, progress=False)
        pruned = [trial for trial in study.trials if trial.state is TrialState.PRUNED]
        assert pruned
        for trial in pruned:
            assert trial.value == trial.intermediate[max(trial.intermediate)]
            assert len(trial.intermediate) < 5


def test_without_a_pruner_nothing_is_pruned(study: Study) -> None:
    trial = study.ask()
    trial.log({"loss": math.inf}, step=0)
    assert not trial.should_prune()


# failures


def test_an_objective_that_raises_fails_its_trial_and_not_the_search(study: Study) -> None:
    def objective(trial: Trial) -> float:
        if trial.number % 2:
            raise RuntimeError("odd")
        return 1.0

    study.optimize(objective, n_trials=4, progress=False)
    states = [str(trial.state) for trial in study.trials]
    assert states == ["complete", "failed", "complete", "failed"]
    error = study.trials[1].error
    assert error is not None
    assert "RuntimeError: odd" in error
    run = mooring.ReadOnlyRun(mooring.ReadOnlyProject("p", store=study.store), custom_id="s/1")
    assert run["sys/failed"].fetch() is True


def test_an_objective_that_only_fails_ends_the_search(study: Study) -> None:
    def objective(trial: Trial) -> float:
        raise RuntimeError("always")

    with pytest.raises(
        ObjectiveFailed, match="3 trials of study 's' failed one after the other"
    ) as e:
        study.optimize(objective, n_trials=99, max_failures=3, progress=False)
    assert "RuntimeError: always" in str(e.value)
    assert len(study.trials) == 3


def test_an_interrupted_trial_is_given_out_again(study: Study) -> None:
    def objective(trial: Trial) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=5, progress=False)
    (first,) = study.trials
    assert (first.state, first.error) == (TrialState.FAILED, "interrupted")
    again = study.ask()
    assert dict(again.params) == first.params
    assert (again.record.retry_of, again.record.attempt) == (0, 2)


def test_callbacks_see_each_trial_and_may_end_the_search(study: Study) -> None:
    seen = []

    def callback(study: Study, trial: Any) -> None:
        seen.append(trial.number)
        if trial.number == 3:
            study.stop()

    study.optimize(parabola, n_trials=99, callbacks=[callback], progress=False)
    assert seen == [0, 1, 2, 3]


def test_a_search_without_an_end_is_refused(study: Study) -> None:
    with pytest.raises(InvalidInput, match="say when the search ends"):
        study.optimize(parabola)
    for arguments in ({"n_trials": 0}, {"n_trials": 1.5}, {"budget_s": 0}, {"n_jobs": 0}):
        with pytest.raises(InvalidInput):
            study.optimize(parabola, **{"n_trials": 1, **arguments})  # type: ignore[arg-type]
    assert study.trials == []


def test_a_budget_ends_a_search(study: Study) -> None:
    study.optimize(parabola, budget_s=0.5, progress=False)
    assert study.trials


# warm start


def test_a_study_learns_from_earlier_runs_of_any_door(file: Path) -> None:
    for number in range(12):
        x = number / 6 - 1
        with mooring.Run("old", store=str(file), params={"x": x, "n": 2}) as run:
            run["score"] = -((x - 0.5) ** 2)
    space = {"x": Float(-2, 2), "n": Int(1, 8)}
    with Study("s", store=file, project="p", space=space, direction="maximize", seed=0) as study:
        found = study.warm_start("score", projects=["local/old"], filter=parse("params/n:int = 2"))
        assert found == 12
        first = study.ask()
        assert abs(first["x"] - 0.5) < 1.2
    with Study("s", store=file, project="p") as again:
        assert json.loads(json.dumps(again.spec.warm_start))[0]["metric"] == "score"
        again.ask()
