"""`Study`: a search for hyper-parameters whose trials are runs of any store."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mooring.errors import AlreadyExists, InvalidInput, InvalidSpace, StudyError
from mooring.model import Value
from mooring.optimize.asked_study import AskedStudy, read_space, read_state, read_values
from mooring.optimize.evaluating import Objective
from mooring.optimize.giving import TrialGiver
from mooring.optimize.ledger import Ledger, TrialLog
from mooring.optimize.observations import Direction, TrialState
from mooring.optimize.opening import StoreArgument, StudyPlace
from mooring.optimize.pruning import make_pruner
from mooring.optimize.recovery import Recovery
from mooring.optimize.results import best_of, frame_of
from mooring.optimize.spaces import SearchSpace
from mooring.optimize.study_runs import StudyRecord, StudySpec
from mooring.optimize.trial import Trial
from mooring.optimize.trial_runs import TrialRecord
from mooring.query import Expression
from mooring.store.contract import RunWriter, Store

if TYPE_CHECKING:
    import optuna
    import pandas as pd


Told = float | Sequence[float] | Mapping[str, float] | None


class Study:
    """A search for hyper-parameters, opened or created.

    Parameters
    ----------
    name : of the study in its project
    project : `workspace/name`, or `name` in the workspace `local`. Default: `MOORING_PROJECT`,
        else `NEPTUNE_PROJECT`, else the only project of the store, else `local/studies`
    store : address of a store (a file, a hub), or an open one, which stays the caller's to close.
        Default: `MOORING_STORE`, else the file `mooring.db` in the working directory
    space : names of parameters to `Float`, `Int`, `Categorical`, a list of choices or a constant;
        or the optimizers service's JSON, which may hold several algorithms
    direction : "minimize" (default) or "maximize"
    objectives : several, names to directions, instead of `direction`
    method : how parameters are suggested: "tpe" (default), "gp", "cma-es", "qmc", "random",
        "nsga2", or a name of the optimizers service
    seed : makes suggestions repeatable, as far as trials end in the same order
    prune_on : path of the series that a pruner watches, which trials log anyway
    pruner : "median", "percentile", "successive-halving", "hyperband", "threshold", or a dict with
        this `name` and Optuna's settings of it. Default with `prune_on`: "median"
    retries : how often a trial whose process died is given out again
    resume : "allow" to open the study or create it; True to open it, which must exist; False to
        create it, which must not

    Raises
    ------
    StudyNotFound, AlreadyExists
        What `resume` does not allow.
    InvalidInput
        Arguments that exclude each other, or that are other than those of the study that is there.
    InvalidSpace
        A search space that cannot be searched.

    Notes
    -----
    Any number of processes and machines may work on one study; each ask sees every trial of all of
    them. A trial whose process died is told as failed by whoever asks next, and given out again.

    Examples
    --------
    >>> from mooring.optimize import Float, Study
    >>> with Study("parabola", store=":memory:", space={"x": Float(-2, 2)}, seed=1) as study:
    ...     study.optimize(lambda trial: (trial["x"] - 1) ** 2, n_trials=20, progress=False)
    ...     round(study.best_value, 1)
    0.0
    """

    def __init__(
        self,
        name: str,
        *,
        project: str | None = None,
        store: StoreArgument | None = None,
        space: Mapping[str, object] | SearchSpace | None = None,
        direction: str | None = None,
        objectives: Mapping[str, str] | None = None,
        method: str | None = None,
        seed: int | None = None,
        prune_on: str | None = None,
        pruner: str | Mapping[str, Any] | None = None,
        retries: int | None = None,
        resume: bool | str = "allow",
    ) -> None:
        if resume not in (True, False, "allow"):
            raise InvalidInput(f"resume is True, False or 'allow', not {resume!r}")
        asked = AskedStudy.check(
            name,
            space=space,
            direction=direction,
            objectives=objectives,
            method=method,
            seed=seed,
            prune_on=prune_on,
            pruner=pruner,
            retries=retries,
        )
        self._place = StudyPlace(store, project)
        try:
            self._ledger = Ledger(self._place.store, self._place.project)
            self._record = self._open(asked, resume)
        except BaseException:
            self._place.close()
            raise
        self._begin()

    def _open(self, asked: AskedStudy, resume: bool | str) -> StudyRecord:
        if resume is not False:
            found = self._ledger.find_study(asked.name)
            if found is not None:
                return self._complete(found, asked)
            if resume is True:
                return self._ledger.get_study(asked.name)
        try:
            return self._ledger.create_study(asked.spec())
        except AlreadyExists:
            # another process was first, between the search and the creation
            found = self._ledger.find_study(asked.name) if resume == "allow" else None
            if found is None:
                raise
            return self._complete(found, asked)

    def _complete(self, found: StudyRecord, asked: AskedStudy) -> StudyRecord:
        """Return the study that is there, with what it lacked."""
        changes = asked.changes_to(found.spec)
        if not changes:
            return found
        self._ledger.update_study(found.key, changes)
        return self._ledger.get_study(asked.name)

    def _begin(self) -> None:
        self._log = TrialLog(self._ledger, self._record)
        self._space: SearchSpace | None = None
        if self.spec.space is not None:
            self._space = read_space(self.spec.space)
        self._made_giver: TrialGiver | None = None
        self._recovery = Recovery(self._log, retries=self.spec.retries)
        self._pruning: tuple[optuna.Study, optuna.pruners.BasePruner] | None = None
        self._lock = threading.RLock()

    # what it is

    def __repr__(self) -> str:
        return f"Study({self.name!r}, project={self.project!r}, store={self.store.address!r})"

    @property
    def name(self) -> str:
        """Its name in the project."""
        return self._record.name

    @property
    def project(self) -> str:
        """Full name of the project, `workspace/name`."""
        return self._place.project

    @property
    def store(self) -> Store:
        """The store that holds it."""
        return self._place.store

    @property
    def spec(self) -> StudySpec:
        """What it was made from."""
        return self._record.spec

    @property
    def space(self) -> SearchSpace | None:
        """What is searched; None as long as nobody told."""
        return self._space

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Which values are better, for each objective."""
        return self.spec.directions

    # results

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials as they are now, in the order of their numbers."""
        return list(self._log.sync(held=True))

    @property
    def best_trials(self) -> list[TrialRecord]:
        """Trials that no other is better than: one, or for several objectives the Pareto front."""
        return best_of(self.spec, self.trials)

    @property
    def best_trial(self) -> TrialRecord:
        """The best trial; `StudyError` while none is complete, or for several objectives."""
        if len(self.directions) > 1:
            raise StudyError(
                f"study {self.name!r} has {len(self.directions)} objectives, and no best trial; "
                "best_trials are those that no other is better than"
            )
        for trial in self.best_trials:
            return trial
        raise StudyError(f"no trial of study {self.name!r} is complete yet")

    @property
    def best_params(self) -> dict[str, Any]:
        """Parameters of the best trial."""
        return self.best_trial.params

    @property
    def best_value(self) -> float:
        """What the best trial reached."""
        value = self.best_trial.value
        assert value is not None
        return value

    def to_df(self) -> pd.DataFrame:
        """Return a frame with a row for each trial.

        Columns: `number`, `state`, one for each objective, `seconds`, `algorithm`, and
        `params/<name>` for each parameter.
        """
        return frame_of(self.spec, self.trials)

    # asking and telling

    def ask(self, *, detached: bool = False) -> Trial:
        """Return the next trial to run; what waits to be run again comes first.

        `detached`: the trial outlives this process; it is never taken for dead, and somebody else
        will tell what came of it. Errors: `InvalidSpace` while the study has no search space.
        """
        with self._lock:
            giver = self._giver
            self._log.sync()
            self._recovery.run()
            record = giver.give(detached=detached)
            if not detached:
                self._log.hold(record)
            return Trial(self, record)

    def enqueue(self, params: Mapping[str, object], *, algorithm: str = "") -> TrialRecord:
        """Add a trial with these parameters, all that the space has, to be given out next."""
        with self._lock:
            return self._giver.enqueue(algorithm, params)

    def tell(
        self,
        trial: Trial | int,
        values: Told = None,
        *,
        state: TrialState | str | None = None,
        error: str | None = None,
    ) -> TrialRecord:
        """Say what came of a trial, and return it as it is then.

        Parameters
        ----------
        trial : the trial, or its number
        values : a number, one for each objective in their order, or a dict of them by name. None,
            or a value that is NaN: the trial failed
        state : "pruned" for a trial that was ended before; its value is then, unless it is given,
            the last point of the series that the study prunes on. "failed" for one that failed
        error : why it failed

        Raises
        ------
        TrialFinished
            When that was told before.
        InvalidInput
            For values that are no numbers, or not as many as there are objectives.
        """
        number = trial.number if isinstance(trial, Trial) else trial
        known = self._log.find(number)
        record = self._log.get(number) if known is None else self._log.current(known)
        wanted = read_state(state)
        told = read_values(values, list(self.spec.objectives))
        if wanted is TrialState.PRUNED and told is None and len(self.directions) == 1:
            record = self._log.read_again(record)
            last = record.intermediate[max(record.intermediate)] if record.intermediate else None
            told = None if last is None else (last,)
        if told is not None and any(math.isnan(value) for value in told):
            error = error or f"the objective is {told[0] if len(told) == 1 else told}"
            told, wanted = None, TrialState.FAILED
        if wanted is None:
            wanted = TrialState.FAILED if told is None else TrialState.COMPLETE
        held: dict[str, Value] = {}
        if told is not None and wanted is not TrialState.FAILED:
            held.update(self._log.objective_values(told))
        if wanted is TrialState.FAILED:
            held["trial/error"] = error or "no value was told"
        self._log.finish(record, wanted, held)
        return self._log.get(number)

    def hand_back(self, trial: Trial, why: str) -> TrialRecord:
        """Tell a trial as failed that nothing came of; it is given out again, within `retries`."""
        with self._lock:
            self._recovery.fail(self._log.get(trial.number), why)
            return self._log.get(trial.number)

    def take(self, number: int) -> Trial:
        """Return a running trial that another process asked for, to run it in this one."""
        record = self._log.get(number)
        self._log.hold(record)
        return Trial(self, record)

    def let_go(self, trial: Trial) -> None:
        """End what `take` began: another process tells what came of it."""
        self._log.let_go(trial.record)

    @property
    def _giver(self) -> TrialGiver:
        """What gives trials out; `InvalidSpace` while nothing is searched."""
        if self._made_giver is None:
            space = self._need_space()
            self._made_giver = TrialGiver(self.store, self._log, self.spec, space)
        return self._made_giver

    def _need_space(self) -> SearchSpace:
        if self._space is None:
            raise InvalidSpace(f"study {self.name!r} has no search space; give one: space={{...}}")
        if not len(self._space):
            raise InvalidSpace(f"the search space of study {self.name!r} has no algorithm")
        return self._space

    # trials whose process died

    def recover(self, *, detached: bool = False) -> list[TrialRecord]:
        """Tell running trials whose process ended as failed, and enter them anew; return these.

        `detached`: also those that were given out to nobody's process, and that nobody told.
        """
        with self._lock:
            self._log.sync()
            if detached:
                self._recovery.give_up(self._log.known())
            return self._recovery.run(at_once=True)

    # pruning and logging

    def trial_writer(self, record: TrialRecord) -> RunWriter:
        """Return the writer on a trial's run."""
        return self._log.hold(record)

    def should_prune(self, trial: Trial) -> bool:
        """Return whether the study's pruner would end a trial now."""
        if self.spec.pruner is None:
            return False
        if len(self.directions) > 1:
            raise InvalidInput("trials of a study with several objectives cannot be pruned")
        from mooring.optimize.optuna_storage import freeze

        study, pruner = self._open_pruning()
        record = self._log.read_again(trial.record)
        return bool(record.intermediate) and pruner.prune(study, freeze(self.spec, record))

    def _open_pruning(self) -> tuple[optuna.Study, optuna.pruners.BasePruner]:
        with self._lock:
            if self._pruning is None:
                assert self.spec.pruner is not None
                pruner = make_pruner(self.spec.pruner)
                self._pruning = self.to_optuna(pruner=pruner), pruner
            return self._pruning

    def to_optuna(self, **arguments: Any) -> optuna.Study:
        """Return the same study as Optuna's, for its visualisations and other tools."""
        import optuna

        from mooring.optimize.optuna_storage import OptunaStorage

        storage = OptunaStorage(self.store, project=self.project)
        storage.adopt(self._log)
        return optuna.load_study(study_name=self.name, storage=storage, **arguments)

    # warm start

    def warm_start(
        self,
        metric: str,
        *,
        projects: Sequence[str] | None = None,
        filter: Expression | str | None = None,
        limit: int = 1_000,
    ) -> int:
        """Learn from earlier runs, whichever way they were logged; return how many.

        Parameters
        ----------
        metric : path of the attribute or series that tells how good a run was
        projects : where to look; default: the study's own
        filter : NQL text or an expression that the runs have to meet
        limit : the best so many

        Only runs that have all parameters of the space (of one of its algorithms), with values in
        it, say something. The question is kept with the study, so that every process that opens it
        learns from the same runs.
        """
        question = {
            "metric": metric,
            "projects": list(projects or [self.project]),
            "filter": None if filter is None else str(filter),
            "limit": limit,
        }
        with self._lock:
            found = self._giver.learn(question)
            kept = [*self.spec.warm_start, question]
            self._ledger.update_study(self._record.key, {"study/warm_start": json.dumps(kept)})
            self._record = self._ledger.get_study(self.name)
            return found

    # running

    def optimize(
        self,
        objective: Objective,
        space: Mapping[str, object] | SearchSpace | None = None,
        *,
        n_trials: int | None = None,
        budget_s: float | None = None,
        n_jobs: int = 1,
        trial_timeout_s: float | None = None,
        callbacks: Sequence[Callable[[Study, TrialRecord], object]] = (),
        max_failures: int = 10,
        progress: bool | None = None,
    ) -> None:
        """Run trials until there were so many, or the time is over.

        Parameters
        ----------
        objective : function of a trial that returns what it reached. It may raise `TrialPruned`
            (`trial.prune()`); whatever else it raises makes the trial a failed one
        space : what is searched, if the study does not know it yet
        n_trials : how many to run here; others on the same study run theirs
        budget_s : seconds after which none is begun any more; those that run are finished
        n_jobs : so many at a time, each in a process of its own (1: in this one, unless there is
            a time-out). -1: one for each processor
        trial_timeout_s : seconds after which a trial's process is ended, and the trial failed
        callbacks : called in this process with the study and each trial that ended; `study.stop()`
            ends the search
        max_failures : so many trials that fail one after the other end the search
        progress : a progress bar on stderr. Default: where that is a terminal

        Raises
        ------
        ObjectiveFailed
            After `max_failures` failures in a row; it tells the last one.
        """
        from mooring.optimize.running import Search, SearchLimits

        if space is not None:
            self._set_space(read_space(space))
        self._need_space()
        limits = SearchLimits.check(
            n_trials=n_trials,
            budget_s=budget_s,
            n_jobs=n_jobs,
            trial_timeout_s=trial_timeout_s,
            max_failures=max_failures,
        )
        self._stopped = False
        Search(self, objective, limits, callbacks, progress=progress).run()

    _stopped = False

    def stop(self) -> None:
        """End the search that runs: no trial is begun any more."""
        self._stopped = True

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called since the search began."""
        return self._stopped

    def _set_space(self, space: SearchSpace) -> None:
        self._record = self._complete(self._record, AskedStudy(name=self.name, space=space))
        self._space = space

    # life

    def close(self) -> None:
        """Let go of trials that run and close the store, if this opened it. Idempotent."""
        self._log.close()
        self._place.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
