"""`import_xetrack`: the rows and assets of a xetrack file, moved into a store.

What a SIGKILL leaves behind, and the same call completes: some batches of rows and not the rest;
an asset among the store's blobs, or on its run, that no row names yet; a run without rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from mooring.errors import InvalidInput, InvalidName, StoreReadOnly
from mooring.exchange.reports import ImportReport, ProblemList, Renamed, TableImport
from mooring.exchange.sources.xetrack.assets import AssetSource
from mooring.exchange.sources.xetrack.rows import Row, RowReader, escape
from mooring.exchange.sources.xetrack.runs import RunFiller
from mooring.model import ProjectName
from mooring.store.contract import Store
from mooring.tracker.xetrack.extras import Extras, read_extras
from mooring.tracker.xetrack.file import XetrackFile
from mooring.tracker.xetrack.tables import NEW_TABLE, OLD_TABLE

ASSETS_RUN = "xetrack-assets"
"""Run of the first table's project that keeps the assets which no row names."""

Progress = Callable[[int, int], None]


def import_xetrack(
    path: str | os.PathLike[str],
    store: Store,
    *,
    tables: Sequence[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Move a file that xetrack wrote into a store. The file is only read.

    Each table becomes the project `local/<table>`, each track id a run of it. `default` is another
    name of `events` here: rows of both go to `local/events`, all of them, and the attribute
    `xetrack/tables` of each run tells which it was in. Cells keep the types that the file has
    (bools are integers there). Timestamps are local time of this computer; where its clock repeats
    an hour, rows of a run are taken to go on. Assets become files of the runs whose rows name
    them, and are not unpickled; those that no row names go to a run `xetrack-assets`.

    Repeating an import adds only what is missing, so it also completes one that was killed, and
    takes in what xetrack added since. Two imports of one file must not run at the same time.

    Parameters
    ----------
    path : the file
    store : an open store
    tables : those wanted, by their names in the file, views too; default: all tables, and the
        views of a file that has no tables
    dry_run : only tell what would come in
    progress : called with the rows that are done and the rows that there are, for each batch

    Raises
    ------
    NotAStore, StoreNotFound, StoreLocked
        When the file is none of xetrack's, or cannot be read.
    TableNotFound
        When it has no such table.
    InvalidInput
        When the file was imported in another time zone before.
    StoreReadOnly, StoreFull
        When the store cannot take anything.

    Examples
    --------
    >>> import sqlite3
    >>> from mooring import Reader, open_store
    >>> old = sqlite3.connect("old.db")
    >>> found = old.execute("CREATE TABLE events (timestamp, track_id, loss REAL)")
    >>> found = old.execute("INSERT INTO events VALUES ('2023-12-27 11:25:59.2', 'a-b-1', 0.5)")
    >>> old.commit(); old.close()
    >>> store = open_store("runs.db")
    >>> report = import_xetrack("old.db", store)
    >>> report.rows_added, Reader(store).to_df()["loss"].tolist()
    (1, [0.5])
    >>> import_xetrack("old.db", store).rows_added
    0
    >>> store.close()
    """
    if store.read_only and not dry_run:
        raise StoreReadOnly(
            f"{store.address} is opened for reading only; open it for writing to import into it",
            address=store.address,
        )
    with XetrackFile(path) as file:
        return _Import(file, store, dry_run=dry_run, progress=progress).run(tables)


class _Import:
    def __init__(
        self, file: XetrackFile, store: Store, *, dry_run: bool, progress: Progress | None
    ) -> None:
        self._file = file
        self._store = store
        self._dry_run = dry_run
        self._progress = progress or (lambda done, total: None)
        self._problems = ProblemList()
        self._renamed: list[Renamed] = []
        self._assets = AssetSource(file, store, self._problems, dry_run=dry_run)
        self._fillers: dict[str, RunFiller] = {}
        self._done = self._total = 0

    def run(self, wanted: Sequence[str] | None) -> ImportReport:
        tables = self._choose(wanted)
        self._total = sum(self._file.count_rows(table) for table in tables)
        extras = {table: self._read_extras(table) for table in tables}
        projects = self._choose_projects(extras)
        try:
            for project in dict.fromkeys(projects.values()):
                self._open_filler(project, [one for one in tables if projects[one] == project])
            done = tuple(
                self._import_table(table, projects[table], extras[table]) for table in tables
            )
            alone = 0
            if wanted is None and tables:
                filler = self._fillers[projects[tables[0]]]
                alone = filler.add_assets(ASSETS_RUN, self._assets.without_rows())
        finally:
            for filler in self._fillers.values():
                filler.close()
        added = {hash for filler in self._fillers.values() for hash in filler.assets_added}
        return ImportReport(
            source=str(self._file.path),
            store=self._store.address,
            dry_run=self._dry_run,
            tables=done,
            assets_added=len(added),
            assets_present=len(self._assets.named - added - self._assets.damaged),
            assets_without_rows=alone,
            renamed=tuple(self._renamed),
            problems=tuple(self._problems.named),
            problems_not_named=self._problems.not_named,
        )

    def _choose(self, wanted: Sequence[str] | None) -> Sequence[str]:
        tables = self._file.tables
        if wanted is None:
            views = self._file.views
            return [table for table in tables if table not in views] or tables
        if isinstance(wanted, str):
            raise InvalidInput(f"tables are a list of names, not the text {wanted!r}")
        named = [name if name in tables else self._file.find_table(name) for name in wanted]
        return list(dict.fromkeys(named))

    def _read_extras(self, table: str) -> Extras:
        extras = read_extras(self._file, table)
        for text in extras.unreadable:
            self._problems.add(
                f"a note of an export on table {table!r}",
                f"{text} is no plain value; the cell is taken as it is shown",
                kind="notes",
            )
        return extras

    def _choose_projects(self, extras: Mapping[str, Extras]) -> dict[str, str]:
        """Return the project of each table; those that have names of their own keep them."""
        projects: dict[str, str] = {}
        for table, noted in extras.items():
            project = _project(noted.project) or _project_of(table)
            if project is not None:
                projects[table] = project
        for table in [table for table in extras if table not in projects]:
            clean = "".join(char if char.isprintable() else "_" for char in table)
            base = "local/" + (clean.replace("/", "_").strip()[:100] or "table")
            project, number = base, 1
            while project in projects.values():
                number += 1
                project = f"{base}_{number}"
            projects[table] = project
            self._renamed.append(Renamed(table, None, table, project.partition("/")[2]))
        return projects

    def _open_filler(self, project: str, tables: Sequence[str]) -> None:
        filler = RunFiller(self._store, project, self._assets, dry_run=self._dry_run)
        self._fillers[project] = filler
        names = {escape(name) for table in tables for name in self._file.track_ids(table)}
        filler.prepare({ASSETS_RUN, *names})

    def _import_table(self, table: str, project: str, extras: Extras) -> TableImport:
        columns = self._file.columns(table)
        reader = RowReader(table, columns, extras, self._problems)
        filler = self._fillers[project]
        runs_before = filler.runs_added
        rows = added = left_out = 0
        for batch in self._file.iter_rows(table):
            read = [row for raw in batch if (row := reader.read(raw)) is not None]
            kept = [row for row in read if not self._is_trashed(filler, row, table)]
            rows += len(batch)
            left_out += len(batch) - len(kept)
            added += filler.add(kept, table, reader.names)
            self._done += len(batch)
            self._progress(self._done, max(self._done, self._total))
        self._renamed += reader.renamed
        return TableImport(
            table=table,
            project=project,
            rows=rows,
            rows_added=added,
            rows_present=rows - added - left_out,
            rows_left_out=left_out,
            runs_added=filler.runs_added - runs_before,
            columns=len(columns),
        )

    def _is_trashed(self, filler: RunFiller, row: Row, table: str) -> bool:
        if not filler.is_trashed(row.track_id):
            return False
        self._problems.add(
            f"row of table {table!r} (run {row.track_id!r} at {row.timestamp!r})",
            "its run is in the trash of the store; restore the run and import again",
            kind=f"trash:{table}",
        )
        return True


def _project(name: str | None) -> str | None:
    """Return a project's full name, or None when it is none."""
    try:
        return None if name is None else str(ProjectName.parse(name))
    except InvalidName:
        return None


def _project_of(table: str) -> str | None:
    """Return the project of a table, or None when none can have the table's name."""
    return _project(f"local/{OLD_TABLE if table == NEW_TABLE else table}")
