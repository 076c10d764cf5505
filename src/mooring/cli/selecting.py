"""Options that name a source, and choose what of it is taken."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from mooring.cli.commands import STORE_VARIABLE, Misuse
from mooring.exchange.selection import AttributeClass, Selection
from mooring.model import RunKind
from mooring.query import parse

SourceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        help="Where the runs are: a store, an export's folder, or what else import reads. "
        f"Default: {STORE_VARIABLE}, else runs.db.",
        show_default=False,
    ),
]
FromStoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Where the runs are: a store, or whatever import reads. Default: what --source is "
        f"(neptune3: the server of NEPTUNE_API_TOKEN), else {STORE_VARIABLE}, else runs.db.",
        show_default=False,
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        "--source",
        help="What the source is, if not known by its looks, such as neptune3 or mlflow.",
        show_default=False,
    ),
]
DataPathOption = Annotated[
    Path | None,
    typer.Option("--data-path", "-d", help="The same as SOURCE, of an export.", show_default=False),
]
FilesPathOption = Annotated[
    Path | None,
    typer.Option(
        "--files-path",
        "-f",
        help="Where the files of an export are, if not beside the data.",
        show_default=False,
    ),
]
ProjectsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--project",
        "-p",
        "--project-ids",
        help="Only this project, as workspace/name; may be repeated.",
        show_default=False,
    ),
]
WorkspaceOption = Annotated[
    str | None,
    typer.Option("--workspace", help="All projects of this workspace.", show_default=False),
]
PatternsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--project-pattern",
        help="With --workspace: only projects in whose names this regular expression is found; "
        "may be repeated.",
        show_default=False,
    ),
]
ExcludesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--project-exclude-pattern",
        help="With --workspace: no projects in whose names it is found; may be repeated.",
        show_default=False,
    ),
]
RunsOption = Annotated[
    str | None,
    typer.Option(
        "--runs",
        "-r",
        help="Only runs in whose id (their own, or the short one) this regular expression is "
        "found.",
        show_default=False,
    ),
]
QueryOption = Annotated[
    str | None,
    typer.Option(
        "--runs-query",
        "-q",
        help="Only runs that a filter in Neptune's query language selects.",
        show_default=False,
    ),
]
AttributesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--attributes",
        "-a",
        help="Given once, a regular expression; given several times, exact paths.",
        show_default=False,
    ),
]
ClassesOption = Annotated[
    list[AttributeClass] | None,
    typer.Option(
        "--classes",
        "-c",
        case_sensitive=False,
        help="Only these classes of attributes; may be repeated.",
        show_default=False,
    ),
]
ExcludeOption = Annotated[
    list[AttributeClass] | None,
    typer.Option(
        "--exclude",
        case_sensitive=False,
        help="All classes but these; may be repeated.",
        show_default=False,
    ),
]
ArchivedOption = Annotated[
    bool,
    typer.Option(
        "--include-archived-runs", help="Runs in the trash, and archived ones, are taken too."
    ),
]
KeptArchivedOption = Annotated[
    bool,
    typer.Option(
        "--archived-runs/--no-archived-runs",
        help="Runs in the trash, and archived ones, are taken too.",
    ),
]
ModelsOption = Annotated[
    bool, typer.Option("--models/--no-models", help="Models and their versions are taken too.")
]
ZoneOption = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        help="Time zone of times that are noted without one, such as Europe/Warsaw.",
        show_default=False,
    ),
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Read everything back, and compare it.")
]


def make_selection(
    *,
    projects: list[str] | None = None,
    workspace: str | None = None,
    patterns: list[str] | None = None,
    excludes: list[str] | None = None,
    runs: str | None = None,
    query: str | None = None,
    attributes: list[str] | None = None,
    classes: list[AttributeClass] | None = None,
    exclude: list[AttributeClass] | None = None,
    archived: bool = False,
    models: bool = True,
    run_ids: list[str] | None = None,
) -> Selection:
    """Return what options choose; those that contradict each other are a misuse."""
    if projects and (workspace or patterns or excludes):
        raise Misuse("--project names projects, --workspace searches for them: give one of them")
    if (patterns or excludes) and not workspace:
        raise Misuse("--project-pattern and --project-exclude-pattern go with --workspace")
    if classes and exclude:
        raise Misuse("--classes and --exclude contradict each other: give one of them")
    chosen = frozenset(classes) if classes else None
    if exclude:
        chosen = frozenset(AttributeClass) - frozenset(exclude)
    kinds = frozenset(RunKind)
    if not models:
        kinds -= {RunKind.MODEL, RunKind.MODEL_VERSION}
    return Selection(
        projects=tuple(projects or ()),
        workspace=workspace,
        project_patterns=tuple(patterns or ()),
        project_exclude_patterns=tuple(excludes or ()),
        runs=runs,
        run_ids=frozenset(run_ids) if run_ids else None,
        query=None if query is None else parse(query),
        attributes=tuple(attributes or ()),
        classes=chosen,
        archived=archived,
        kinds=kinds,
    )


def read_zone(name: str | None) -> tzinfo | None:
    """Return a time zone by its name."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Misuse(f"there is no time zone {name!r}; write one such as Europe/Warsaw") from None
