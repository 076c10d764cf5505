"""SQL on tracker's tables and on runs, by DuckDB: `tracker.conn`.

DuckDB never opens the store's file (two copies of SQLite in one process would drop each other's
locks, see docs/decisions/0006): it is given the rows as Arrow, sealed and not sealed alike, and
keeps a copy of them in memory. (Asked on Arrow itself it would leave filters to Arrow, for which
NaN is not greater than every number.) So it needs no extension. Tables that a statement names are
brought up to date before it runs.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from mooring.model import ProjectName
from mooring.store.contract import Store, TableColumn
from mooring.tracker.run_tables import RUN_TABLES

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_ARROW = "mooring_arrow"
_ASSETS = "assets:"
"""Key of the list of assets; a project has a slash in its name."""
_OF_RUNS = "runs:"
"""What the keys of tables of all runs begin with; they are read when a statement is of them."""
_LOCAL = "mooring:local"
"""Column of a copied table: its time, in microseconds of the local clock."""


class Tables(Protocol):
    """Where the tables of a connection come from."""

    def names(self) -> dict[str, str]:
        """Return the tables: what each is called in SQL, and its key for `load`."""
        ...

    def load(self, key: str, version: str) -> tuple[str, pa.Table, str] | None:
        """Return version, rows and the list of columns of a view on them; None: no change."""
        ...


class SqlConnection:
    """A connection of DuckDB whose schema `db` holds the tables of a store, always current.

    Everything that `duckdb.DuckDBPyConnection` has is here; see its documentation. The tables of
    the store cannot be changed by SQL; tables that a statement creates are in memory.

    Examples
    --------
    >>> from mooring import Tracker
    >>> tracker = Tracker(Tracker.IN_MEMORY)
    >>> row = tracker.log_batch([{"accuracy": 0.7}, {"accuracy": 0.9}])
    >>> tracker.conn.execute("SELECT accuracy FROM db.events WHERE accuracy > 0.8").fetchall()
    [(0.9,)]
    >>> tracker.close()
    """

    def __init__(self, tables: Tables) -> None:
        import duckdb

        self._tables = tables
        self._versions: dict[str, str] = {}
        self._lock = threading.RLock()
        self._duckdb = duckdb.connect()
        # Views in `db` on copies in `mooring`: what is deleted from a view is refused.
        self._duckdb.execute("ATTACH ':memory:' AS mooring")
        self._duckdb.execute("ATTACH ':memory:' AS db")
        self._duckdb.execute("USE db")

    def execute(self, query: object, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Run a statement; read the result by `fetchall()`, `df()`, `pl()`, `arrow()` …"""
        with self._lock:
            self._refresh(query)
            if parameters is None:
                return self._duckdb.execute(query)  # type: ignore[arg-type]
            return self._duckdb.execute(query, parameters)  # type: ignore[arg-type]

    def sql(self, query: str, **options: Any) -> duckdb.DuckDBPyRelation:
        """Return a query as a relation of DuckDB."""
        with self._lock:
            self._refresh(query)
            return self._duckdb.sql(query, **options)

    query = sql

    def table(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return a table as a relation of DuckDB."""
        with self._lock:
            self._refresh(name)
            return self._duckdb.table(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._duckdb, name)

    def __repr__(self) -> str:
        return f"SqlConnection(tables={sorted(self._tables.names())})"

    def close(self) -> None:
        """Close the connection of DuckDB."""
        self._duckdb.close()

    def _refresh(self, query: object) -> None:
        """Bring those tables up to date whose names occur in a statement."""
        text = query.casefold() if isinstance(query, str) else None
        names = self._tables.names()
        for name in self._versions.keys() - names.keys():
            self._duckdb.execute(f"DROP VIEW IF EXISTS db.main.{_quoted(name)}")
            del self._versions[name]
        for name, key in names.items():
            named = name.casefold().replace('"', '""')
            if key.startswith(_OF_RUNS):
                wanted = text is None or _is_of(text, named)
            else:
                wanted = text is None or named in text or _lists_tables(text)
            if wanted:
                self._load(name, key)

    def _load(self, name: str, key: str) -> None:
        loaded = self._tables.load(key, self._versions.get(name, ""))
        if loaded is None:
            return
        version, rows, columns = loaded
        copied = f"mooring.main.{_quoted(name)}"
        view = f"db.main.{_quoted(name)}"
        self._duckdb.execute(f"DROP VIEW IF EXISTS {view}")
        self._duckdb.register(_ARROW, rows)
        try:
            self._duckdb.execute(f"CREATE OR REPLACE TABLE {copied} AS SELECT * FROM {_ARROW}")
        finally:
            self._duckdb.unregister(_ARROW)
        self._duckdb.execute(f"CREATE VIEW {view} AS SELECT {columns} FROM {copied}")
        self._versions[name] = version


class StoreTables:
    """The tracker's tables of a store: its projects, those of the workspace `local` by their name.

    `assets` lists the assets, as `Assets.list` does; `attributes`, `points` and `texts` hold those
    of all runs, see `mooring.tracker.run_tables`. A tracker's table that is called so goes before.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def names(self) -> dict[str, str]:
        """Return the tables by name; `default` is another name of `events`."""
        found = {}
        for project in self._store.list_projects():
            name = ProjectName.parse(project)
            found[name.name if name.workspace == "local" else project] = project
        if "events" in found:
            found["default"] = found["events"]
        found.setdefault("assets", _ASSETS)
        for table in RUN_TABLES:
            found.setdefault(table, _OF_RUNS + table)
        return found

    def load(self, key: str, version: str) -> tuple[str, pa.Table, str] | None:
        """Return the rows of a table when they are not those of this version."""
        from mooring.tracker.frames import local_micros, track_ids

        if key == _ASSETS:
            return self._load_assets(version)
        if key.startswith(_OF_RUNS):
            return "read", RUN_TABLES[key.removeprefix(_OF_RUNS)](self._store), "*"
        columns = self._store.list_columns(key)
        table = self._store.read_events(key, columns=[column.name for column in columns])
        if version and table.version == version:
            return None
        import pyarrow as pa

        rows = pa.table(
            [track_ids(self._store, table), pa.array(local_micros(table.times))]
            + [table.cells.column(i) for i in range(len(columns))],
            names=["track_id", _LOCAL, *(f"c{i}" for i in range(len(columns)))],
        )
        return table.version, rows, ", ".join(_expressions(columns, table.cells.schema))

    def _load_assets(self, version: str) -> tuple[str, pa.Table, str] | None:
        import pyarrow as pa

        from mooring.tracker.assets.objects import Assets

        entries = Assets(self._store, "", lambda: nullcontext(self._store)).list()
        if version == str(entries):
            return None
        names = ("hash", "key", "size_bytes", "compressed", "runs")
        types = (pa.string(), pa.string(), pa.int64(), pa.bool_(), pa.list_(pa.string()))
        columns = [
            pa.array([getattr(entry, name) for entry in entries], type_)
            for name, type_ in zip(names, types, strict=True)
        ]
        return str(entries), pa.table(columns, names=names), "*"


def _expressions(columns: Sequence[TableColumn], schema: pa.Schema) -> Iterator[str]:
    from mooring.store.tables import is_mixed

    yield "track_id"
    yield f"strftime(make_timestamp({_quoted(_LOCAL)}), '%Y-%m-%d %H:%M:%S.%f') AS timestamp"
    for i, (column, field) in enumerate(zip(columns, schema, strict=True)):
        cell = f"c{i}"
        if is_mixed(field):
            # A list is a cell that JSON has no word for: its tag, then its text.
            text = (
                f"CASE json_type({cell}) WHEN 'ARRAY' THEN CASE {cell}->>'$[0]' WHEN 'h' THEN "
                f"{cell} ELSE {cell}->>'$[1]' END ELSE {cell}->>'$' END"
            )
            if column.sql_type != "VARCHAR":
                text = f"CASE {text} WHEN 'true' THEN '1' WHEN 'false' THEN '0' ELSE {text} END"
            cell = f"CAST({text} AS {column.sql_type})"
        elif str(field.type) != "binary":
            cell = f"CAST({cell} AS {column.sql_type})"
        yield f"{cell} AS {_quoted(column.sql_name)}"


def _is_of(text: str, name: str) -> bool:
    """Tell whether a statement names a table where tables stand, and not only a column."""
    return re.search(rf'(\bfrom|\bjoin|\.)\s*"?{re.escape(name)}\b', text) is not None


def _lists_tables(text: str) -> bool:
    return "show" in text or "duckdb_" in text or "information_schema" in text


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
