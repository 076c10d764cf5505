"""Commands on the runs of any store: `runs`, `run show`, `series`, `projects`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli.commands import Misuse, command, make_group
from mooring.cli.lookup import choose_projects, deriving, find_run, list_runs
from mooring.cli.options import ProjectOption, RunArgument, StoreArgument
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.errors import TypeMismatch
from mooring.model import AttributeType, FileRef, RunInfo
from mooring.model.steps import step_from_micros
from mooring.store.contract import Lineage, PathSelector, RunQuery, SeriesQuery, Store

if TYPE_CHECKING:
    import numpy as np

_COLUMNS = (
    "sys/id",
    "sys/custom_run_id",
    "sys/name",
    "sys/state",
    "sys/creation_time",
    "sys/modification_time",
    "sys/tags",
)
_FILES = (AttributeType.FILE, AttributeType.FILE_SERIES, AttributeType.FILE_SET)


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    command(
        group,
        "runs",
        example="mooring runs runs.db --project team/digits --limit 10\n"
        "mooring runs runs.db --query '`params/lr`:float < 0.05' --columns metrics/loss",
    )(runs)
    run = make_group("One run.")
    command(run, "show", example="mooring run show runs.db DIG-1")(show)
    group.add_typer(run, name="run")
    command(
        group,
        "series",
        example="mooring series runs.db DIG-1 metrics/loss --tail 10\n"
        "mooring series runs.db DIG-1 metrics/loss --buckets 50 --format csv",
    )(series)
    command(group, "projects", example="mooring projects runs.db")(projects)


def runs(
    store: StoreArgument,
    project: ProjectOption = None,
    query: Annotated[
        str | None,
        typer.Option("--query", help="Filter, in Neptune's query language.", show_default=False),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            help="Paths of attributes, separated by commas, instead of the usual ones.",
            show_default=False,
        ),
    ] = None,
    sort_by: Annotated[
        str | None,
        typer.Option(
            "--sort-by",
            help="Path of an attribute. Default: when runs were created.",
            show_default=False,
        ),
    ] = None,
    ascending: Annotated[
        bool, typer.Option("--ascending/--descending", help="Order of the runs.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many.", show_default=False)
    ] = None,
    trashed: Annotated[bool, typer.Option("--trashed", help="Those in the trash.")] = False,
    *,
    output: Output,
) -> None:
    """List runs, newest first. A series shows its last value."""
    from mooring.query import Field, Sort, parse

    paths = _split(columns)
    with deriving(store) as opened:
        chosen = choose_projects(opened, project)
        sort = None if sort_by is None else Sort(Field(sort_by), ascending=ascending)
        if sort is None and ascending:
            sort = Sort(Field("sys/creation_time"), ascending=True)
        page = opened.query_runs(
            RunQuery(
                project=chosen[0] if project else None,
                filter=None if query is None else parse(query),
                trashed=trashed,
                sort=sort,
                limit=limit,
            )
        )
        if sort_by is not None:
            _check_sort(opened, chosen, sort_by, page.runs)
        shown = ["sys/id", *paths] if paths else list(_COLUMNS)
        values = _attributes(opened, page.runs, shown)
    several = len({run.project for run in page.runs}) > 1
    rows = [
        [*([run.project] if several else []), *(values.get((i, path)) for path in shown)]
        for i, run in enumerate(page.runs)
    ]
    output.table(Table([*(["project"] if several else []), *shown], rows))
    if page.total > len(page.runs):
        output.say(f"{len(page.runs):,} of {page.total:,} runs")


def show(
    store: StoreArgument,
    run: RunArgument,
    project: ProjectOption = None,
    *,
    output: Output,
) -> None:
    """Show a run: its attributes, its series with what is known of them, its files."""
    with deriving(store) as opened:
        found = find_run(opened, run, project)
        columns = opened.read_attributes([found.key], PathSelector())
        single, points, files = [], [], []
        for column in columns:
            value = column.values[0]
            if column.type in _FILES and isinstance(value, FileRef):
                content = "stored" if value.has_content else "not uploaded"
                told = (value.name, value.size_bytes, value.mime_type, content)
                files.append((column.path, column.type, *told))
            elif not column.type.is_series:
                single.append((column.path, column.type, value))
            if column.type.is_series:
                points.append(_series_row(opened, found, column.path, column.type))
    output.sections(
        {
            "attributes": Table(["path", "type", "value"], single),
            "series": Table(
                ["path", "type", "count", "first_step", "last_step", "last", "min", "max", "mean"],
                points,
            ),
            "files": Table(["path", "type", "name", "size_bytes", "mime_type", "content"], files),
        }
    )


def series(
    store: StoreArgument,
    run: RunArgument,
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Path of the series.", show_default=False)
    ],
    project: ProjectOption = None,
    tail: Annotated[
        int | None,
        typer.Option("--tail", min=1, help="Only the last n points.", show_default=False),
    ] = None,
    buckets: Annotated[
        int | None,
        typer.Option(
            "--buckets",
            min=1,
            help="Summarise the steps in n equal parts, exactly.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Output,
) -> None:
    """Show the points of a series: step, time (UTC), value."""
    if tail is not None and buckets is not None:
        raise Misuse("--tail and --buckets contradict each other")
    with deriving(store) as opened:
        found = find_run(opened, run, project)
        type_, _ = opened.get_value(found.key, path)
        if not type_.is_series:
            raise TypeMismatch(path, type=type_, method="series", instead=["run show"])
        if buckets is None:
            output.table(_points(opened, found, path, type_, tail))
        elif type_ is not AttributeType.FLOAT_SERIES:
            raise TypeMismatch(path, type=type_, method="buckets", instead=["tail"])
        else:
            output.table(_buckets(opened, found, path, buckets))


def projects(store: StoreArgument, *, output: Output) -> None:
    """List the projects of a store. A tracker's table is the project local/TABLE."""
    with deriving(store) as opened:
        rows = []
        for name in opened.list_projects():
            known = list_runs(opened, name)
            trashed = sum(run.trashed for run in known)
            rows.append((name, len(known) - trashed, trashed))
    output.table(Table(["project", "runs", "trashed"], rows))


def _split(texts: Sequence[str] | None) -> list[str]:
    return [path.strip() for text in texts or () for path in text.split(",") if path.strip()]


def _check_sort(store: Store, projects: Sequence[str], path: str, runs: Sequence[RunInfo]) -> None:
    """Refuse an order that says nothing, as the fetch door does."""
    from mooring.fetch.selection import check_sort, parse_sort

    for project in projects:
        check_sort(store, project, parse_sort(path, True), runs)


def _attributes(
    store: Store, runs: Sequence[RunInfo], paths: Sequence[str]
) -> Mapping[tuple[int, str], object]:
    """Return values by the number of the run in the list, and path."""
    if not runs:
        return {}
    columns = store.read_attributes(
        [run.key for run in runs], PathSelector(paths=tuple(dict.fromkeys(paths)))
    )
    found: dict[tuple[int, str], object] = {}
    for column in columns:
        for row, value in zip(_listed(column.rows), _listed(column.values), strict=True):
            found[row, column.path] = value
    return found


def _listed(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """Return Python's values of a sequence or an array."""
    return list(values) if isinstance(values, Sequence) else values.tolist()


def _series_row(store: Store, run: RunInfo, path: str, type_: AttributeType) -> Sequence[object]:
    stats = store.get_stats(run.key, path)
    return (
        path,
        type_,
        stats.count,
        step_from_micros(stats.first_step),
        step_from_micros(stats.last_step),
        stats.last,
        stats.minimum,
        stats.maximum,
        stats.average if type_ is AttributeType.FLOAT_SERIES else None,
    )


def _points(store: Store, run: RunInfo, path: str, type_: AttributeType, tail: int | None) -> Table:
    points = store.read_series(
        [run.key],
        PathSelector(paths=(path,), types=frozenset({type_})),
        SeriesQuery(tail=tail, lineage=Lineage.FULL),
    )
    steps = (step_from_micros(step) for step in points.column("step").to_pylist())
    times = (_instant(time) for time in points.column("time").to_pylist())
    values = points.column("value").to_pylist()
    return Table(["step", "time", "value"], zip(steps, times, values, strict=True))


def _buckets(store: Store, run: RunInfo, path: str, count: int) -> Table:
    from mooring.fetch import ReadOnlyProject

    with ReadOnlyProject(run.project, store=store) as project:
        frame = project.fetch_metrics(
            runs=[run.run_id], paths=[path], buckets=count, format="arrow"
        )
    return Table.of_arrow(frame.drop_columns(["run", "path"]))


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
