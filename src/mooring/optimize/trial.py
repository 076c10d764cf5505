"""`Trial`: what an objective is given: the parameters to try, and a run to log to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from mooring.errors import TrialPruned
from mooring.model import Value
from mooring.optimize.trial_runs import TrialRecord

if TYPE_CHECKING:
    from mooring.optimize.study import Study


class Trial:
    """Parameters to try, and the run that keeps what comes of it.

    A trial is an ordinary run of the study's project: `mooring.Run(study.project,
    store=study.store, run_id=trial.run_id, resume=True)` logs to it as well.

    Attributes
    ----------
    number : 0, 1, 2, … in the study
    params : values by name
    algorithm : which of the space's algorithms; "" where there is one without a name
    """

    def __init__(self, study: Study, record: TrialRecord) -> None:
        self._study = study
        self._record = record
        self.number = record.number
        self.params: Mapping[str, Any] = record.params
        self.algorithm = record.algorithm

    def __repr__(self) -> str:
        named = f", algorithm={self.algorithm!r}" if self.algorithm else ""
        return f"Trial({self.number}, {dict(self.params)!r}{named})"

    def __getitem__(self, name: str) -> Any:
        """Return a parameter's value."""
        return self.params[name]

    @property
    def study(self) -> Study:
        """The study that it belongs to."""
        return self._study

    @property
    def record(self) -> TrialRecord:
        """The trial as it was when it was given out."""
        return self._record

    @property
    def run_id(self) -> str:
        """The id of its run, `sys/custom_run_id`."""
        return f"{self._study.name}/{self.number}"

    def log(self, data: Mapping[str, object], step: object = None) -> None:
        """Append one point to each named series of its run.

        Those of the series that the study prunes on (`prune_on`) are what `should_prune` looks at.
        Errors: those of a run's writer; nothing of a call that raises is written.
        """
        self._study.trial_writer(self._record).log(data, step=step)

    def assign(self, values: Mapping[str, Value]) -> None:
        """Set attributes of its run that hold a single value, all or none."""
        self._study.trial_writer(self._record).assign(values)

    def should_prune(self) -> bool:
        """Return whether the study's pruner would end it, by the points it has logged so far."""
        return self._study.should_prune(self)

    def prune(self) -> NoReturn:
        """End the trial here: raises `TrialPruned`, which `Study.optimize` takes as the end."""
        raise TrialPruned(f"trial {self.number} was pruned")
