"""The runs of one project that an import fills."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mooring.errors import InvalidInput
from mooring.exchange.sources.xetrack.assets import AssetSource
from mooring.exchange.sources.xetrack.rows import Row
from mooring.model import FileRef, RunInfo, RunKind, RunSpec, micros_from_datetime
from mooring.store.contract import PathSelector, RunQuery, RunWriter, Store
from mooring.tracker.assets.objects import asset_path, is_asset_path
from mooring.tracker.frames import local_texts
from mooring.tracker.xetrack.times import parse_timestamp

FIRST_TIMESTAMP = "xetrack/first_timestamp"
"""Attribute of an imported run: its first timestamp, with the offset from UTC that was taken."""

TABLES = "xetrack/tables"
"""Attribute of an imported run: the tables of the file that its rows were in."""

_OPEN_WRITERS = 64
_ASSETS = r"^assets/[0-9a-f]{16}$"


class RunFiller:
    """Adds rows to the runs of a project that are not there yet, and assets to the runs.

    A row is there when its run has one of the same time; of several in the file with one time as
    many are added as there are fewer. With `dry_run` it only counts.
    """

    def __init__(self, store: Store, project: str, assets: AssetSource, *, dry_run: bool) -> None:
        self._store = store
        self._project = project
        self._assets = assets
        self._dry_run = dry_run
        self._exists = project in store.list_projects()
        self._runs: dict[str, RunInfo] = {}
        self._new: set[str] = set()
        self._present: dict[str, Counter[str]] = {}
        self._first: dict[str, str] = {}
        self._tables: dict[str, set[str]] = {}
        self._held: set[tuple[str, str]] = set()
        self._writers: OrderedDict[str, RunWriter] = OrderedDict()
        self._columns: set[str] = set()
        if self._exists:
            self._columns = {column.name for column in store.list_columns(project)}
            query = RunQuery(project=project, kinds=tuple(RunKind), trashed=None)
            self._runs = {run.run_id: run for run in store.query_runs(query).runs}
        self.assets_added: set[str] = set()
        self.runs_added = 0

    def prepare(self, track_ids: Collection[str]) -> None:
        """Look up what the runs of these names hold already: once, for all rows that will come.

        Raises
        ------
        InvalidInput
            When they were imported in another time zone: their rows would all come in twice.
        """
        known = [self._runs[name] for name in track_ids if name in self._runs]
        if not known:
            return
        self._read_attributes(known)
        table = self._store.read_events(self._project, [run.key for run in known], columns=())
        names = {run.key: run.run_id for run in known}
        self._present = {run.run_id: Counter() for run in known}
        texts = local_texts(table.times).to_pylist()
        for key, text in zip(table.runs.tolist(), texts, strict=True):
            self._present[names[key]][text] += 1

    def is_trashed(self, track_id: str) -> bool:
        """Return whether the user has put the run of this name into the trash."""
        run = self._runs.get(track_id)
        return run is not None and run.trashed

    def add(self, rows: Sequence[Row], table: str, names: Sequence[str]) -> int:
        """Add those rows that are missing, in their order; return how many.

        `names` are the columns of their table, which come to be in this order.
        """
        missing = self._missing(rows)
        for run in _consecutive(missing):
            self._touch(run[0], table)
            self._put_assets(run)
            batch: list[tuple[Mapping[str, Any], int | None]] = [
                (row.cells, row.time) for row in run
            ]
            if not self._columns.issuperset(names):
                batch[0] = (dict.fromkeys(names) | run[0].cells, run[0].time)
                self._columns.update(names)
            if not self._dry_run:
                self._writer(run[0].track_id).log_events(batch)
        if self._assets:
            self._adopt(rows)
        return len(missing)

    def add_assets(self, run_id: str, assets: Iterable[tuple[str, str]]) -> int:
        """Give a run without rows the assets of these hashes and names; return how many."""
        count = 0
        for hash_value, name in assets:
            self._ensure_run(run_id, None)
            count += self._give(run_id, {hash_value: name})
        return count

    def close(self) -> None:
        """End the activity of the runs."""
        while self._writers:
            self._writers.popitem()[1].close()

    def _missing(self, rows: Sequence[Row]) -> list[Row]:
        if not any(row.track_id in self._present for row in rows):
            return list(rows)
        import numpy as np

        texts = local_texts(np.array([row.time for row in rows])).to_pylist()
        missing = []
        for row, text in zip(rows, texts, strict=True):
            present = self._present.get(row.track_id)
            if present is not None and present[text] > 0:
                present[text] -= 1
            else:
                missing.append(row)
        return missing

    def _touch(self, row: Row, table: str) -> None:
        """Make the run of a row, and note where it comes from."""
        name = row.track_id
        self._ensure_run(name, row.time)
        if name not in self._first:
            self._first[name] = _with_offset(row)
            if not self._dry_run:
                self._writer(name).assign({FIRST_TIMESTAMP: self._first[name]})
        if table not in self._tables.setdefault(name, set()):
            self._tables[name].add(table)
            if not self._dry_run:
                self._writer(name).change_set(TABLES, add=[table])

    def _ensure_run(self, name: str, created: int | None) -> None:
        if name in self._runs or name in self._new:
            return
        self.runs_added += 1
        self._new.add(name)
        if not self._dry_run:
            spec = RunSpec(project=self._project, run_id=name, created=created)
            self._runs[name] = self._store.create_run(spec)

    def _put_assets(self, rows: Sequence[Row]) -> None:
        if self._assets:
            self._give(rows[0].track_id, self._named_by(rows))

    def _adopt(self, rows: Sequence[Row]) -> None:
        """Give runs the assets of rows that were there before, as a killed import may not have."""
        for run in _consecutive(rows):
            self._give(run[0].track_id, self._named_by(run))

    def _named_by(self, rows: Sequence[Row]) -> dict[str, str]:
        return {
            value: name
            for row in rows
            for name, value in row.cells.items()
            if type(value) is str and value in self._assets
        }

    def _give(self, run_id: str, assets: Mapping[str, str]) -> int:
        """Make assets, given as hash and column, files of a run that does not have them."""
        self._assets.named.update(assets)
        files: dict[str, FileRef] = {}
        for hash_value, column in assets.items():
            if (run_id, hash_value) in self._held:
                continue
            self._held.add((run_id, hash_value))
            if file := self._assets.put(hash_value, column):
                files[asset_path(hash_value)] = file
                self.assets_added.add(hash_value)
        if files and not self._dry_run:
            self._writer(run_id).assign(files)
        return len(assets.keys() - self._assets.damaged)

    def _writer(self, name: str) -> RunWriter:
        writer = self._writers.get(name)
        if writer is None:
            if len(self._writers) >= _OPEN_WRITERS:
                self._writers.popitem(last=False)[1].close()
            writer = self._writers[name] = self._store.open_writer(self._runs[name].key)
        self._writers.move_to_end(name)
        return writer

    def _read_attributes(self, runs: Sequence[RunInfo]) -> None:
        select = PathSelector(paths=(FIRST_TIMESTAMP, TABLES), patterns=(_ASSETS,))
        for column in self._store.read_attributes([run.key for run in runs], select):
            for row, value in zip(column.rows, column.values, strict=True):
                name = runs[row].run_id
                if column.path == FIRST_TIMESTAMP:
                    _check_zone(name, value)
                    self._first[name] = value
                elif column.path == TABLES:
                    self._tables[name] = set(value)
                elif is_asset_path(column.path):
                    self._held.add((name, column.path.rpartition("/")[2]))


def _consecutive(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """Yield the stretches of rows that are of one run."""
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end].track_id != rows[start].track_id:
            yield rows[start:end]
            start = end


def _with_offset(row: Row) -> str:
    local = datetime.fromtimestamp(row.time // 1_000_000).astimezone()
    return local.replace(microsecond=row.time % 1_000_000).isoformat(" ", "microseconds")


def _check_zone(run: str, noted: object) -> None:
    """Refuse to go on with a run whose timestamps would now be other instants."""
    try:
        first = datetime.fromisoformat(str(noted))
        taken = micros_from_datetime(first)
        text = first.replace(tzinfo=None).isoformat(" ", "microseconds")
        now = {parse_timestamp(text), parse_timestamp(text, not_before=taken)}
    except ValueError:
        return  # somebody else's attribute of that name
    if first.tzinfo is not None and taken not in now:
        raise InvalidInput(
            f"run {run!r} was imported when {text} was {noted}, and in the time zone of this "
            "computer it is another instant: all rows would come in twice. Nothing was imported; "
            "set TZ to the time zone of the first import and try again"
        )
