"""Searches and look-ups of trials, answered as they are asked for.

A search rests on the history that its client sends, and on what was best on the data sets that are
most alike; a look-up on these alone. Requests are `done` in the answer that creates them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import orjson

from mooring.errors import HubBusy, InvalidSpace
from mooring.hub.doors.auger.calls import Behaviour, Call, JsonObject
from mooring.hub.doors.auger.fields import PREFIX, as_json
from mooring.hub.doors.auger.records import Record, Scope
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.trials import of_session, trial_objects
from mooring.hub.optimizing import Given
from mooring.model import AttributeType, RunKind
from mooring.optimize.datasets import describe, nearest
from mooring.optimize.grammar import parse_space
from mooring.query import And, Compare, Expression, Field, Operator, Or, Sort
from mooring.wire.auger import messages
from mooring.wire.auger.optimizers import NEXT_TRIALS_V2

Search = Callable[[Call, Record], JsonObject]

MAX_DATASETS = 1_000
"""So many data sets, the newest, are compared."""
NEAREST = 5
"""So many of them lend their trials."""
MAX_TRIED = 50

_SCORE = Field(PREFIX + "score_value", AttributeType.FLOAT)


def answered(call: Call, record: Record) -> Record:
    """Answer a request."""
    if record.get("status") != "requested":
        return record
    return call.records.update(record, SEARCHES[record.resource](call, record))


def find_next_trials(call: Call, record: Record) -> JsonObject:
    """Return the next trials of a search; the error state where it cannot be searched."""
    asked = {name: record.get(name) for name in ("trials_total_count", "trials_limit")}
    asked["search_space"] = record.get("search_space")
    asked["trials_history"] = record.get("trials_history") or []
    asked["optimizer_context"] = record.values.get("optimizer_context")
    features = record.get("dataset_metafeatures")
    tried: list[JsonObject] = []
    if isinstance(features, dict) and features:
        condition = _on_similar_data(call, features)
        tried = [] if condition is None else _hyperparameters(call, (condition,), MAX_TRIED)
    body = messages.encode(asked)
    try:
        reply = call.hub.optimizers.ask(NEXT_TRIALS_V2.name, body, Given(tried=tried))
    except HubBusy:
        return {}  # it stays requested; whoever looks at it again has it searched again
    told = orjson.loads(reply.body)
    if reply.status != 200:
        (error,) = told["meta"]["errors"]
        message = f"{error['error_param']}: {error['message']}"
        return {"status": "error", "next_trials": [], "error_message": message}
    found = told["data"]
    return {
        "status": "done",
        "next_trials": found["trials"],
        "optimizer_context": found["optimizer_context"],
    }


def find_hyperparameters(call: Call, record: Record) -> JsonObject:
    """Return what was best, by a score, on the data sets that are most alike."""
    begun = time.monotonic()
    condition = _on_similar_data(call, _features_of(call, record))
    found: list[JsonObject] = []
    if condition is not None:
        name = Field(PREFIX + "score_name", AttributeType.STRING)
        scored = Compare(name, Operator.EQ, str(record.get("score_name")))
        found = _hyperparameters(call, (condition, scored), _limit(record))
    return {"status": "done", "hyperparameters": found, "time_consumed_ms": _since(begun)}


def find_similar_trials(call: Call, record: Record) -> JsonObject:
    """Return the best trials of an algorithm on the data sets that are most alike."""
    begun = time.monotonic()
    condition = _on_similar_data(call, _features_of(call, record))
    found: list[JsonObject] = []
    if condition is not None:
        conditions: list[Expression] = [condition]
        for name in ("algorithm_name", "algorithm_params_hash"):
            wanted = record.get(name)
            if isinstance(wanted, str) and wanted:
                field = Field(PREFIX + name, AttributeType.STRING)
                conditions.append(Compare(field, Operator.EQ, wanted))
        found = _best(call, conditions, _limit(record))
    return {"status": "done", "trials": found, "time_consumed_ms": _since(begun)}


SEARCHES: Mapping[str, Search] = {
    "trial_search": find_next_trials,
    "warm_start_request": find_hyperparameters,
    "similar_trials_request": find_similar_trials,
}
"""What answers each request."""


def _features_of(call: Call, record: Record) -> Mapping[str, object]:
    manifest = call.records.get("dataset_manifest", record.values.get("dataset_manifest_id"))
    return describe(manifest.values)


def _on_similar_data(call: Call, features: Mapping[str, object]) -> Expression | None:
    """Return the condition that a trial was made with one of the data sets that are most alike."""
    page = call.records.page("dataset_manifest", Scope(), limit=MAX_DATASETS)
    known = {str(manifest.id): describe(manifest.values) for manifest in page.records}
    ids = [id for id, _ in nearest(features, known, NEAREST)]
    if not ids:
        return None
    held = Field(PREFIX + "dataset_manifest_id", AttributeType.STRING)
    # A trial holds the id as the JSON that its client sent; a session holds text.
    texts = [text for id in ids for text in (as_json(id), id)]
    conditions: list[Expression] = [Compare(held, Operator.EQ, text) for text in texts]
    of_data = Or(tuple(Compare(held, Operator.EQ, id) for id in ids))
    sessions = call.records.page("experiment_session", Scope(), (of_data,), limit=100)
    conditions += [of_session(str(session.id)) for session in sessions.records]
    return Or(tuple(conditions))


def _best(call: Call, conditions: Sequence[Expression], limit: int) -> list[JsonObject]:
    asked = call.records.query(
        Scope(),
        And(tuple(conditions)),
        kind=RunKind.RUN,
        sort=Sort(_SCORE, ascending=False),
        limit=limit,
    )
    runs = call.store.query_runs(asked).runs
    return trial_objects(call, call.records.read("trial", runs))


def _hyperparameters(call: Call, conditions: Sequence[Expression], limit: int) -> list[JsonObject]:
    """Return the hyperparameters of the best trials, each once."""
    found: dict[str, JsonObject] = {}
    for trial in _best(call, conditions, min(4 * limit, 1_000)):
        one = trial["hyperparameter"]
        assert isinstance(one, dict)
        if one["algorithm_name"]:
            found.setdefault(as_json([one["algorithm_name"], one["algorithm_params"]]), one)
    return list(found.values())[:limit]


def _limit(record: Record) -> int:
    limit = record.get("limit")
    return min(limit, 1_000) if isinstance(limit, int) and limit > 0 else 10


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)


def prepare_request(call: Call, values: JsonObject) -> None:
    """Check that the data set is one that the user sees."""
    manifest = call.records.get("dataset_manifest", values["dataset_manifest_id"])
    values["dataset_manifest_id"] = str(manifest.id)


def prepare_search(call: Call, values: JsonObject) -> None:
    """Fill in how many trials are asked for at a time; refuse what cannot be searched."""
    if values.get("trials_limit") is None:
        values["trials_limit"] = 10
    try:
        parse_space(values["search_space"])
    except InvalidSpace as error:
        raise invalid("search_space", str(error)) from None


def continue_search(call: Call, record: Record, changes: JsonObject) -> None:
    """Put a search that is done back to requested."""
    if record.get("status") != "done":
        raise invalid("id", "trial search can be continued only when previous iteration is done")
    changes["status"] = "requested"


def searched_again(call: Call, record: Record) -> JsonObject:
    """Answer a search that was continued."""
    return find_next_trials(call, record) if record.get("status") == "requested" else {}


def view_searches(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Show no history: clients have it."""
    for shown in objects:
        shown["trials_history"] = []
        shown["dataset_metafeatures"] = shown.get("dataset_metafeatures") or {}


TRIAL_SEARCH = Behaviour(
    everywhere=True,
    prepare=prepare_search,
    created=answered,
    change=continue_search,
    settle=searched_again,
    view=view_searches,
)
REQUEST = Behaviour(prepare=prepare_request, created=answered)
