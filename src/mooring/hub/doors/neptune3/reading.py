"""Runs by the identifiers of readers, and their attributes written into messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mooring.errors import InvalidName, NotFound
from mooring.hub.doors.neptune3.identifiers import (
    CUSTOM,
    find_run,
    key_of,
    project_uuid,
    workspace_uuid,
)
from mooring.hub.doors.neptune3.system import IDENTITY
from mooring.hub.guarded import GuardedStore
from mooring.model import AttributeType, ProjectName, RunInfo, RunKind
from mooring.query import Compare, Field, Operator, Or
from mooring.store.computed import COMPUTED
from mooring.store.contract import AttributeColumn, PathSelector, RunQuery
from mooring.wire.neptune3.names import NameFilter
from mooring.wire.neptune3.types import TYPE_NAMES, types_of
from mooring.wire.neptune3.values import fill_attribute

TOLD = frozenset(TYPE_NAMES)
_SERIES = frozenset(type for type in TOLD if type.is_series)
EVERY_NAME = NameFilter()
_MADE = frozenset({*IDENTITY, *COMPUTED})
"""What is told as it is here: a run that was read from another server kept what that told."""
_FEW = 20
_IDS = {"sys_id": "sys/id", "run_id": "sys/custom_run_id"}


def find_runs(store: GuardedStore, identifiers: Sequence[str]) -> list[RunInfo]:
    """Return the runs of identifiers, by ascending key; those that the user lacks are left out."""
    distinct = list(dict.fromkeys(identifiers))
    if len(distinct) <= _FEW:
        return _sorted(_one_by_one(store, distinct))
    keys: list[int] = []
    named: dict[tuple[str, str], list[str]] = {}
    for identifier in distinct:
        key = key_of(identifier)
        if key is not None:
            keys.append(key)
        elif identifier.startswith(CUSTOM):
            workspace, _, rest = identifier.removeprefix(CUSTOM).partition("/")
            name, _, run_id = rest.partition("/")
            named.setdefault((f"{workspace}/{name}", "run_id"), []).append(run_id)
        else:
            project, _, sys_id = identifier.rpartition("/")
            named.setdefault((project, "sys_id"), []).append(sys_id)
    return _sorted([*_by_key(store, keys), *_by_id(store, named)])


def _one_by_one(store: GuardedStore, identifiers: Iterable[str]) -> Iterator[RunInfo]:
    for identifier in identifiers:
        try:
            yield find_run(store, identifier)
        except (NotFound, InvalidName):
            continue


def _by_key(store: GuardedStore, keys: list[int]) -> Iterable[RunInfo]:
    try:
        return store.get_runs(keys)
    except NotFound:  # of one of them
        return _each_by_key(store, keys)


def _each_by_key(store: GuardedStore, keys: list[int]) -> Iterator[RunInfo]:
    for key in keys:
        try:
            yield from store.get_runs([key])
        except NotFound:
            continue


def _by_id(store: GuardedStore, named: dict[tuple[str, str], list[str]]) -> Iterator[RunInfo]:
    """Find many runs of a project in one look-up."""
    for (project, kind), ids in named.items():
        field = Field(_IDS[kind], AttributeType.STRING)
        same = Or(tuple(Compare(field, Operator.EQ, id) for id in ids))
        try:
            query = RunQuery(projects=(project,), filter=same, trashed=None)
            yield from store.query_runs(query).runs
        except InvalidName:
            continue


def _sorted(runs: Iterable[RunInfo]) -> list[RunInfo]:
    distinct = {run.key: run for run in runs if run.kind is RunKind.RUN}
    return [distinct[key] for key in sorted(distinct)]


def told_of_project(full: str) -> dict[str, str]:
    """Return what a `ProtoAttributesDTO` tells of the project of its run."""
    name = ProjectName.parse(full)
    return {
        "type": "run",
        "project_id": project_uuid(full),
        "organization_id": workspace_uuid(name.workspace),
        "project_name": name.name,
        "organization_name": name.workspace,
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """Which attributes are to be told: by name, and by the names of their types."""

    names: NameFilter = EVERY_NAME
    types: tuple[str, ...] | None = None

    def selectors(self) -> Iterator[PathSelector]:
        """Yield what finds all that are chosen in the store, and maybe more."""
        types = TOLD if self.types is None else types_of(self.types)
        outline = self.names.outline
        if outline is None:
            yield PathSelector(types=types)
        elif outline != ((), ()):
            names, patterns = outline
            yield PathSelector(paths=names or None, patterns=patterns or None, types=types)

    def accepts(self, name: str, type: AttributeType) -> bool:
        """Return whether an attribute is chosen that does not come from a selector."""
        return (self.types is None or TYPE_NAMES[type] in self.types) and self.names.accepts(name)

    def sieve(self) -> Callable[[str], bool]:
        """Return what tells whether a name that a selector found is chosen."""
        return (lambda name: True) if self.names.is_outline else self.names.accepts


def list_names(
    store: GuardedStore,
    choice: Choice,
    *,
    keys: Sequence[int] | None,
    projects: tuple[str, ...] | None = None,
) -> list[tuple[str, str]]:
    """Return the distinct (name, name of the type) of runs, sorted."""

    def find(select: PathSelector) -> Sequence[tuple[str, AttributeType]]:
        return store.list_attributes(keys, select, projects=projects)

    chosen = choice.sieve()
    found = [
        (path, TYPE_NAMES[type])
        for select in choice.selectors()
        for path, type in find(select)
        if chosen(path) and path not in _MADE
    ]
    # What is told of every run, or of those that have another attribute, and kept of none.
    told = [(name, AttributeType.STRING, "sys/id") for name in IDENTITY]
    told += [(each.path, each.type, each.beside) for each in COMPUTED.values()]
    told = [(name, type, beside) for name, type, beside in told if choice.accepts(name, type)]
    if told:
        needed = tuple(sorted({beside for _, _, beside in told}))
        held = {path for path, _ in find(PathSelector(paths=needed))}
        found += [(name, TYPE_NAMES[type]) for name, type, beside in told if beside in held]
    # The store knows more types: several of them can have one name here.
    return sorted(dict.fromkeys(found))


def fill_entries(
    store: GuardedStore,
    runs: Sequence[RunInfo],
    choice: Choice,
    message_of: Callable[[int], Any],
) -> None:
    """Write the chosen attributes of runs into messages.

    `message_of` is given a position in `runs`, and returns an empty `ProtoAttributeDTO` each time.
    """
    for column in read_columns(store, [run.key for run in runs], choice):
        path, type = column.path, column.type
        for row, value in zip(_plain(column.rows), _plain(column.values), strict=True):
            fill_attribute(message_of(row), path, type, value)
    for name, text_of in IDENTITY.items():
        if choice.accepts(name, AttributeType.STRING):
            for row, run in enumerate(runs):
                fill_attribute(message_of(row), name, AttributeType.STRING, text_of(run))


def read_columns(store: GuardedStore, keys: Sequence[int], choice: Choice) -> list[AttributeColumn]:
    """Return the chosen attributes of runs; the values of series are what is kept of them."""
    chosen = choice.sieve()
    columns: list[AttributeColumn] = []
    for select in choice.selectors():
        wanted = TOLD if select.types is None else select.types
        if single := wanted - _SERIES:
            columns += store.read_attributes(keys, replace(select, types=single))
        if series := wanted & _SERIES:
            columns += (
                AttributeColumn(column.path, column.type, column.rows, column.stats)
                for column in store.read_stats(keys, replace(select, types=series))
            )
    columns = [each for each in columns if chosen(each.path) and each.path not in _MADE]
    computed = [each.path for each in COMPUTED.values() if choice.accepts(each.path, each.type)]
    if computed:
        columns += store.read_computed(keys, computed)
    return columns


def _plain(values: Any) -> list[Any]:
    """Return the values of a column as Python's own objects."""
    if isinstance(values, list):
        return values
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
