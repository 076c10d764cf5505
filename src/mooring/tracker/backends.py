"""The library of the data frames that trackers and readers return: pandas or polars.

The choice holds for the whole process, threads that begin later included. Return types are
annotated as pandas frames, which they are unless polars was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from mooring.errors import InvalidInput, MissingExtra
from mooring.store.contract import EventTable
from mooring.tracker.frames import TIMESTAMP, arrow_to_frame, few_to_frame, narrow, to_arrow

_FEW_ROWS = 64
"""Up to so many, a frame is made of Python's values faster than of Arrow's columns."""

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ONLY_NONE = frozenset({type(None)})

BackendName = Literal["pandas", "polars"]

_chosen: BackendName = "pandas"
_in_block: ContextVar[BackendName | None] = ContextVar("mooring_backend", default=None)


def set_backend(name: Literal["pandas", "polars", "auto"]) -> None:
    """Choose the library of all data frames of trackers and readers, for the whole process.

    "auto" is pandas when it is installed, else polars.

    Raises
    ------
    InvalidInput
        For another name.
    MissingExtra
        When the library is not installed; it says how to install it.

    Examples
    --------
    >>> set_backend("auto")
    >>> get_backend()
    'pandas'
    """
    global _chosen
    _chosen = _resolve(name)


def get_backend() -> BackendName:
    """Return the library in use, "pandas" or "polars"."""
    return _in_block.get() or _chosen


@contextmanager
def use_backend(name: Literal["pandas", "polars", "auto"]) -> Iterator[None]:
    """Choose the library for the code of a `with` block, in this thread or task only.

    >>> with use_backend("polars"):
    ...     get_backend()
    'polars'
    >>> get_backend()
    'pandas'
    """
    token = _in_block.set(_resolve(name))
    try:
        yield
    finally:
        _in_block.reset(token)


def _resolve(name: object) -> BackendName:
    if name not in ("pandas", "polars", "auto"):
        raise InvalidInput(f"Unknown backend {name!r}; choose 'pandas', 'polars' or 'auto'")
    if name == "polars" or (name == "auto" and find_spec("pandas") is None):
        if find_spec("polars") is None:
            raise MissingExtra("polars", extra="polars")
        return "polars"
    return "pandas"


# frames of either library


def event_frame(table: EventTable, ids: Mapping[int, str]) -> pd.DataFrame:
    """Return one row for each event in the library in use; for columns see `frames.to_frame`.

    In polars a missing cell is null and NaN is NaN; a column of mixed types keeps its objects.
    """
    if 0 < len(table) <= _FEW_ROWS and get_backend() == "pandas":
        return few_to_frame(table, ids)
    return arrow_frame(to_arrow(table, ids))


def arrow_frame(arrow: pa.Table) -> pd.DataFrame:
    """Return a table as `frames.to_arrow` makes it in the library in use; see `event_frame`."""
    if get_backend() == "pandas":
        return arrow_to_frame(arrow)
    import polars as pl

    from mooring.store.tables import decode, is_mixed

    columns = []
    for field in arrow.schema:
        column = arrow[field.name]
        if is_mixed(field):
            columns.append(pl.Series(field.name, decode(field, column), pl.Object))
        else:
            columns.append(pl.Series(field.name, pl.from_arrow(column)))
    return pl.DataFrame(columns)  # type: ignore[return-value]


def rows_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return dicts as rows, less those that hold nothing but None, in the library in use.

    Columns are in the order in which they appear, each of the narrowest type that holds its values
    exactly. NaN is a value; in pandas a column of floats shows what is missing as NaN too.

    >>> rows_frame([{"epoch": 1, "loss": 0.5}, {"loss": None}, {"epoch": 2}])
       epoch  loss
    0      1   0.5
    1      2   NaN
    """
    kept = [row for row in rows if not _ONLY_NONE.issuperset(map(type, row.values()))]
    names = dict.fromkeys(chain.from_iterable(kept))
    columns = {name: [row.get(name) for row in kept] for name in names}
    if get_backend() == "pandas":
        import pandas as pd

        return pd.DataFrame({name: narrow(values) for name, values in columns.items()})
    import polars as pl

    series = []
    for name, values in columns.items():
        kinds = {type(value) for value in values} - {type(None)}
        if kinds == {int, float}:
            series.append(pl.Series(name, values, pl.Float64, strict=False))
        elif len(kinds) > 1 or kinds & {dict, list}:
            series.append(pl.Series(name, values, pl.Object))
        else:
            series.append(pl.Series(name, values))
    return pl.DataFrame(series)  # type: ignore[return-value]


def in_backend(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a pandas frame in the library in use; its index is dropped by polars."""
    if get_backend() == "pandas":
        return frame
    import polars as pl

    columns = []
    for name, column in frame.items():
        if column.dtype == object and _is_mixed(column):
            cells = [None if _is_missing(cell) else cell for cell in column]
            columns.append(pl.Series(str(name), cells, pl.Object))
        else:
            columns.append(pl.from_pandas(column, nan_to_null=False).alias(str(name)))
    return pl.DataFrame(columns)  # type: ignore[return-value]


def _is_mixed(column: pd.Series) -> bool:
    """Return whether a column of objects holds several types, or one that Arrow has none for."""
    kinds = {type(cell) for cell in column if not _is_missing(cell)}
    return len(kinds) > 1 or not kinds <= {str, bytes, bool, int, float}


def _is_missing(cell: object) -> bool:
    import pandas as pd

    return cell is None or cell is pd.NA or cell is pd.NaT


def by_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows sorted by their timestamp; equal ones keep their order."""
    if _is_polars(frame):
        in_polars: Any = frame
        return in_polars.sort(TIMESTAMP, maintain_order=True)  # type: ignore[no-any-return]
    return frame.sort_values(TIMESTAMP, kind="stable", ignore_index=True)


def write_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame as CSV, without an index."""
    if _is_polars(frame):
        _mixed_as_text(frame).write_csv(path)
    else:
        frame.to_csv(path, index=False)


def write_parquet(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame as Parquet, without an index; a column of mixed types is written as text."""
    if _is_polars(frame):
        _mixed_as_text(frame).write_parquet(path)
        return
    mixed = {
        str(name): column.map(str, na_action="ignore")
        for name, column in frame.items()
        if column.dtype == object and _is_mixed(column)
    }
    frame.assign(**mixed).to_parquet(path, index=False)


def _is_polars(frame: Any) -> bool:
    return type(frame).__module__.partition(".")[0] == "polars"


def _mixed_as_text(frame: Any) -> Any:
    import polars as pl

    return frame.with_columns(
        pl.Series(name, [None if cell is None else str(cell) for cell in frame[name]], pl.String)
        for name, dtype in frame.schema.items()
        if dtype == pl.Object
    )
