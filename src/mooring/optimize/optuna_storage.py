"""`OptunaStorage`: Optuna's studies on any Mooring store, every trial an ordinary run.

>>> import optuna
>>> from mooring.optimize import OptunaStorage
>>> optuna.logging.set_verbosity(optuna.logging.WARNING)
>>> storage = OptunaStorage("runs.db", project="digits")
>>> study = optuna.create_study(storage=storage, study_name="svc", direction="maximize")
>>> study.optimize(lambda trial: -((trial.suggest_float("x", -1, 1)) ** 2), n_trials=3)
>>> len(study.trials)
3
>>> storage.close()
"""

from __future__ import annotations

import copy
import os
import threading
import uuid
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna import Study as OptunaStudy
from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from mooring.errors import AlreadyExists, NotFound, RunNotFound, TrialFinished
from mooring.model import RunKind, Value
from mooring.optimize.ledger import Ledger, TrialLog, this_worker
from mooring.optimize.observations import Direction, TrialState
from mooring.optimize.opening import StoreArgument, StudyPlace
from mooring.optimize.study_runs import RECORD, StudyRecord, StudySpec, objective_names
from mooring.optimize.study_runs import SYSTEM as STUDY_SYSTEM
from mooring.optimize.study_runs import USER as STUDY_USER
from mooring.optimize.trial_runs import (
    STATE,
    SYSTEM,
    USER,
    ParamRecord,
    TrialRecord,
    json_attribute,
    param_attributes,
)

_STATES = {
    TrialState.WAITING: OptunaState.WAITING,
    TrialState.RUNNING: OptunaState.RUNNING,
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}
_OUR_STATES = {theirs: ours for ours, theirs in _STATES.items()}
_DIRECTIONS = {
    Direction.MINIMIZE: StudyDirection.MINIMIZE,
    Direction.MAXIMIZE: StudyDirection.MAXIMIZE,
}


class OptunaStorage(BaseStorage, BaseHeartbeat):
    """A storage for Optuna on a Mooring store.

    Parameters
    ----------
    store : address of a store (a file, a hub), or an open one, which stays the caller's to close.
        Default: `MOORING_STORE`, else `mooring.db`
    project : where studies and trials go; default as for `Study`
    heartbeat_interval : seconds between signs of life of a running trial, so that Optuna fails
        those that went silent for twice as long; None: none are sent
    stale_trial_callback : what Optuna calls for a trial that it failed so, such as
        `optuna.storages.RetryHeartbeatStaleTrialCallback`

    Notes
    -----
    Ids of studies and trials are keys of runs. Values that trials report are points of the series
    `trial/intermediate`, or of the series that the study watches (`Study(prune_on=...)`).
    Any thread may call; several processes may share a store. It can be pickled by its address.
    """

    def __init__(
        self,
        store: StoreArgument | None = None,
        *,
        project: str | None = None,
        heartbeat_interval: int | None = None,
        stale_trial_callback: Callable[[OptunaStudy, FrozenTrial], None] | None = None,
    ) -> None:
        self._place = StudyPlace(store, project)
        self._heartbeat_interval = heartbeat_interval
        self._stale_trial_callback = stale_trial_callback
        self._start()

    def _start(self) -> None:
        self._ledger = Ledger(self._place.store, self._place.project)
        self._logs: dict[int, TrialLog] = {}
        self._frozen: dict[int, FrozenTrial] = {}
        self._kinds: dict[int, dict[str, BaseDistribution]] = {}
        self._kinds_read: dict[int, int] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"OptunaStorage({self._place.store.address!r}, project={self._place.project!r})"

    @property
    def address(self) -> str:
        """Where the store is."""
        return self._place.store.address

    def __getstate__(self) -> dict[str, Any]:
        return {
            "place": (self._place.store.address, self._place.project),
            "settings": (self._heartbeat_interval, self._stale_trial_callback),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._place = StudyPlace(*state["place"])
        self._heartbeat_interval, self._stale_trial_callback = state["settings"]
        self._start()

    def close(self) -> None:
        """Close the store, if this opened it. Running trials stay running."""
        self._place.close()

    # studies

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Create a study; `DuplicatedStudyError` when the project has one of this name."""
        name = f"no-name-{uuid.uuid4()}" if study_name is None else study_name
        names = objective_names(len(directions))
        objectives = {
            name: _direction(direction) for name, direction in zip(names, directions, strict=True)
        }
        try:
            study = self._ledger.create_study(StudySpec(name=name, objectives=objectives))
        except AlreadyExists as error:
            raise DuplicatedStudyError(str(error)) from error
        self._logs[study.key] = TrialLog(self._ledger, study)
        return study.key

    def delete_study(self, study_id: int) -> None:
        """Delete a study with its trials, for good."""
        study = self._study(study_id)
        self._ledger.delete_study(study)
        with self._lock:
            self._logs.pop(study_id, None)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set what a user keeps with a study."""
        self._study(study_id)
        self._ledger.update_study(study_id, json_attribute(STUDY_USER, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set what Optuna keeps with a study."""
        self._study(study_id)
        self._ledger.update_study(study_id, json_attribute(STUDY_SYSTEM, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the id of a study; `KeyError` where there is none."""
        found = self._ledger.find_study(study_name)
        if found is None:
            raise KeyError(f"no study {study_name!r} in {self._place.project}")
        return found.key

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return the name of a study."""
        return self._log(study_id).study.name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return which values are better, for each objective."""
        return [_DIRECTIONS[each] for each in self._log(study_id).study.spec.directions]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return what users keep with a study."""
        return dict(self._study(study_id).spec.user)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return what Optuna keeps with a study."""
        return dict(self._study(study_id).spec.system)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return the studies of the project, oldest first."""
        return [
            FrozenStudy(
                study_name=study.name,
                direction=None,
                directions=[_DIRECTIONS[each] for each in study.spec.directions],
                user_attrs=dict(study.spec.user),
                system_attrs=dict(study.spec.system),
                study_id=study.key,
            )
            for study in self._ledger.list_studies()
        ]

    def _study(self, study_id: int) -> StudyRecord:
        """Return a study as it is now."""
        try:
            runs = self._ledger.store.get_runs([study_id])
        except RunNotFound:
            runs = []
        ours = [
            run
            for run in runs
            if run.kind is RunKind.RECORD
            and run.run_id.startswith(RECORD)
            and run.project == self._place.project
            and not run.trashed
        ]
        for study in self._ledger.read_studies(ours):
            return study
        raise KeyError(f"no study with the id {study_id} in {self._place.project}")

    def _log(self, study_id: int) -> TrialLog:
        with self._lock:
            found = self._logs.get(study_id)
        if found is not None:
            return found
        study = self._study(study_id)
        with self._lock:
            return self._logs.setdefault(study_id, TrialLog(self._ledger, study))

    def adopt(self, log: TrialLog) -> None:
        """Read a study's trials where they have been read already."""
        with self._lock:
            self._logs[log.study.key] = log

    # trials

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial, running or as the template is."""
        log = self._log(study_id)
        values: dict[str, Value]
        if template_trial is None:
            values = {STATE: str(TrialState.RUNNING), "trial/started": datetime.now(UTC)}
        else:
            values = _template_values(log, template_trial)
        if values[STATE] == str(TrialState.RUNNING):
            values["trial/worker"] = this_worker()
        points = {} if template_trial is None else template_trial.intermediate_values
        while (trial := log.create(log.find_next(), values, points)) is None:
            continue
        if template_trial is None:
            log.hold(trial)
        return trial.key

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Set a parameter of a trial that is not finished."""
        log, trial = self._open_trial(trial_id)
        known = self._known_kinds(log).get(param_name)
        if known is not None:
            check_distribution_compatibility(known, distribution)
        before = trial.space.get(param_name)
        place = len(trial.space) if before is None else before.place
        param = ParamRecord(float(param_value_internal), distribution_to_json(distribution), place)
        self._update(log, trial, param_attributes(param_name, param))
        with self._lock:
            self._kinds[log.study.key][param_name] = distribution

    def _known_kinds(self, log: TrialLog) -> dict[str, BaseDistribution]:
        """Return the distribution that each parameter of a study has had."""
        key = log.study.key
        with self._lock:
            known = self._kinds.setdefault(key, {})
            changed = log.changed
            trials = {trial.number: trial for trial in log.known()}
            for number in changed[self._kinds_read.get(key, 0) :]:
                for name, param in trials[number].space.items() if number in trials else ():
                    if name not in known:
                        known[name] = json_to_distribution(param.distribution)
            self._kinds_read[key] = len(changed)
            return known

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return the id of a trial; `KeyError` where there is none of this number."""
        for trial in self._log(study_id).sync():
            if trial.number == trial_number:
                return trial.key
        raise KeyError(f"no trial {trial_number} in the study with the id {study_id}")

    def get_trial_number_from_id(self, trial_id: int) -> int:
        """Return the number of a trial in its study."""
        return self._find(trial_id)[1].number

    def get_trial_param(self, trial_id: int, param_name: str) -> float:
        """Return a parameter as Optuna holds it; `KeyError` where the trial has none such."""
        return self._find(trial_id)[1].space[param_name].number

    def set_trial_state_values(
        self, trial_id: int, state: OptunaState, values: Sequence[float] | None = None
    ) -> bool:
        """Change the state of a trial; False where it is to run and another process has it."""
        log, trial = self._open_trial(trial_id)
        held = {} if values is None else log.objective_values(values)
        wanted = _OUR_STATES[state]
        if wanted is TrialState.RUNNING:
            taken = log.claim(trial, {"trial/worker": this_worker(), **held})
            if taken:
                log.hold(trial)
            return taken
        if not wanted.is_finished:
            self._update(log, trial, {STATE: str(wanted), **held})
            return True
        try:
            log.finish(trial, wanted, held)
        except TrialFinished as error:
            raise UpdateFinishedTrialError(str(error)) from error
        return True

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Set the value that a trial reports at a step: a point of the series that is watched."""
        log, trial = self._open_trial(trial_id)
        log.report(trial, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set what a user keeps with a trial."""
        log, trial = self._open_trial(trial_id)
        self._update(log, trial, json_attribute(USER, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set what Optuna keeps with a trial."""
        log, trial = self._open_trial(trial_id)
        self._update(log, trial, json_attribute(SYSTEM, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial as it is now."""
        log, trial = self._find(trial_id)
        return copy.deepcopy(self._freeze(log, trial))

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[OptunaState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials of a study in the order of their numbers."""
        log = self._log(study_id)
        try:
            trials = log.sync()
        except NotFound:
            raise KeyError(f"no study with the id {study_id}") from None
        found = [
            self._freeze(log, trial)
            for trial in trials
            if states is None or _STATES[trial.state] in states
        ]
        return copy.deepcopy(found) if deepcopy else found

    def _freeze(self, log: TrialLog, trial: TrialRecord) -> FrozenTrial:
        if trial.state.is_finished:
            with self._lock:
                found = self._frozen.get(trial.key)
                if found is None:
                    found = self._frozen[trial.key] = freeze(log.study.spec, trial)
                return found
        return freeze(log.study.spec, trial)

    def _find(self, trial_id: int) -> tuple[TrialLog, TrialRecord]:
        with self._lock:
            logs = list(self._logs.values())
        for log in logs:
            found = log.find_key(trial_id)
            if found is not None:
                return log, log.current(found)
        try:
            run = self._ledger.store.get_runs([trial_id])[0]
        except (RunNotFound, OverflowError):
            raise KeyError(f"no trial with the id {trial_id}") from None
        study = self._ledger.find_study(run.run_id.rpartition("/")[0])
        if study is not None and run.project == self._place.project:
            log = self._log(study.key)
            log.sync()
            found = log.find_key(trial_id)
            if found is not None:
                return log, found
        raise KeyError(f"no trial with the id {trial_id} in {self._place.project}")

    def _open_trial(self, trial_id: int) -> tuple[TrialLog, TrialRecord]:
        log, trial = self._find(trial_id)
        self.check_trial_is_updatable(trial_id, _STATES[trial.state])
        return log, trial

    def _update(self, log: TrialLog, trial: TrialRecord, values: dict[str, Value]) -> None:
        try:
            log.update(trial, values)
        except TrialFinished as error:
            raise UpdateFinishedTrialError(str(error)) from error

    # signs of life

    def record_heartbeat(self, trial_id: int) -> None:
        """Keep a trial's run active for two intervals more."""
        assert self._heartbeat_interval is not None
        seconds = 2.0 * self._heartbeat_interval
        self._ledger.store.hold_run(trial_id, f"heartbeat-{os.getpid()}", seconds=seconds)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        log = self._log(study_id)
        log.sync()
        return [trial.key for trial in log.died()]

    def get_heartbeat_interval(self) -> int | None:
        """Return the seconds between two signs of life, or None."""
        return self._heartbeat_interval

    def get_heartbeat_stale_trial_callback(
        self,
    ) -> Callable[[OptunaStudy, FrozenTrial], None] | None:
        """Return what Optuna calls for a trial that went silent."""
        return self._stale_trial_callback


def _direction(direction: StudyDirection) -> Direction:
    return Direction.MAXIMIZE if direction is StudyDirection.MAXIMIZE else Direction.MINIMIZE


def _template_values(log: TrialLog, template: FrozenTrial) -> dict[str, Value]:
    values: dict[str, Value] = {STATE: str(_OUR_STATES[template.state])}
    for name, time in (
        ("trial/started", template.datetime_start),
        ("trial/finished", template.datetime_complete),
    ):
        if time is not None:
            values[name] = time.astimezone(UTC)
    if template.values is not None:
        values.update(log.objective_values(template.values))
    for place, (name, value) in enumerate(template.params.items()):
        distribution = template.distributions[name]
        number = float(distribution.to_internal_repr(value))
        param = ParamRecord(number, distribution_to_json(distribution), place)
        values.update(param_attributes(name, param))
    for prefix, held in ((USER, template.user_attrs), (SYSTEM, template.system_attrs)):
        for name, value in held.items():
            values.update(json_attribute(prefix, name, value))
    if template.state is OptunaState.FAIL:
        values["sys/failed"] = True
    return values


def freeze(spec: StudySpec, trial: TrialRecord) -> FrozenTrial:
    """Return a trial as Optuna has it."""
    kinds = {name: json_to_distribution(one.distribution) for name, one in trial.space.items()}
    values = [trial.values[name] for name in spec.objectives if name in trial.values]
    frozen = FrozenTrial(
        trial_id=trial.key,
        number=trial.number,
        state=_STATES[trial.state],
        value=None,
        values=values if len(values) == len(spec.objectives) else None,
        datetime_start=_local(trial.started),
        datetime_complete=_local(trial.finished),
        params={
            name: kinds[name].to_external_repr(one.number) for name, one in trial.space.items()
        },
        distributions=kinds,
        user_attrs=dict(trial.user),
        system_attrs=dict(trial.system),
        intermediate_values=dict(trial.intermediate),
    )
    return frozen


def _local(time: datetime | None) -> datetime | None:
    """Return an instant as Optuna has it: local, without a zone."""
    return None if time is None else time.astimezone().replace(tzinfo=None)


__all__ = ["OptunaStorage"]
