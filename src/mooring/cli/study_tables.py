"""Studies and trials as tables: nested in JSON, a column for each parameter elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mooring.cli.formats import Format
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.optimize.observations import TrialState
from mooring.optimize.results import seconds_of
from mooring.optimize.spaces import Categorical, Constant, Float, Int, Parameter, SearchSpace
from mooring.optimize.study_runs import StudySpec
from mooring.optimize.trial_runs import TrialRecord

_ERROR = 120
"""Characters of an error that a table shows; JSON has all of it."""


def write_trials(
    output: Output, spec: StudySpec, trials: Sequence[TrialRecord], *, asked: bool = False
) -> None:
    """Write trials. `asked`: only what whoever runs them needs to know."""
    if output.format in (Format.JSON, Format.JSONL):
        records = [trial_record(spec, trial) for trial in trials]
        names = ["number", "run_id", "algorithm", "params"] if asked else list(_RECORD)
        output.table(Table.of_records(records, names))
    else:
        output.table(trial_table(spec, trials, asked=asked))


_RECORD = (
    "number",
    "run_id",
    "state",
    "values",
    "algorithm",
    "params",
    "seconds",
    "method",
    "attempt",
    "retry_of",
    "error",
)


def trial_record(spec: StudySpec, trial: TrialRecord) -> dict[str, Any]:
    """Return a trial as JSON has it."""
    return {
        "number": trial.number,
        "run_id": f"{spec.name}/{trial.number}",
        "state": str(trial.state),
        "values": dict(trial.values),
        "algorithm": trial.algorithm,
        "params": trial.params,
        "seconds": seconds_of(trial),
        "method": trial.method,
        "attempt": trial.attempt,
        "retry_of": trial.retry_of,
        "error": trial.error,
    }


def trial_table(spec: StudySpec, trials: Sequence[TrialRecord], *, asked: bool = False) -> Table:
    """Return a row for each trial, with a column for each objective and parameter."""
    rows: list[dict[str, Any]] = []
    for trial in trials:
        row: dict[str, Any] = {"number": trial.number}
        if not asked:
            row["state"] = str(trial.state)
            row |= {f"values/{name}": trial.values.get(name) for name in spec.objectives}
        else:
            row["run_id"] = f"{spec.name}/{trial.number}"
        if trial.algorithm:
            row["algorithm"] = trial.algorithm
        row |= {f"params/{name}": value for name, value in trial.params.items()}
        if not asked:
            row["seconds"] = seconds_of(trial)
        if trial.retry_of is not None:
            row["retry_of"] = trial.retry_of
        if trial.error and not asked:
            row["error"] = _short(trial.error)
        rows.append(row)
    first = ["number", "run_id"] if asked else ["number", "state"]
    first += [] if asked else [f"values/{name}" for name in spec.objectives]
    rest = [name for row in rows for name in row]
    late = [name for name in ("seconds", "retry_of", "error") if name in rest]
    names = [name for name in dict.fromkeys([*first, *rest]) if name not in late]
    return Table.of_records(rows, [*names, *late])


def _short(error: str) -> str:
    """Return the last line of an error, which names it."""
    last = error.strip().splitlines()[-1] if error.strip() else error
    return last if len(last) <= _ERROR else f"{last[: _ERROR - 1]}…"


def count_states(trials: Sequence[TrialRecord]) -> Mapping[str, int]:
    """Return how many trials there are in each state, also where there are none."""
    counted = Counter(trial.state for trial in trials)
    return {str(state): counted[state] for state in TrialState}


def spec_record(spec: StudySpec, *, project: str, store: str) -> dict[str, Any]:
    """Return what a study was made from as JSON has it."""
    return {
        "name": spec.name,
        "project": project,
        "store": store,
        "objectives": {name: str(direction) for name, direction in spec.objectives.items()},
        "method": spec.method,
        "seed": spec.seed,
        "prune_on": spec.prune_on,
        "pruner": spec.pruner,
        "retries": spec.retries,
        "warm_start": list(spec.warm_start),
        "space": spec.space,
    }


def spec_tables(
    spec: StudySpec, space: SearchSpace | None, *, project: str, store: str
) -> dict[str, Table]:
    """Return what a study was made from as two tables."""
    told = spec_record(spec, project=project, store=store)
    told["objectives"] = told_objectives(spec)
    del told["space"]
    rows = [(name, value) for name, value in told.items() if value not in (None, [])]
    return {"study": Table(["name", "value"], rows), "space": _space_table(space)}


def told_objectives(spec: StudySpec) -> str:
    """Return the objectives with their directions, as people read them."""
    return ", ".join(f"{name} ({direction})" for name, direction in spec.objectives.items())


def _space_table(space: SearchSpace | None) -> Table:
    several = space is not None and any(space.algorithms)
    rows = [
        [*([algorithm] if several else []), name, *_told_parameter(parameter)]
        for algorithm, parameters in (space.algorithms.items() if space else ())
        for name, parameter in parameters.items()
    ]
    columns = ["parameter", "type", "values"]
    return Table([*(["algorithm"] if several else []), *columns], rows)


def _told_parameter(parameter: Parameter) -> tuple[str, object]:
    match parameter:
        case Float() | Int():
            text = f"{parameter.low:g} to {parameter.high:g}"
            text += ", log" if parameter.log else ""
            text += f", step {parameter.step:g}" if parameter.step not in (None, 1) else ""
            return type(parameter).__name__.lower(), text
        case Categorical():
            return "categorical", list(parameter.choices)
        case Constant():
            return "constant", parameter.value
