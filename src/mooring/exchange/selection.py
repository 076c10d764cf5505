"""What of a source is taken: projects, runs, attributes, classes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from mooring.errors import InvalidInput, ProjectNotFound
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import (
    FILE_TYPES,
    HasExtras,
    HasParts,
    RunExtras,
    Source,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
)
from mooring.model import AttributeType, ProjectName, RunKind, Typed
from mooring.query import Expression, compile_pattern
from mooring.store.transfer import SealedFile

if TYPE_CHECKING:
    import pyarrow as pa


class AttributeClass(StrEnum):
    """The four classes of attributes that an export can leave out."""

    PARAMETERS = "parameters"
    METRICS = "metrics"
    SERIES = "series"
    FILES = "files"


_FILES = FILE_TYPES | {AttributeType.FILE_SERIES}


def class_of(type: AttributeType) -> AttributeClass:
    """Return the class that attributes of a type belong to.

    >>> class_of(AttributeType.FLOAT_SERIES), class_of(AttributeType.FILE_SERIES)
    (<AttributeClass.METRICS: 'metrics'>, <AttributeClass.FILES: 'files'>)
    """
    if type in _FILES:
        return AttributeClass.FILES
    if type is AttributeType.FLOAT_SERIES:
        return AttributeClass.METRICS
    return AttributeClass.SERIES if type.is_series else AttributeClass.PARAMETERS


def type_of(value: SourceValue) -> AttributeType:
    """Return the type of an attribute that holds a value.

    >>> type_of(True), type_of(frozenset({"a"}))
    (<AttributeType.BOOL: 'bool'>, <AttributeType.STRING_SET: 'string_set'>)
    """
    if isinstance(value, Typed):
        return value.type
    if isinstance(value, SourceFile):
        return AttributeType.FILE
    if isinstance(value, bool):
        return AttributeType.BOOL
    if isinstance(value, int):
        return AttributeType.INT
    if isinstance(value, float):
        return AttributeType.FLOAT
    if isinstance(value, str):
        return AttributeType.STRING
    if isinstance(value, frozenset):
        return AttributeType.STRING_SET
    return AttributeType.DATETIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is taken of a source; by default all living runs, whole.

    Attributes
    ----------
    projects : full names, or names of the workspace `local`; empty: all
    workspace : only projects of this workspace
    project_patterns, project_exclude_patterns : regular expressions; one of the first, if there
        are any, and none of the second is found in the project's name without its workspace
    runs : a regular expression that is found in the run's own id or in the short one
    run_ids : ids of runs, exactly
    query : a filter of runs, for sources that can answer one
    attributes : one regular expression, or several exact paths; empty: all. What identifies a run
        (`sys/id`, `sys/custom_run_id`, `sys/name`, `sys/creation_time`, `sys/forking/*`) is
        always taken
    classes : classes of attributes; None: all
    archived : whether runs in the trash, and archived ones, are taken too
    kinds : kinds of runs
    """

    projects: tuple[str, ...] = ()
    workspace: str | None = None
    project_patterns: tuple[str, ...] = ()
    project_exclude_patterns: tuple[str, ...] = ()
    runs: str | None = None
    run_ids: frozenset[str] | None = None
    query: Expression | None = None
    attributes: tuple[str, ...] = ()
    classes: frozenset[AttributeClass] | None = None
    archived: bool = False
    kinds: frozenset[RunKind] = frozenset(RunKind)

    @property
    def takes_whole_runs(self) -> bool:
        """Whether runs that are taken are taken with all their attributes."""
        return not self.attributes and self.classes is None


@runtime_checkable
class AnswersQueries(Protocol):
    """A source that can filter its runs."""

    def find_runs(self, project: str, query: Expression) -> frozenset[str]:
        """Return the ids of the runs that meet a filter."""
        ...


@runtime_checkable
class FindsProjects(Protocol):
    """A source that can tell of one project, and may have some that it does not list."""

    def has_project(self, project: str) -> bool:
        """Return whether there is a project of this full name."""
        ...


_IDENTITY = frozenset(
    {
        "sys/id",
        "sys/custom_run_id",
        "sys/name",
        "sys/creation_time",
        "sys/forking/parent",
        "sys/forking/step",
        "sys/forking/depth",
    }
)


class SelectedSource:
    """A source of which only a part is taken; a `Source` itself, made by `select`."""

    def __init__(self, source: Source, selection: Selection) -> None:
        self.source = source
        self.selection = selection
        self._runs = None if selection.runs is None else compile_pattern(selection.runs)
        self._exact = frozenset(selection.attributes) if len(selection.attributes) > 1 else None
        self._pattern = (
            compile_pattern(selection.attributes[0]) if len(selection.attributes) == 1 else None
        )
        if selection.query is not None and not isinstance(source, AnswersQueries):
            raise InvalidInput(f"{source.address} cannot answer a query; choose runs by their ids")

    @property
    def address(self) -> str:
        """Where the source is."""
        return self.source.address

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self.source.problems

    def list_projects(self) -> Sequence[str]:
        """Return the projects that are taken; `ProjectNotFound` for one that is not there."""
        chosen: Iterable[str]
        if self.selection.projects:
            chosen = self._named_projects(self.selection.projects)
        else:
            chosen = self.source.list_projects()
        if self.selection.workspace is not None:
            chosen = [n for n in chosen if n.partition("/")[0] == self.selection.workspace]
        include = [compile_pattern(text) for text in self.selection.project_patterns]
        exclude = [compile_pattern(text) for text in self.selection.project_exclude_patterns]

        def fits(name: str) -> bool:
            short = name.partition("/")[2]
            return (not include or any(p.search(short) for p in include)) and not any(
                p.search(short) for p in exclude
            )

        return [name for name in chosen if fits(name)]

    def _named_projects(self, names: Iterable[str]) -> Iterable[str]:
        wanted = dict.fromkeys(str(ProjectName.parse(name)) for name in names)
        source = self.source
        if isinstance(source, FindsProjects):
            missing = [name for name in wanted if not source.has_project(name)]
        else:
            missing = [name for name in wanted if name not in source.list_projects()]
        if missing:
            known = source.list_projects()
            raise ProjectNotFound(missing[0], where=source.address, known=known)
        return wanted

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return the runs that are taken."""
        runs = [run for run in self.source.list_runs(project) if self._takes(run)]
        if self.selection.query is not None:
            assert isinstance(self.source, AnswersQueries)
            found = self.source.find_runs(project, self.selection.query)
            runs = [run for run in runs if run.run_id in found]
        return runs

    def _takes(self, run: SourceRun) -> bool:
        chosen = self.selection
        if run.kind not in chosen.kinds or (run.trashed and not chosen.archived):
            return False
        ids = [id for id in (run.run_id, run.sys_id) if id]
        if chosen.run_ids is not None and not chosen.run_ids.intersection(ids):
            return False
        return self._runs is None or any(self._runs.search(id) for id in ids)

    def takes(self, path: str, type: AttributeType) -> bool:
        """Return whether an attribute is taken."""
        if path in _IDENTITY:
            return True
        if self.selection.classes is not None and class_of(type) not in self.selection.classes:
            return False
        if self._exact is not None:
            return path in self._exact
        return self._pattern is None or self._pattern.search(path)

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return those attributes without points that are taken."""
        values = self.source.read_values(run)
        if self.selection.takes_whole_runs:
            return values
        return {path: v for path, v in values.items() if self.takes(path, type_of(v))}

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series that are taken."""
        return [s for s in self.source.list_series(run) if self.takes(s.path, s.type)]

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return points of series that are taken."""
        if paths is None and not self.selection.takes_whole_runs:
            paths = [s.path for s in self.list_series(run) if s.type is type]
        return self.source.read_points(run, type, paths)

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file."""
        return self.source.open_file(file)

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return the extras of a run that is taken whole."""
        if self.selection.takes_whole_runs and isinstance(self.source, HasExtras):
            return self.source.read_extras(run)
        return RunExtras()

    def list_parts(self, run: SourceRun) -> Sequence[SealedFile] | None:
        """Return the files that hold a run that is taken whole."""
        if self.selection.takes_whole_runs and isinstance(self.source, HasParts):
            return self.source.list_parts(run)
        return None

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def select(source: Source, selection: Selection | None) -> SelectedSource:
    """Return a source of which only a part is seen.

    Raises `InvalidInput` for a query that the source cannot answer, `QueryError` for a regular
    expression that cannot be read.
    """
    return SelectedSource(source, selection or Selection())
