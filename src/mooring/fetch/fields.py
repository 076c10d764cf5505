"""Fields of a run: one class for each type of attribute."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, cast

import pyarrow as pa

from mooring.errors import TypeMismatch
from mooring.fetch.download import download_blob, resolve_target, safe_name
from mooring.fetch.formats import parse_format
from mooring.fetch.points import StepRange, point_value, series_frame
from mooring.fetch.progress import ProgressBar
from mooring.model import AttributeType, FileRef, Histogram, step_from_micros

if TYPE_CHECKING:
    from mooring.fetch.run import ReadOnlyRun

T = TypeVar("T")


class Field(Generic[T]):
    """One attribute of a run. `run[path]` makes it; nothing is read until a method is called.

    Attributes
    ----------
    path, type : which attribute, and its type
    """

    __slots__ = ("_run", "path", "type")

    methods: ClassVar[tuple[str, ...]] = ("fetch",)
    """The calls that this type has."""

    def __init__(self, run: ReadOnlyRun, path: str, type: AttributeType) -> None:
        self._run = run
        self.path = path
        self.type = type

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, run={self._run.with_id!r})"

    def fetch(self) -> T:
        """Return the value, as prefetched or else as it is in the store now."""
        return cast(T, self._run._read_value(self.path))

    def fetch_last(self) -> T | None:
        """Return the last value of a series; `TypeMismatch` for any other type."""
        self._refuse("fetch_last")

    def fetch_values(self, *args: Any, **options: Any) -> Any:
        """Return the points of a series; `TypeMismatch` for any other type."""
        self._refuse("fetch_values")

    def download(self, destination: str | os.PathLike[str] | None = None) -> Any:
        """Write a file; `TypeMismatch` for any other type."""
        self._refuse("download")

    def _refuse(self, method: str) -> NoReturn:
        raise TypeMismatch(self.path, type=self.type, method=method, instead=self.methods)


class Integer(Field[int]):
    """A whole number."""


class Float(Field[float]):
    """A number."""


class String(Field[str]):
    """A text."""


class Boolean(Field[bool]):
    """A truth value."""


class Datetime(Field[datetime]):
    """An instant, in UTC."""


class ObjectState(Field[str]):
    """The state of a run: `active` or `inactive`."""


class StringSet(Field[set[str]]):
    """A set of texts, such as tags."""

    def fetch(self) -> set[str]:
        """Return the set, which is yours to change."""
        return set(super().fetch())


class File(Field[FileRef]):
    """A file."""

    methods = ("fetch", "download")

    def download(self, destination: str | os.PathLike[str] | None = None) -> Path:
        """Write the file, whole or not at all, and return where it is.

        Parameters
        ----------
        destination : a folder (one that exists, or a path that ends with `/`), where the file
            gets the name it was logged under; or the path of the file to write. None: the
            current folder. Only the last part of the logged name is used, so a file cannot leave
            the folder.
        """
        file = self.fetch()
        default = safe_name(self.path)
        return download_blob(
            self._run._store, file, resolve_target(destination, safe_name(file.name, default))
        )


class Series(Field[T | None]):
    """Points of steps, values and timestamps."""

    methods: ClassVar[tuple[str, ...]] = ("fetch", "fetch_last", "fetch_values")

    def fetch_last(self) -> T | None:
        """Return the last value, as prefetched or else as it is in the store now."""
        return self.fetch()

    def fetch_values(
        self,
        include_timestamp: bool = True,
        *,
        include_inherited: bool = True,
        step_range: StepRange = (None, None),
        progress_bar: ProgressBar = False,
        include_point_previews: bool = False,
        format: str = "pandas",
    ) -> Any:
        """Return all points, ordered by step.

        Parameters
        ----------
        include_timestamp : whether the frame has the column `timestamp`
        include_inherited : whether points of the runs that this one was forked from are shown
        step_range : first and last step, both included; None leaves an end open
        progress_bar : accepted for Neptune's sake; one series is read too fast for a bar
        include_point_previews : whether provisional points are shown, and the columns `preview`
            and `completion_ratio` (1.0 for final points)
        format : `pandas`, `polars` or `arrow`

        Returns
        -------
        DataFrame
            `step` (float64), `value` (float64 or object), `timestamp` (datetime, UTC) in this
            order. Series that `prefetch_series_values` read with the same options are not read
            again.
        """
        frame_format = parse_format(format)
        points = self._run._read_points(
            self.path,
            self.type,
            include_inherited=include_inherited,
            step_range=step_range,
            include_previews=include_point_previews,
        )
        return series_frame(
            points,
            frame_format,
            include_timestamp=include_timestamp,
            include_previews=include_point_previews,
        )


class FloatSeries(Series[float]):
    """A metric."""


class StringSeries(Series[str]):
    """Lines of text."""


class HistogramSeries(Series[Histogram]):
    """Histograms."""


class FileSeries(Series[FileRef]):
    """Files, one a step."""

    methods = ("fetch", "fetch_last", "fetch_values", "download")

    def download(
        self,
        destination: str | os.PathLike[str] | None = None,
        *,
        step_range: StepRange = (None, None),
    ) -> list[Path]:
        """Write the files of a range of steps to a folder, and return where they are.

        Each is named by its step and the name it was logged under, as in `step_2.5_sample.png`.
        """
        folder = Path.cwd() if destination is None else Path(destination)
        points: pa.Table = self._run._read_points(
            self.path,
            self.type,
            include_inherited=True,
            step_range=step_range,
            include_previews=False,
        )
        written = []
        for micros, value in zip(
            points.column("step").to_pylist(), points.column("value").to_pylist(), strict=True
        ):
            file = cast(FileRef, point_value(value))
            name = f"step_{step_from_micros(micros):.6f}".rstrip("0").rstrip(".")
            leaf = safe_name(f"{name}_{safe_name(file.name, safe_name(self.path))}")
            written.append(download_blob(self._run._store, file, folder / leaf))
        return written


_CLASSES: dict[AttributeType, type[Field[Any]]] = {
    AttributeType.INT: Integer,
    AttributeType.FLOAT: Float,
    AttributeType.STRING: String,
    AttributeType.BOOL: Boolean,
    AttributeType.DATETIME: Datetime,
    AttributeType.RUN_STATE: ObjectState,
    AttributeType.STRING_SET: StringSet,
    AttributeType.FILE: File,
    AttributeType.FILE_SET: File,
    AttributeType.ARTIFACT: File,
    AttributeType.FLOAT_SERIES: FloatSeries,
    AttributeType.STRING_SERIES: StringSeries,
    AttributeType.HISTOGRAM_SERIES: HistogramSeries,
    AttributeType.FILE_SERIES: FileSeries,
}


def make_field(run: ReadOnlyRun, path: str, type: AttributeType) -> Field[Any]:
    """Return the field of an attribute; types that only Neptune 2.x has make a plain one."""
    return _CLASSES.get(type, Field)(run, path, type)
