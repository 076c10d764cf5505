"""Which trial comes next: one that waits, or a new one that the suggester makes of all others."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidInput
from mooring.model import AttributeType, Value
from mooring.optimize.ledger import TrialLog, this_worker
from mooring.optimize.observations import Observation, Suggestion, TrialState
from mooring.optimize.results import seconds_of
from mooring.optimize.spaces import SearchSpace
from mooring.optimize.study_runs import StudySpec
from mooring.optimize.trial_runs import STATE, TrialRecord, as_param, param_attributes
from mooring.query import And, Compare, Field, Not, Operator, parse
from mooring.store.contract import Store

if TYPE_CHECKING:
    from mooring.optimize.suggesting import Suggester


class TrialGiver:
    """Gives out the trials of one study. One thread at a time.

    What the log has seen since is told to the suggester before it suggests. Parameters are drawn by
    the number of the trial, so that processes which share a seed differ.
    """

    def __init__(self, store: Store, log: TrialLog, spec: StudySpec, space: SearchSpace) -> None:
        self._store = store
        self._log = log
        self._spec = spec
        self._space = space
        self._suggester: Suggester | None = None
        self._fed = 0
        self._pending: set[int] = set()

    def give(self, *, detached: bool) -> TrialRecord:
        """Return the next trial, which runs from now on; see `Study.ask`."""
        worker: dict[str, Value] = {} if detached else {"trial/worker": this_worker()}
        for record in self._log.waiting():
            if self._log.claim(record, {**self._completed(record), **worker}):
                return self._log.get(record.number)
        values: dict[str, Value] = {
            STATE: str(TrialState.RUNNING),
            "trial/started": datetime.now(UTC),
            **worker,
        }
        return self._enter(values, self._suggest)

    def enqueue(self, algorithm: str, params: Mapping[str, object]) -> TrialRecord:
        """Enter a trial that waits; `InvalidInput` unless the space holds it."""
        if not self._space.contains(algorithm, params):
            raise InvalidInput(
                f"{dict(params)!r:.300} are not all parameters of the search space"
                + (f" of {algorithm!r}" if algorithm else "")
                + ", each with a value it may have"
            )
        suggestion = Suggestion(algorithm=algorithm, params=params, method="enqueued")
        self._log.sync()
        return self._enter({STATE: str(TrialState.WAITING)}, lambda _: suggestion)

    def learn(self, question: Mapping[str, Any]) -> int:
        """Learn from earlier runs; return how many. See `Study.warm_start`."""
        found = self._find_earlier(question)
        if self._suggester is not None:
            _add_earlier(self._suggester, question, found)
        return len(found)

    def _completed(self, record: TrialRecord) -> dict[str, Value]:
        """Return the parameters that a trial which was enqueued by Optuna does not say."""
        if record.space:
            return {}
        fixed = record.system.get("fixed_params") or {}
        suggestion = self._suggest(record.number)
        space = self._space.algorithms[suggestion.algorithm]
        params = {
            name: fixed[name] if name in fixed and space[name].contains(fixed[name]) else value
            for name, value in suggestion.params.items()
        }
        return self._attributes(
            Suggestion(algorithm=suggestion.algorithm, params=params, method="enqueued")
        )

    def _enter(
        self, values: Mapping[str, Value], suggest: Callable[[int], Suggestion]
    ) -> TrialRecord:
        """Enter a trial under the next number that no other process takes first."""
        while True:
            number = self._log.find_next()
            held = {**values, **self._attributes(suggest(number))}
            record = self._log.create(number, held)
            if record is not None:
                return record
            if self._suggester is not None and number in self._pending:
                self._suggester.forget(str(number))
                self._pending.discard(number)
            self._log.sync()

    def _attributes(self, suggestion: Suggestion) -> dict[str, Value]:
        space = self._space.algorithms[suggestion.algorithm]
        values: dict[str, Value] = {"trial/method": suggestion.method}
        if suggestion.algorithm:
            values["trial/algorithm"] = suggestion.algorithm
        for place, (name, value) in enumerate(suggestion.params.items()):
            values.update(param_attributes(name, as_param(space[name], value, place)))
        return values

    # what the suggester knows

    def _suggest(self, number: int) -> Suggestion:
        suggestion = self._informed().suggest(str(number), draw=number)
        self._pending.add(number)
        return suggestion

    def _informed(self) -> Suggester:
        """Return the suggester, told what became of trials since."""
        if self._suggester is None:
            self._suggester = self._make_suggester()
        for number in dict.fromkeys(self._log.changed[self._fed :]):
            trial = self._log.find(number)
            if trial is None:
                self._suggester.forget(str(number))
            elif trial.state.is_finished:
                self._suggester.finish(str(number), self._observed(trial))
            elif number not in self._pending:
                self._suggester.add(str(number), self._observed(trial))
                self._pending.add(number)
        self._fed = len(self._log.changed)
        return self._suggester

    def _make_suggester(self) -> Suggester:
        from mooring.optimize.suggesting import Suggester

        seed = secrets.randbits(32) if self._spec.seed is None else self._spec.seed
        suggester = Suggester(
            self._space, directions=self._spec.directions, method=self._spec.method, seed=seed
        )
        for question in self._spec.warm_start:
            _add_earlier(suggester, question, self._find_earlier(question))
        return suggester

    def _observed(self, trial: TrialRecord) -> Observation:
        values = tuple(trial.values[n] for n in self._spec.objectives if n in trial.values)
        return Observation(
            algorithm=trial.algorithm,
            params=trial.params,
            state=trial.state,
            values=values or None,
            intermediate=trial.intermediate,
            seconds=seconds_of(trial),
        )

    def _find_earlier(self, question: Mapping[str, Any]) -> list[Observation]:
        from mooring.optimize.warm_start import earlier_observations

        # The study's own trials are known already.
        own = Compare(Field("trial/study", AttributeType.STRING), Operator.EQ, self._spec.name)
        text = question["filter"]
        found = earlier_observations(
            self._store,
            self._space,
            metric=question["metric"],
            projects=question["projects"],
            filter=Not(own) if text is None else And((Not(own), parse(text))),
            direction=self._spec.directions[0],
            limit=question["limit"],
        )
        return [earlier.observation for earlier in found]


def _add_earlier(
    suggester: Suggester, question: Mapping[str, Any], found: list[Observation]
) -> None:
    asked = json.dumps(question)
    for index, earlier in enumerate(found):
        suggester.add(f"earlier {asked} {index}", earlier)
