"""Studies of ours on each kind of store, and seen through Optuna."""

from __future__ import annotations

import optuna
import pytest

from mooring.errors import StudyNotFound, TrialFinished
from mooring.optimize import Float, Int, OptunaStorage, Study, Trial, TrialState
from mooring.store import Store

SPACE = {"x": Float(-1, 1), "n": Int(1, 8, log=True), "kind": ["a", None, True], "fixed": 5}


def opened(store: Store, project: str, **arguments: object) -> Study:
    return Study("s", store=store, project=project, **arguments)  # type: ignore[arg-type]


def test_a_search_goes_on_in_another_object(store: Store, project: str) -> None:
    with opened(store, project, space=SPACE, direction="maximize", seed=1) as study:
        study.optimize(lambda trial: trial["x"], n_trials=6, progress=False)
    with opened(store, project) as study:
        study.optimize(lambda trial: trial["x"], n_trials=4, progress=False)
        trials = study.trials
        assert [trial.number for trial in trials] == list(range(10))
        assert all(trial.value == trial.params["x"] for trial in trials)
        assert all(list(trial.params) == list(SPACE) for trial in trials)
        assert study.best_value == max(trial.params["x"] for trial in trials)
    with pytest.raises(StudyNotFound):
        Study("other", store=store, project=project, resume=True)


def test_two_objects_see_each_other(store: Store, project: str) -> None:
    with opened(store, project, space=SPACE) as one, opened(store, project) as other:
        first = one.ask()
        second = other.ask()
        assert (first.number, second.number) == (0, 1)
        one.tell(first, 1.0)
        with pytest.raises(TrialFinished):
            other.tell(0, 2.0)
        assert other.trials[0].value == 1.0
        other.tell(second, 0.5)
        assert one.best_trial.number == 1


def test_what_is_enqueued_is_given_to_one(store: Store, project: str) -> None:
    with opened(store, project, space=SPACE) as one, opened(store, project) as other:
        params = {"x": 0.25, "n": 2, "kind": None, "fixed": 5}
        one.enqueue(params)
        taken = [dict(study.ask().params) for study in (one, other)]
        assert [found == params for found in taken] == [True, False]


def test_a_series_prunes(store: Store, project: str) -> None:
    pruner = {"name": "median", "n_startup_trials": 1}
    with opened(store, project, space=SPACE, prune_on="loss", pruner=pruner, seed=3) as study:

        def objective(trial: Trial) -> float:
            for step in range(3):
                trial.log({"loss": float(trial.number)}, step)
                if trial.should_prune():
                    trial.prune()
            return float(trial.number)

        study.optimize(objective, n_trials=4, progress=False)
        states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE, *[TrialState.PRUNED] * 3]


def test_optuna_sees_the_same_trials(store: Store, project: str) -> None:
    with opened(store, project, space=SPACE, direction="maximize", seed=1) as study:
        study.optimize(lambda trial: trial["x"], n_trials=5, progress=False)
        ours = study.trials
    storage = OptunaStorage(store, project=project)
    theirs = optuna.load_study(study_name="s", storage=storage)
    assert [trial.params for trial in theirs.trials] == [trial.params for trial in ours]
    assert [trial.value for trial in theirs.trials] == [trial.value for trial in ours]
    assert theirs.best_trial.number == max(ours, key=lambda trial: trial.params["x"]).number
    theirs.optimize(
        lambda trial: trial.suggest_float("x", -1, 1) + 0 * trial.suggest_int("n", 1, 8, log=True),
        n_trials=2,
    )
    with opened(store, project) as study:
        assert len(study.trials) == 7
        assert study.trials[6].params == theirs.trials[6].params
        study.tell(study.ask(), 0.0)
