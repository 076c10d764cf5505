"""Attributes: which there are, and their values."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute

from mooring.errors import AccessDenied, InvalidInput, InvalidName, NotFound, ProjectNotFound
from mooring.hub.doors.neptune3.door import Answer, Asked, Door, json_answer, proto_answer
from mooring.hub.doors.neptune3.identifiers import run_uuid
from mooring.hub.doors.neptune3.reading import (
    EVERY_NAME,
    Choice,
    fill_entries,
    find_runs,
    list_names,
    told_of_project,
)
from mooring.hub.guarded import GuardedStore
from mooring.model import RunInfo
from mooring.store.contract import RunQuery
from mooring.wire.neptune3.bodies import read_count, read_object, read_text, read_texts
from mooring.wire.neptune3.names import (
    NameChoice,
    NameFilter,
    decode_exact_names,
    decode_names,
    decode_types,
)
from mooring.wire.neptune3.schema import message

_ROOT = "/api/leaderboard/v1"
_DEFAULT_LIMIT = 10_000
_MAX_RUNS = 10_000
"""The most runs that are read at once."""


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of attributes."""
    return [
        door.route(f"{_ROOT}/leaderboard/attributes/definitions/query", definitions),
        door.route(f"{_ROOT}/proto/leaderboard/attributes/query", values),
        door.route(f"{_ROOT}/proto/attributes/queryAttributeDefinitions", of_one_run, method="GET"),
        door.route(f"{_ROOT}/proto/attributes/attributes", values_of_one_run),
    ]


# which there are


def definitions(asked: Asked) -> Answer:
    """Answer a page of names and types, of whole projects or of some of their runs."""
    body = read_object(asked.json(), "the body")
    projects = _projects(asked, body)
    choice = Choice(
        decode_names(body.get("attributeNameFilter")), decode_types(body.get("attributeFilter"))
    )
    limit, token = _page(body)
    runs = read_texts(body.get("experimentIdsFilter"), "experimentIdsFilter")
    if runs is None:
        found = list_names(asked.store, choice, keys=None, projects=projects)
    else:
        keys = [run.key for run in find_runs(asked.store, runs) if run.project in set(projects)]
        found = list_names(asked.store, choice, keys=keys) if keys else []
    start = 0 if token is None else bisect_right(found, _definition_of(token))
    entries = found[start : start + limit]
    told: dict[str, object] = {"limit": limit}
    if start + limit < len(found) and entries:
        told["nextPageToken"] = "/".join(reversed(entries[-1]))
    return json_answer(
        {"entries": [{"name": name, "type": type} for name, type in entries], "nextPage": told}
    )


def _projects(asked: Asked, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return those of the projects asked for that the user sees; `ProjectNotFound` if none is."""
    given = read_texts(body.get("projectIdentifiers"), "projectIdentifiers") or ()
    found: dict[str, None] = {}
    for identifier in dict.fromkeys(given):
        try:
            found[asked.project(identifier)] = None
        except (NotFound, AccessDenied, InvalidName):
            continue
    if not found:
        raise ProjectNotFound(", ".join(given)[:200] or "(none was named)")
    return tuple(found)


def _definition_of(token: str) -> tuple[str, str]:
    type, slash, name = token.partition("/")
    if not slash:
        raise _wrong(token)
    return name, type


def of_one_run(asked: Asked) -> Answer:
    """Answer all names and types of one run."""
    run = asked.run(asked.query.get("experimentIdentifier"))
    types = asked.request.query_params.getlist("attributeType")
    result = message("ProtoAttributesSearchResultDTO")()
    add = result.entries.add
    for name, type in list_names(asked.store, Choice(types=tuple(types) or None), keys=[run.key]):
        add(name=name, type=type)
    return proto_answer(result, texts=True)


# values


def values_of_one_run(asked: Asked) -> Answer:
    """Answer the values of one run, of some names or of all."""
    run = asked.run(asked.query.get("holderIdentifier"))
    body = read_object(asked.json(), "the body")
    names = decode_exact_names(body.get("attributePathsFilter"), "attributePathsFilter")
    result = message("ProtoAttributesDTO")(
        experiment_id=run_uuid(run.key), **told_of_project(run.project)
    )
    add = result.attributes.add
    fill_entries(asked.store, [run], Choice(names or EVERY_NAME), lambda _: add())
    return proto_answer(result, texts=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: at a run, or within it after an attribute."""

    key: int = 0
    after: str | None = None

    @classmethod
    def of(cls, token: str | None) -> _Place:
        if token is None:
            return cls()
        key, slash, after = token.partition("/")
        if not (key.isascii() and key.isdigit() and len(key) < 19):
            raise _wrong(token)
        return cls(int(key), after if slash else None)

    def __str__(self) -> str:
        return str(self.key) if self.after is None else f"{self.key}/{self.after}"


def values(asked: Asked) -> Answer:
    """Answer a page of the values of runs; one run can go on in the next page."""
    project = asked.project(asked.query.get("projectIdentifier"))
    body = read_object(asked.json(), "the body")
    names = decode_exact_names(body.get("attributeNamesFilter"), "attributeNamesFilter")
    if names is None:
        names = decode_names(body.get("attributeNameFilter"))
    choice = Choice(names, decode_types(body.get("attributeFilter")))
    limit, token = _page(body)
    place = _Place.of(token)
    runs = [
        run
        for run in _runs(
            asked.store,
            project,
            read_texts(body.get("experimentIdsFilter"), "experimentIdsFilter"),
        )
        if run.key >= place.key
    ]
    result = message("ProtoQueryAttributesResultDTO")()
    result.nextPage.limit = limit
    following = _fill_page(asked.store, runs, choice, place, limit, result.entries)
    if following is not None:
        result.nextPage.nextPageToken = str(following)
    return proto_answer(result, texts=True)


def _runs(
    store: GuardedStore, project: str, identifiers: Sequence[str] | None
) -> Sequence[RunInfo]:
    if identifiers is not None:
        return [run for run in find_runs(store, identifiers) if run.project == project]
    runs = store.query_runs(RunQuery(project=project, trashed=None)).runs
    return sorted(runs, key=lambda run: run.key)


def _fill_page(
    store: GuardedStore,
    runs: Sequence[RunInfo],
    choice: Choice,
    place: _Place,
    limit: int,
    entries: Any,
) -> _Place | None:
    """Write a page, and return where the next one begins; None after the last one.

    A page ends with a run, unless that one alone has more values than the page may hold.
    """
    start = 0
    while start < len(runs) and limit:
        first = runs[start]
        names = [name for name, _ in list_names(store, choice, keys=[first.key])]
        if place.after is not None and place.key == first.key:
            names = names[bisect_right(names, place.after) :]
            choice_of_first = _only(names[:limit], choice)
        elif len(names) <= limit:
            # Runs of one project are alike: as many as fit if all are like the first.
            count = min(_MAX_RUNS, limit // max(1, len(names)))
            start, filled = _write(store, runs, start, start + count, choice, limit, entries)
            if filled:
                return _Place(runs[start].key) if start < len(runs) else None
            continue
        else:
            choice_of_first = _only(names[:limit], choice)
        following, filled = _write(store, runs, start, start + 1, choice_of_first, limit, entries)
        if len(names) > limit:
            return _Place(first.key, names[limit - 1])
        start = following
        if filled:
            return _Place(runs[start].key) if start < len(runs) else None
    return None


def _only(names: Sequence[str], choice: Choice) -> Choice:
    return Choice(NameFilter((NameChoice(frozenset(names)),)), choice.types)


def _write(
    store: GuardedStore,
    runs: Sequence[RunInfo],
    start: int,
    end: int,
    choice: Choice,
    limit: int,
    entries: Any,
) -> tuple[int, int]:
    """Write the values of runs from `start` on, as many runs as fit, at least one.

    Return the position after the last run that was written, and how many values there are.
    """
    together = runs[start:end]
    made = [
        entries.add(experimentId=run_uuid(run.key), experimentShortId=run.sys_id).attributes
        for run in together
    ]
    fill_entries(store, together, choice, lambda row: made[row].add())
    before, total, kept = len(entries) - len(made), 0, 0
    for attributes in made:
        if kept and total + len(attributes) > limit:
            break
        total += len(attributes)
        kept += 1
    del entries[before + (kept if total else 0) :]
    return start + kept, total


# pages


def _page(body: Mapping[str, Any]) -> tuple[int, str | None]:
    page = read_object(body.get("nextPage"), "nextPage")
    limit = read_count(page.get("limit"), "nextPage.limit", default=_DEFAULT_LIMIT)
    token = read_text(page.get("nextPageToken"), "nextPage.nextPageToken")
    return limit, token or None


def _wrong(token: str) -> InvalidInput:
    return InvalidInput(f"nextPageToken {token[:80]!r} was not made by this hub")
