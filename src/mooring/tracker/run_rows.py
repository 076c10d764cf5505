"""The reading half of a tracker: the rows of its run, as frames, columns and SQL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidInput
from mooring.store.contract import EventTable, Store
from mooring.tracker import backends
from mooring.tracker.assets.objects import Assets
from mooring.tracker.assets.writing import AssetWriter
from mooring.tracker.frames import RESERVED, reversed_rows, run_ids, to_row
from mooring.tracker.session import Session
from mooring.tracker.sql import SqlConnection, StoreTables

if TYPE_CHECKING:
    import pandas as pd


class RunRows:
    """Reads what the run of a session logged, and the table that it belongs to."""

    _session: Session
    _asset_writer: AssetWriter

    @property
    def store(self) -> Store:
        """The store that holds the table."""
        return self._session.store

    @property
    def assets(self) -> Assets:
        """The assets of the store; what is inserted here is an asset of this run."""
        return Assets(
            self.store,
            self._session.run.project,
            lambda: contextlib.nullcontext(self.store),
            run=self._session.run,
            writer=self._asset_writer,
        )

    @cached_property
    def conn(self) -> SqlConnection:
        """DuckDB with the store's tables as `db.<table>`; see `mooring.tracker.sql`."""
        return SqlConnection(StoreTables(self.store))

    def to_df(self, all: bool = False) -> pd.DataFrame:
        """Return the rows of this run, or those of every run of the table, oldest first.

        Columns: `track_id`, `timestamp` (local time, as text), then keys as they appeared.
        """
        return self._frame(self._read(all=all))

    def head(self, n: int = 5) -> pd.DataFrame:
        """Return the first n rows of this run."""
        return self._frame(self._read(first=n))

    def tail(self, n: int = 5) -> pd.DataFrame:
        """Return the last n rows of this run, newest first."""
        return self._frame(reversed_rows(self._read(last=n)))

    def to_csv(self, path: str | os.PathLike[str], all: bool = False) -> None:
        """Write the rows of this run, or those of every run, as CSV without an index."""
        backends.write_csv(self.to_df(all), path)

    def to_parquet(self, path: str | os.PathLike[str], all: bool = False) -> None:
        """Write the rows of this run, or those of every run, as Parquet without an index.

        A column of mixed types is written as text.
        """
        backends.write_parquet(self.to_df(all), path)

    def count_run(self) -> int:
        """Return how many rows this run has."""
        return len(self)

    def count_all(self) -> int:
        """Return how many rows the table has."""
        return self.store.count_events(self._session.run.project)

    def __getitem__(self, key: str | int) -> Any:
        """Return a column of this run by its name, or a row of the table by its number.

        Rows count from 1, over all runs of the table, oldest first; a number past the end gives
        None. A column is a Series, a row a dict without the cells that it lacks.
        """
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, bool) or not isinstance(key, int):
            raise InvalidInput(f"a tracker takes the name of a column or a row number, not {key!r}")
        if key < 1:
            raise InvalidInput(f"rows count from 1; there is no row {key}")
        table = self._read(all=True, first=key)
        if key > len(table):
            return None
        return to_row(table, run_ids(self.store, table), key - 1)

    def __len__(self) -> int:
        """Return how many rows this run has."""
        run = self._session.run
        return self.store.count_events(run.project, [run.key])

    def __bool__(self) -> bool:
        return True

    __iter__ = None
    """Rows count from 1 and columns have names, so that iteration would surprise either way."""

    def _column(self, name: str) -> pd.Series:
        return self._frame(self._read(columns=() if name in RESERVED else [name]))[name]

    def _read(
        self,
        *,
        all: bool = False,
        columns: Sequence[str] | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> EventTable:
        run = self._session.run
        keys = None if all else [run.key]
        return self.store.read_events(run.project, keys, columns=columns, first=first, last=last)

    def _frame(self, table: EventTable) -> pd.DataFrame:
        run = self._session.run
        own = bool((table.runs == run.key).all())
        ids = {run.key: run.run_id} if own else run_ids(self.store, table)
        return backends.event_frame(table, ids)

    # assets

    def get(self, key: str) -> Any:
        """Return a logged object by its hash, or by the column that it was logged under last.

        This unpickles it, which runs code of whoever logged it. See `Assets.get` for the errors.
        """
        return self.assets.get(key)

    def get_bytes(self, key: str) -> bytes:
        """Return the cloudpickle bytes of an asset, which are checked and not loaded."""
        return self.assets.get_bytes(key)
