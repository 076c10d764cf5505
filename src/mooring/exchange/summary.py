"""What a source holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring.errors import MooringError
from mooring.exchange.reports import Problem
from mooring.exchange.selection import type_of
from mooring.exchange.source import Progress, Source, SourceRun, file_of
from mooring.model import AttributeType, RunKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSummary:
    """What a project holds.

    Attributes
    ----------
    kinds : number of runs by kind
    forks, trashed, incomplete : runs that were forked, lie in the trash, lack something
    attributes : number of attributes by type, over all runs
    distinct : number of distinct paths
    points : points of all series, inherited ones not counted
    files, file_bytes : files, those of series too; bytes of those that hold a single value,
        where they are known
    first, last : earliest and latest time of creation, microseconds since 1970
    largest : the runs with most points, (id, points)
    """

    project: str
    kinds: Mapping[str, int]
    forks: int
    trashed: int
    incomplete: int
    attributes: Mapping[str, int]
    distinct: int
    points: int
    files: int
    file_bytes: int
    first: int | None
    last: int | None
    largest: tuple[tuple[str, int], ...]

    @property
    def runs(self) -> int:
        """Number of runs of kind `run`."""
        return self.kinds.get(str(RunKind.RUN), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a source holds, project by project, and what of it cannot be read."""

    source: str
    projects: tuple[ProjectSummary, ...]
    incomplete: tuple[Problem, ...]
    problems: tuple[Problem, ...]


@dataclass
class _Counts:
    kinds: Counter[str] = field(default_factory=Counter)
    attributes: Counter[str] = field(default_factory=Counter)
    paths: set[str] = field(default_factory=set)
    sizes: list[tuple[int, str]] = field(default_factory=list)
    created: list[int] = field(default_factory=list)
    forks: int = 0
    trashed: int = 0
    points: int = 0
    files: int = 0
    file_bytes: int = 0


def summarize(source: Source, *, progress: Progress | None = None) -> Summary:
    """Return what a source holds. Points are counted, not read.

    Parameters
    ----------
    source : any source
    progress : called with the number of runs that are done and that there are
    """
    tell = progress or (lambda done, total: None)
    projects = {name: source.list_runs(name) for name in source.list_projects()}
    total, done = sum(map(len, projects.values())), 0
    summaries = []
    incomplete: list[Problem] = []
    for name, runs in projects.items():
        counts = _Counts()
        lacking = 0
        for run in runs:
            tell(done, total)
            done += 1
            why = run.incomplete
            try:
                _count(source, run, counts)
            except MooringError as error:
                why = why or str(error)
            if why:
                lacking += 1
                incomplete.append(Problem(f"run {run.run_id!r} of {name}", why))
        largest = sorted(counts.sizes, key=lambda one: (-one[0], one[1]))[:5]
        summaries.append(
            ProjectSummary(
                project=name,
                kinds=dict(sorted(counts.kinds.items())),
                forks=counts.forks,
                trashed=counts.trashed,
                incomplete=lacking,
                attributes=dict(sorted(counts.attributes.items())),
                distinct=len(counts.paths),
                points=counts.points,
                files=counts.files,
                file_bytes=counts.file_bytes,
                first=min(counts.created, default=None),
                last=max(counts.created, default=None),
                largest=tuple((id, points) for points, id in largest if points),
            )
        )
    tell(total, total)
    return Summary(
        source=source.address,
        projects=tuple(summaries),
        incomplete=tuple(incomplete),
        problems=tuple(source.problems.named),
    )


def _count(source: Source, run: SourceRun, counts: _Counts) -> None:
    counts.kinds[str(run.kind)] += 1
    counts.forks += run.parent is not None
    counts.trashed += run.trashed
    if run.created is not None:
        counts.created.append(run.created)
    for path, value in source.read_values(run).items():
        counts.paths.add(path)
        counts.attributes[str(type_of(value))] += 1
        if (file := file_of(value)) is not None:
            counts.files += 1
            counts.file_bytes += file.size_bytes or 0
    points = 0
    for one in source.list_series(run):
        counts.paths.add(one.path)
        counts.attributes[str(one.type)] += 1
        points += one.count or 0
        if one.type is AttributeType.FILE_SERIES:
            counts.files += one.count or 0
    counts.points += points
    counts.sizes.append((points, run.run_id))
