"""`export_xetrack`: tracker's tables of a store as a file that xetrack reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mooring.errors import InvalidInput, StoreCorrupt, TableNotFound
from mooring.exchange.reports import ExportReport, ProblemList, Renamed, TableExport
from mooring.exchange.targets.xetrack.naming import TableNames
from mooring.exchange.targets.xetrack.tables import AssetUse, TableExporter
from mooring.exchange.targets.xetrack.writing import XetrackWriter, new_file
from mooring.model import AttributeType, FileRef, ProjectName
from mooring.store.contract import PathSelector, RunQuery, Store
from mooring.tracker.assets.objects import (
    MIME_PICKLE,
    MIME_PICKLE_ZLIB,
    SUFFIX,
    is_asset_path,
    read_pickle,
)
from mooring.tracker.opening import table_project
from mooring.tracker.xetrack.tables import NEW_TABLE

_FILES = frozenset({AttributeType.FILE})
_ASSETS = PathSelector(patterns=(r"^assets/[0-9a-f]{16}$",), types=_FILES)
_NAMED = 5
"""Names that a problem lists before it only counts."""

Progress = Callable[[int, int], None]


def export_xetrack(
    store: Store,
    path: str | os.PathLike[str],
    *,
    tables: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write tables of a store to a file that xetrack's own tools read and go on with.

    The table `events` is written as `default`, where newer versions look, and is seen as the view
    `events` by older ones. Names that xetrack could not write to are changed, types widened so
    that both of its engines read every column, and timestamps of a run that are equal are moved
    apart by microseconds. What this changes is noted in two tables of the file that xetrack does
    not touch, so that `import_xetrack` gives back what was exported. Assets are written with their
    names, as the pickles that they are.

    A file holds rows and assets: other attributes and series, runs without rows and runs in the
    trash are not in it. The file appears under its name when it is complete.

    Parameters
    ----------
    store : an open store
    path : the file to write
    tables : tables wanted, such as `events`, or full names of projects; default: all that have
        rows
    overwrite : replace a file of xetrack that is there; nothing else is ever replaced
    progress : called with the rows that are done and the rows that there are

    Raises
    ------
    AlreadyExists
        When the file is there and `overwrite` is not set.
    TableNotFound
        When the store has no such table.
    InvalidInput, StoreFull, StoreReadOnly, StoreError
        When the file cannot be replaced or written.

    Examples
    --------
    >>> from mooring import Reader, Tracker
    >>> with Tracker("runs.db") as tracker:
    ...     row = tracker.log({"loss/train": 0.5})
    ...     report = export_xetrack(tracker.store, "old.db")
    >>> [(name.old, name.new) for name in report.renamed]
    [('loss/train', 'loss_train')]
    >>> Reader("old.db").to_df()["loss_train"].tolist()
    [0.5]
    """
    projects = _choose_projects(store, tables)
    with new_file(Path(path).expanduser(), overwrite=overwrite) as writer:
        export = _Export(store, writer, progress)
        done = export.run(projects)
        if tables is None:
            export.tell_left_out(projects)
    return ExportReport(
        store=store.address,
        target=os.fspath(path),
        tables=done,
        assets=export.assets,
        renamed=tuple(export.renamed),
        problems=tuple(export.problems.named),
        problems_not_named=export.problems.not_named,
    )


def _choose_projects(store: Store, tables: Sequence[str] | None) -> list[str]:
    known = store.list_projects()
    if tables is None:
        return [
            project
            for project in known
            if store.list_columns(project) or store.count_events(project)
        ]
    if isinstance(tables, str):
        raise InvalidInput(f"tables are a list of names, not the text {tables!r}")
    chosen = []
    for table in tables:
        project = str(ProjectName.parse(table)) if "/" in table else table_project(table)
        if project not in known:
            names = [name.removeprefix("local/") for name in known]
            raise TableNotFound(table, where=store.address, known=names)
        chosen.append(project)
    return list(dict.fromkeys(chosen))


class _Export:
    def __init__(self, store: Store, writer: XetrackWriter, progress: Progress | None) -> None:
        self._store = store
        self._writer = writer
        self._progress = progress or (lambda done, total: None)
        self.problems = ProblemList()
        self.renamed: list[Renamed] = []
        self.assets = 0
        self._files: dict[str, FileRef] = {}
        self._use = AssetUse()

    def run(self, projects: Sequence[str]) -> tuple[TableExport, ...]:
        names = TableNames()
        counts = {project: self._store.count_events(project) for project in projects}
        done, total = 0, sum(counts.values())
        results = []
        for project in projects:
            self._find_assets(project)
            table = names.choose(_table_of(project))
            exporter = TableExporter(self._store, self._writer, self.problems, self._use)
            base = done

            def tell(rows: int, base: int = base) -> None:
                self._progress(base + rows, max(total, base + rows))

            results.append(exporter.write(project, table, known=self._files.keys(), tell=tell))
            done += results[-1].rows
            self.renamed += exporter.renamed
            if table not in (_table_of(project), NEW_TABLE):
                self.renamed.append(Renamed(project, None, _table_of(project), table))
            self._tell_attributes(project)
        if not projects:
            self._writer.create_table(NEW_TABLE, {})  # as xetrack makes an empty file
        self._write_assets()
        return tuple(results)

    def tell_left_out(self, projects: Sequence[str]) -> None:
        """Note the projects that have runs and no rows."""
        for project in set(self._store.list_projects()) - set(projects):
            count = self._store.query_runs(RunQuery(project=project, limit=0)).total
            if count:
                self.problems.add(
                    f"project {project!r} with {count} run(s)",
                    "they have no rows, and xetrack holds rows only",
                )

    def _find_assets(self, project: str) -> None:
        runs = self._store.query_runs(RunQuery(project=project)).runs
        for column in self._store.read_attributes([run.key for run in runs], _ASSETS):
            for file in column.values:
                if file.mime_type in (MIME_PICKLE, MIME_PICKLE_ZLIB):
                    self._files.setdefault(column.path.rpartition("/")[2], file)

    def _write_assets(self) -> None:
        keys = {
            file.name.removesuffix(SUFFIX): hash_value
            for hash_value, file in self._files.items()
            if hash_value not in self._use.counts and file.name != SUFFIX
        } | self._use.keys
        for hash_value, file in self._files.items():
            try:
                content = read_pickle(self._store, hash_value, file)
            except StoreCorrupt as error:
                self.problems.add(f"asset {hash_value}", str(error), kind="assets")
                keys = {name: held for name, held in keys.items() if held != hash_value}
                continue
            self._writer.add_asset(hash_value, content, max(1, self._use.counts[hash_value]))
            self.assets += 1
        for name, hash_value in keys.items():
            self._writer.add_key(name, hash_value)

    def _tell_attributes(self, project: str) -> None:
        columns = {column.name for column in self._store.list_columns(project)}
        paths = {
            path
            for path, _ in self._store.list_attributes(None, PathSelector(), project=project)
            if not path.startswith(("sys/", "xetrack/")) and not is_asset_path(path)
        }
        if left := sorted(paths - columns):
            shown = ", ".join(map(repr, left[:_NAMED]))
            more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
            self.problems.add(
                f"attributes of the runs of {project!r}: {shown}{more}",
                "xetrack holds rows only",
            )


def _table_of(project: str) -> str:
    return project.removeprefix("local/")
