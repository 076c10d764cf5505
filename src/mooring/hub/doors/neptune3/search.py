"""Searches of runs: in one project, and in all that the user sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute

from mooring.errors import InvalidInput
from mooring.hub.doors.neptune3.door import Answer, Asked, Door, proto_answer
from mooring.hub.doors.neptune3.identifiers import run_uuid
from mooring.hub.doors.neptune3.reading import Choice, fill_entries, told_of_project
from mooring.hub.doors.neptune3.system import (
    IS_HEAD,
    TRASHED,
    in_terms_of_the_store,
    paths_of,
    sort_of_the_store,
)
from mooring.hub.guarded import GuardedStore
from mooring.model import AttributeType
from mooring.query import And, Compare, Expression, Field, Operator
from mooring.store.contract import RunQuery
from mooring.wire.neptune3.names import NameChoice, NameFilter
from mooring.wire.neptune3.schema import message
from mooring.wire.neptune3.searching import Search, decode_search

_ROOT = "/api/leaderboard/v1/proto/leaderboard/entries"
_HEADS = Compare(Field(IS_HEAD, AttributeType.BOOL), Operator.EQ, True)
_IDENTIFYING = ("sys/id", "sys/name", "sys/custom_run_id")
"""What the readers of a global search need, who name no attributes."""


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of searches."""
    return [
        door.route(f"{_ROOT}/search/", search),
        door.route(f"{_ROOT}/global/search/", search_globally),
    ]


def search(asked: Asked) -> Answer:
    """Answer a page of the runs of one project."""
    project = asked.project(asked.query.get("projectIdentifier"))
    kinds = asked.request.query_params.getlist("type")
    if any(kind != "run" for kind in kinds):
        raise InvalidInput("type is run; projects of this hub hold nothing else to search")
    wanted = decode_search(asked.json())
    found = _find(asked.store, wanted, wanted.projection, project=project)
    return proto_answer(found, texts=True)


def search_globally(asked: Asked) -> Answer:
    """Answer a page of the runs of all projects that the user sees."""
    wanted = decode_search(asked.json())
    projection = tuple(dict.fromkeys((*_IDENTIFYING, *wanted.projection)))
    return proto_answer(_find(asked.store, wanted, projection), texts=True)


def _find(
    store: GuardedStore, wanted: Search, projection: Sequence[str], *, project: str | None = None
) -> Any:
    page = store.query_runs(_query(store, wanted, project))
    result = message("ProtoLeaderboardEntriesSearchResultDTO")(matching_item_count=page.total)
    told = {project: told_of_project(project) for project in {run.project for run in page.runs}}
    add = result.entries.add
    attributes = [
        add(experiment_id=run_uuid(run.key), **told[run.project]).attributes for run in page.runs
    ]
    if projection and page.runs:
        names = NameFilter((NameChoice(frozenset(projection)),))
        fill_entries(store, page.runs, Choice(names), lambda row: attributes[row].add())
    return result


def _query(store: GuardedStore, wanted: Search, project: str | None) -> RunQuery:
    conditions: list[Expression] = [_HEADS] if wanted.heads_only else []
    # What is in the trash is shown to those who can speak of it.
    trashed = None if wanted.knows_trash else False
    if wanted.filter is not None:
        if TRASHED in paths_of(wanted.filter):
            trashed = None
        conditions.append(in_terms_of_the_store(wanted.filter, store, project))
    return RunQuery(
        project=project,
        filter=And(tuple(conditions)) if conditions else None,
        trashed=trashed,
        sort=sort_of_the_store(wanted.sort),
        limit=wanted.limit,
        offset=wanted.offset,
    )
