"""Searches and look-ups of trials: the states of their requests.

What answers them plugs in at `SEARCHES`: a function that takes the call and the record, and returns
the fields that it found. Without one a request stays `requested`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mooring.hub.doors.auger.calls import Behaviour, Call, JsonObject
from mooring.hub.doors.auger.records import Record
from mooring.hub.doors.auger.refusals import invalid

Search = Callable[[Call, Record], JsonObject]

SEARCHES: dict[str, Search] = {}
"""What answers `trial_search`, `warm_start_request` and `similar_trials_request`, by that name."""


def answered(call: Call, record: Record) -> Record:
    """Answer a request, where something does."""
    search = SEARCHES.get(record.resource)
    if search is None or record.get("status") != "requested":
        return record
    return call.records.update(record, search(call, record))


def prepare_request(call: Call, values: JsonObject) -> None:
    """Check that the data set is one that the user sees."""
    manifest = call.records.get("dataset_manifest", values["dataset_manifest_id"])
    values["dataset_manifest_id"] = str(manifest.id)


def prepare_search(call: Call, values: JsonObject) -> None:
    """Fill in how many trials are asked for at a time."""
    if values.get("trials_limit") is None:
        values["trials_limit"] = 10


def continue_search(call: Call, record: Record, changes: JsonObject) -> None:
    """Put a search that is done back to requested."""
    if record.get("status") != "done":
        raise invalid("id", "trial search can be continued only when previous iteration is done")
    changes["status"] = "requested"


def searched_again(call: Call, record: Record) -> JsonObject:
    """Answer a search that was continued."""
    search = SEARCHES.get(record.resource)
    return search(call, record) if search and record.get("status") == "requested" else {}


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
