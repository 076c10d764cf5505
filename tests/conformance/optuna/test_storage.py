"""Optuna's own tests of storages, unchanged, over ours on each kind of store."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.testing.pytest_storages import StorageTestCase

from mooring.optimize import OptunaStorage
from mooring.store import Store


class TestStorage(StorageTestCase):
    @pytest.fixture
    def storage(self, store: Store, project: str) -> Iterator[OptunaStorage]:
        storage = OptunaStorage(store, project=project)
        yield storage
        storage.close()

    def test_pickle_storage(self, storage: OptunaStorage) -> None:  # type: ignore[override]
        """Ours is pickled by its address: a store in memory has none, a hub wants its token."""
        if ":" in storage.address:
            pytest.skip("only a file is found again by its address alone")
        super().test_pickle_storage(storage)


SAMPLERS = [
    optuna.samplers.RandomSampler,
    optuna.samplers.TPESampler,
    optuna.samplers.CmaEsSampler,
    optuna.samplers.NSGAIISampler,
    optuna.samplers.QMCSampler,
]


@pytest.mark.filterwarnings("ignore:.*is experimental:optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda kind: kind.__name__)
def test_a_sampler_suggests_the_same_on_our_storage_as_in_memory(
    sampler: type[optuna.samplers.BaseSampler], tmp_path: Path
) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 1e-3, 10, log=True)
        y = trial.suggest_int("y", -5, 5)
        return (x - 2) ** 2 + y**2 + (trial.suggest_categorical("z", ["a", "b"]) == "a")

    storage = OptunaStorage(tmp_path / "runs.db", project="s")
    found = []
    for where in (storage, optuna.storages.InMemoryStorage()):
        study = optuna.create_study(storage=where, sampler=sampler(seed=3))
        study.optimize(objective, n_trials=30)
        found.append([(trial.params, trial.value) for trial in study.trials])
    storage.close()
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "make_pruner",
    [
        lambda: optuna.pruners.MedianPruner(n_startup_trials=3),
        lambda: optuna.pruners.SuccessiveHalvingPruner(),
        lambda: optuna.pruners.HyperbandPruner(max_resource=9),
    ],
    ids=["median", "successive halving", "hyperband"],
)
def test_a_pruner_prunes_the_same_on_our_storage_as_in_memory(
    make_pruner: Callable[[], optuna.pruners.BasePruner], tmp_path: Path
) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        for step in range(9):
            trial.report(x * x + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x * x

    storage = OptunaStorage(tmp_path / "runs.db", project="s")
    found = []
    for where in (storage, optuna.storages.InMemoryStorage()):
        study = optuna.create_study(
            storage=where,
            study_name="pruned",
            sampler=optuna.samplers.RandomSampler(seed=1),
            pruner=make_pruner(),
        )
        study.optimize(objective, n_trials=25)
        found.append([(t.state, t.value, t.intermediate_values) for t in study.trials])
    storage.close()
    assert found[0] == found[1]
    assert any(state is optuna.trial.TrialState.PRUNED for state, _, _ in found[0])


def test_a_storage_that_was_pickled_goes_on_with_the_same_study(tmp_path: Path) -> None:
    storage = OptunaStorage(tmp_path / "runs.db", project="s")
    study = optuna.create_study(storage=storage, study_name="one")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    again = pickle.loads(pickle.dumps(storage))
    optuna.load_study(study_name="one", storage=again).optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=2
    )
    again.close()
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
    storage.close()
