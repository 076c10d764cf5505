"""Trials are runs: one that the API made and one that a tracker logged are listed alike.

A trial is written by two transactions: its attributes, then its scores. What a SIGKILL leaves
between them: a trial whose series lack the last report; nobody was told that it is saved, and the
same report, sent again, adds them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mooring.errors import AlreadyExists, InvalidInput
from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject
from mooring.hub.doors.auger.common import pagination, paging
from mooring.hub.doors.auger.fields import PREFIX, as_json
from mooring.hub.doors.auger.records import ID, Record, Scope
from mooring.hub.doors.auger.refusals import invalid, missing
from mooring.hub.doors.auger.trial_values import (
    FOLDS,
    PARAMS,
    TrialValues,
    digest_of,
    nested_params,
)
from mooring.hub.doors.auger.views import objects_of, start
from mooring.model import (
    STEP_SCALE,
    AttributeType,
    RunInfo,
    RunKind,
    RunSpec,
    Value,
    now_micros,
    validate_run_id,
)
from mooring.query import Aggregate, Compare, Expression, Field, Operator, Or, Sort
from mooring.store.appending import Assign, Delete, LogPoints, Update
from mooring.store.contract import PathSelector

SESSION = Field(PREFIX + "experiment_session_id", AttributeType.STRING)
SESSION_OF_RUN = Field("experiment_session", AttributeType.STRING)
"""Where a run that a tracker logs names the session that it is a trial of."""
_BEST_FIRST = Sort(Field(PREFIX + "score_value", AttributeType.FLOAT), ascending=False)
_FLOATS = frozenset({AttributeType.FLOAT_SERIES})


def index(call: Call) -> Answer:
    """Answer a page of trials, best first; those without a score come last."""
    limit, offset = paging(call)
    scope = call.scope()
    condition: Expression | None = None
    named = call.given.get("experiment_session_id")
    if named is not None:
        session = call.records.find("experiment_session", str(named))
        scope = Scope(projects=()) if session is None else Scope(session.run.project)
        condition = of_session(str(named))
    asked = call.records.query(
        scope, condition, kind=RunKind.RUN, sort=_BEST_FIRST, limit=limit, offset=offset
    )
    found = call.store.query_runs(asked)
    objects = trial_objects(call, call.records.read("trial", found.runs))
    return Answer(objects, pagination(limit, offset, len(objects), found.total))


def of_session(id: str) -> Expression:
    """Return the condition that a run is a trial of a session."""
    return Or(
        (
            Compare(SESSION, Operator.EQ, id),
            Compare(SESSION_OF_RUN, Operator.EQ, id),
        )
    )


def show(call: Call) -> Answer:
    """Answer one trial."""
    return Answer(trial_objects(call, [get_trial(call, call.id)])[0])


def get_trial(call: Call, id: object) -> Record:
    """Return a trial; `Refused` with 404 where there is none for this user."""
    found = find_trial(call, id)
    if found is None:
        raise missing("trial")
    return found


def find_trial(call: Call, id: object) -> Record | None:
    """Return a trial, or None."""
    try:
        validate_run_id(id)
    except InvalidInput:
        return None
    assert isinstance(id, str)
    run = call.records.find_text(id, RunKind.RUN)
    return None if run is None else call.records.read("trial", [run])[0]


def trial_objects(call: Call, trials: Sequence[Record]) -> list[JsonObject]:
    """Return the objects that trials are shown as."""
    objects = objects_of(call, trials)
    logged = [trial for trial in trials if "algorithm_params" not in trial.values]
    params = _logged_params(call, logged)
    for trial, shown in zip(trials, objects, strict=True):
        values = trial.values
        shown["hyperparameter"] = {
            **start("hyperparameter", 0),
            "id": values.get("hyperparameter_id"),
            "algorithm_name": values.get("algorithm_name"),
            "algorithm_params": values.get("algorithm_params", params.get(trial.run.key, {})),
            "algorithm_params_hash": values.get("algorithm_params_hash"),
        }
        shown["raw_data"] = values.get("raw_data") or {}
    return objects


def _logged_params(call: Call, trials: Sequence[Record]) -> dict[int, dict[str, object]]:
    """Return the parameters of runs that no client of this API made."""
    if not trials:
        return {}
    found: dict[int, dict[str, object]] = {}
    select = PathSelector(
        patterns=(f"^{PARAMS}",),
        types=frozenset(
            {AttributeType.INT, AttributeType.FLOAT, AttributeType.STRING, AttributeType.BOOL}
        ),
    )
    keys = [trial.run.key for trial in trials]
    for column in call.store.read_attributes(keys, select):
        for row, value in zip(column.rows, column.values, strict=True):
            item = getattr(value, "item", None)
            found.setdefault(keys[int(row)], {})[column.path] = item() if item else value
    return {key: nested_params(flat) for key, flat in found.items()}


# writing


def update(call: Call) -> Answer:
    """Change one trial, or (without an id) upsert many of a session."""
    trial = get_trial(call, call.id)
    call.need_contributor(trial.run.project)
    told = TrialValues.of_item(call.given, "")
    before = trial.values.get("raw_data")
    told.raw_data = {**(before if isinstance(before, dict) else {}), **call.sent}
    if told.score_name is None and isinstance(trial.values.get("score_name"), str):
        told.score_name = str(trial.values["score_name"])
    _write_existing(call, trial, told)
    return Answer(trial_objects(call, call.records.read("trial", [trial.run]))[0])


def update_many(call: Call) -> Answer:
    """Upsert the trials of a session, in the order of the request."""
    session = call.records.get("experiment_session", call.given.get("experiment_session_id"))
    call.need_contributor(session.run.project)
    items = [_checked_item(item, number) for number, item in enumerate(call.given["trials"])]
    name = _experiment_name(call, session)
    runs = [_upsert(call, session, name, id, told) for id, told in items]
    scores = [told.score_value for _, told in items if told.score_value is not None]
    best = session.values.get("top_score_value")
    if scores and (not isinstance(best, float) or max(scores) > best):
        call.records.update(session, {"top_score_value": max(scores)})
    return Answer(trial_objects(call, call.records.read("trial", runs)))


def _checked_item(item: object, number: int) -> tuple[str, TrialValues]:
    where = f"trials[{number}]"
    if not isinstance(item, dict):
        raise invalid(where, "should be an object")
    id = item.get("uid", item.get("id"))
    if id is None:
        raise invalid(f"{where}.uid", "is required")
    if not isinstance(id, (str, int)) or isinstance(id, bool) or not ID.fullmatch(str(id)):
        raise invalid(f"{where}.uid", "may hold letters, digits, '-', '_', '.' and '~' only")
    return str(id), TrialValues.of_item(item, where)


def _experiment_name(call: Call, session: Record) -> str | None:
    id = session.values.get("experiment_id")
    experiment = call.records.find("experiment", id) if isinstance(id, str) else None
    name = experiment.values.get("name") if experiment is not None else None
    return name if isinstance(name, str) and name else None


def _upsert(call: Call, session: Record, name: str | None, id: str, told: TrialValues) -> RunInfo:
    told = replace(told, session=str(session.id))
    run = call.store.find_run(session.run.project, run_id=id)
    if run is None:
        try:
            return _write_new(call, session.run.project, id, name, told)
        except AlreadyExists:  # another request was faster
            run = call.store.find_run(session.run.project, run_id=id)
    if run is None or run.kind is not RunKind.RUN:
        raise invalid("uid", "has already been taken")
    if run.trashed:
        call.store.restore_runs([run.key])
    _write_existing(call, call.records.read("trial", [run])[0], told)
    return run


def _write_new(call: Call, project: str, id: str, name: str | None, told: TrialValues) -> RunInfo:
    values = told.attributes()
    values.update(_hyperparameter(call, project, told))
    run = call.records.make_run(RunSpec(project=project, run_id=id, name=name), values, RunKind.RUN)
    call.records.apply(run.key, [*_points(told.scores(), 0), *_folds(told.folds())])
    return run


def _write_existing(call: Call, trial: Record, told: TrialValues) -> None:
    key = trial.run.key
    values = told.attributes()
    values.update(_hyperparameter(call, trial.run.project, told))
    held = call.store.attribute_types(key)
    changes: list[Update] = []
    if told.algorithm_params is not None:
        changes += [Delete(path) for path in held if path.startswith(PARAMS)]
    changes.append(Assign(values))
    scores = told.scores()
    last = _last_points(call, key, list(scores)) if scores else {}
    fresh = {path: value for path, value in scores.items() if last.get(path, (None,))[0] != value}
    if fresh:
        step = max((last[path][1] for path in fresh if path in last), default=-STEP_SCALE)
        changes += _points(fresh, step + STEP_SCALE)
    folds = told.folds()
    if folds:
        changes += [Delete(FOLDS)] if FOLDS in held else []
        changes += _folds(folds)
    call.records.apply(key, changes)


def _points(scores: Mapping[str, float], step: int) -> list[Update]:
    return [LogPoints(dict(scores), step, now_micros())] if scores else []


def _folds(folds: Sequence[float]) -> list[Update]:
    now = now_micros()
    return [LogPoints({FOLDS: score}, n * STEP_SCALE, now) for n, score in enumerate(folds)]


def _last_points(call: Call, key: int, paths: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Return last value and last step of series that the trial has."""
    found: dict[str, list[float]] = {}
    for what in (Aggregate.LAST, Aggregate.LAST_STEP):
        fields = [Field(path, AttributeType.FLOAT_SERIES, what) for path in paths]
        for column in call.store.read_aggregates([key], fields):
            for value in column.values:
                found.setdefault(column.path, []).append(float(value))
    return {
        path: (pair[0], round(pair[1] * STEP_SCALE))
        for path, pair in found.items()
        if len(pair) == 2
    }


def _hyperparameter(call: Call, project: str, told: TrialValues) -> dict[str, Value]:
    if told.algorithm_params is None:
        return {}
    run = ensure_hyperparameter(call, project, told.algorithm_name, told.algorithm_params)
    return {PREFIX + "hyperparameter_id": run.key}


def ensure_hyperparameter(
    call: Call,
    project: str,
    name: str | None,
    params: Mapping[str, object],
    params_hash: str | None = None,
) -> RunInfo:
    """Return the record of a set of hyperparameters, made where it is the first of its kind."""
    digest = digest_of(name, params)
    run_id = f"hyperparameter/{digest}"
    found = call.store.find_run(project, run_id=run_id)
    if found is not None:
        return found
    values: dict[str, Value] = {
        PREFIX + "object": "hyperparameter",
        PREFIX + "algorithm_params": as_json(params),
    }
    if name is not None:
        values[PREFIX + "algorithm_name"] = name
    if params_hash is not None:
        values[PREFIX + "algorithm_params_hash"] = params_hash
    try:
        return call.records.make_run(RunSpec(project=project, run_id=run_id), values)
    except AlreadyExists:  # another request was faster
        found = call.store.find_run(project, run_id=run_id)
        if found is None:
            raise
        return found


def create_hyperparameter(call: Call) -> Answer:
    """Answer the record of a set of hyperparameters, which is one for equal sets."""
    project = call.project_for_new(needed=False)
    call.need_contributor(project)
    given = call.given
    run = ensure_hyperparameter(
        call,
        project,
        given["algorithm_name"],
        given["algorithm_params"],
        given.get("algorithm_params_hash"),
    )
    return Answer(objects_of(call, call.records.read("hyperparameter", [run]))[0])


def refit(call: Call) -> Answer:
    """Create a new trial, a copy of another, that stands for its training on other data."""
    source = get_trial(call, call.given.get("id"))
    call.need_contributor(source.run.project)
    raw = source.values.get("raw_data")
    raw = raw if isinstance(raw, dict) else {}
    made = uuid.uuid4()
    if call.request is not None:
        made = uuid.uuid5(_REFITS, f"{call.principal.user}/{source.run.key}/{call.request}")
    id = made.hex[:15].upper()
    told = TrialValues.of_item({**raw, **_told_of(source)})
    told.raw_data = {**raw, "uid": id, "refit_data_path": call.given.get("refit_data_path")}
    session = source.values.get("experiment_session_id")
    told.session = session if isinstance(session, str) else None
    try:
        run = _write_new(call, source.run.project, id, _name_of(call, source), told)
    except AlreadyExists:  # the same request came before
        found = call.store.find_run(source.run.project, run_id=id)
        if found is None:
            raise
        run = found
    return Answer(trial_objects(call, call.records.read("trial", [run]))[0])


_REFITS = uuid.UUID("b7b4f7c0-7d0e-4a0c-9a86-2a6d1a1b1f55")


def _told_of(trial: Record) -> dict[str, object]:
    names = (
        "score_name",
        "score_value",
        "task_type",
        "evaluation_type",
        "algorithm_name",
        "algorithm_params",
        "algorithm_params_hash",
    )
    return {name: trial.values[name] for name in names if trial.values.get(name) is not None}


def _name_of(call: Call, trial: Record) -> str | None:
    session = trial.values.get("experiment_session_id")
    found = call.records.find("experiment_session", session) if session else None
    return None if found is None else _experiment_name(call, found)


TRIAL = Behaviour(
    in_project=True,
    actions={
        "index": index,
        "show": show,
        "create": refit,
        "update": update,
        "update_many": update_many,
    },
)
HYPERPARAMETER = Behaviour(actions={"create": create_hyperparameter})
