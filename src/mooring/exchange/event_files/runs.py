"""The content of one run's event files, as values and points."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import SourceUnreadable
from mooring.exchange.event_files.hparams import read_hparams
from mooring.exchange.event_files.histograms import Converted, from_bins, from_limits
from mooring.exchange.event_files.media import Media, media_of
from mooring.exchange.event_files.records import frame, iter_records, mapped
from mooring.exchange.event_files.tags import TagPaths
from mooring.exchange.source import SourceFile, SourceSeries, SourceValue, make_points
from mooring.model import MAX_STEP, MAX_TIME, MIN_TIME, STEP_SCALE, AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

Tell = Callable[[str, str], None]

DESCRIPTIONS = "tensorboard/descriptions/"
DISPLAY_NAMES = "tensorboard/display_names/"
GRAPH = "tensorboard/graph"

_NO_PLUGIN = "(none)"
_SILENT = frozenset({"file_version", "session_log", "source_metadata", None})
"""What says nothing about the run itself."""


@dataclass(slots=True)
class _Points:
    """Points of one type as they are met."""

    codes: array[int] = field(default_factory=lambda: array("i"))
    steps: array[int] = field(default_factory=lambda: array("q"))
    walls: array[float] = field(default_factory=lambda: array("d"))
    values: Any = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def add(self, path: str, step: int, wall: float, value: object) -> None:
        code = self.names.setdefault(path, len(self.names))
        self.codes.append(code)
        self.steps.append(step)
        self.walls.append(wall)
        self.values.append(value)


@dataclass(frozen=True, slots=True)
class RunContent:
    """What the event files of a run hold.

    Attributes
    ----------
    values : attributes that are no series
    points : a table for each series type, as `Source.read_points` returns it
    """

    values: Mapping[str, SourceValue]
    points: Mapping[AttributeType, pa.Table]

    def list_series(self) -> Sequence[SourceSeries]:
        """Return the series, sorted by path."""
        import pyarrow.compute as pc

        found = []
        for type, points in self.points.items():
            for pair in pc.value_counts(points["path"].combine_chunks().dictionary_decode()):
                entry = pair.as_py()
                found.append(SourceSeries(entry["values"], type, entry["counts"]))
        return sorted(found, key=lambda series: series.path)

    def select(self, type: AttributeType, paths: Sequence[str] | None) -> pa.Table:
        """Return the points of these series."""
        import pyarrow as pa
        import pyarrow.compute as pc

        points = self.points.get(type)
        if points is None:
            return make_points(type, [], [], [], [])
        if paths is None:
            return points
        named = points["path"].combine_chunks().dictionary_decode()
        return points.filter(pc.is_in(named, value_set=pa.array(list(paths), pa.string())))


def read_run(files: Sequence[Path], root: Path, tell: Tell) -> RunContent:
    """Read the event files of a run in this order; `tell(what, why)` for what does not come in.

    `root` is the folder from which locations of files are counted.
    """
    reader = _RunReader(root, tell)
    for file in files:
        try:
            reader.read_file(file)
        except SourceUnreadable as error:
            tell(str(file), str(error))
    return reader.finish()


class _RunReader:
    def __init__(self, root: Path, tell: Tell) -> None:
        self._root = root
        self._tell = tell
        self._tags = TagPaths()
        self._plugins: dict[str, str] = {}
        self._values: dict[str, SourceValue] = {}
        self._points = {type: _Points() for type in AttributeType if type.is_series}
        self._points[AttributeType.FLOAT_SERIES].values = array("d")
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._changed: Counter[tuple[str, str]] = Counter()

    def read_file(self, file: Path) -> None:
        from google.protobuf.message import DecodeError
        from tensorboard.compat.proto.event_pb2 import Event

        location = file.relative_to(self._root).as_posix()
        parse = Event.FromString
        with mapped(file) as data:
            frames = frame(data)
            for damage in frames.damages:
                self._tell(f"{file} at byte {damage.offset}", damage.why)
            for offset, payload in iter_records(data, frames):
                if payload is None:
                    self._tell(f"{file} at byte {offset}", "the checksum of a record is wrong")
                    continue
                try:
                    event = parse(payload)
                except DecodeError as error:
                    self._tell(f"{file} at byte {offset}", f"no event: {error}")
                    continue
                what = event.WhichOneof("what")
                if what == "summary":
                    step, wall = event.step, event.wall_time
                    for index, value in enumerate(event.summary.value):
                        self._read_value(value, step, wall, f"{location}#{offset}/{index}")
                elif what not in _SILENT:
                    self._read_other(event, what, f"{location}#{offset}/graph", file)

    def finish(self) -> RunContent:
        for (tag, path), why in self._tags.renamed.items():
            self._tell(f"tag {tag!r}", f"comes in as {path!r}: {why}")
        tables = {}
        for type, points in self._points.items():
            if len(points.steps):
                table = self._make_table(type, points)
                if table.num_rows:
                    tables[type] = table
        for (what, why), count in self._left_out.items():
            self._tell(what, f"{count} left out: {why}")
        for (what, why), count in self._changed.items():
            self._tell(what, f"{count} changed: {why}")
        return RunContent(self._values, tables)

    # -- values of summaries ----------------------------------------------------------------

    def _read_value(self, value: Any, step: int, wall: float, location: str) -> None:
        tag = value.tag
        form = value.WhichOneof("value")
        if value.HasField("metadata"):
            self._read_metadata(tag, value.metadata)
        plugin = self._plugins.get(tag, "")
        if plugin == "hparams":
            return  # all of it is in the metadata
        match form:
            case "simple_value":
                path = self._tags.path(tag, AttributeType.FLOAT_SERIES)
                self._add(AttributeType.FLOAT_SERIES, path, step, wall, value.simple_value)
            case "histo":
                self._read_histo(tag, value.histo, step, wall)
            case "image" | "audio":
                self._read_media(tag, media_of(value, plugin), step, wall, location)
            case "tensor":
                self._read_tensor(tag, plugin, value, step, wall, location)
            case _:
                self._left_out[f"tag {tag!r}", f"no value of a known form ({form})"] += 1

    def _read_metadata(self, tag: str, metadata: Any) -> None:
        plugin = metadata.plugin_data.plugin_name
        if plugin == "hparams":
            self._plugins[tag] = plugin
            for name, value in read_hparams(metadata.plugin_data.content, self._tell).items():
                path = self._tags.path(name, AttributeType.STRING)
                if path in self._values and self._values[path] != value:
                    self._changed[path, "set again with another value; the last one is kept"] += 1
                self._values[path] = value
            return
        if tag in self._plugins:
            return
        self._plugins[tag] = plugin
        if metadata.display_name and metadata.display_name != tag:
            path = self._tags.path(DISPLAY_NAMES + tag, AttributeType.STRING)
            self._values[path] = metadata.display_name
        if metadata.summary_description:
            path = self._tags.path(DESCRIPTIONS + tag, AttributeType.STRING)
            self._values[path] = metadata.summary_description

    def _read_tensor(
        self, tag: str, plugin: str, value: Any, step: int, wall: float, location: str
    ) -> None:
        match plugin:
            case "scalars":
                self._read_scalar(tag, value.tensor, step, wall)
            case "text":
                self._read_text(tag, value.tensor, step, wall)
            case "histograms":
                found = _array(value.tensor)
                if found is None or found.ndim != 2 or found.shape[1] != 3:
                    self._left_out[f"histogram {tag!r}", "no table of three columns"] += 1
                else:
                    bins = found.astype(np.float64).tolist()
                    self._add_histogram(tag, from_bins(bins), step, wall)
            case "images" | "audio":
                self._read_media(tag, media_of(value, plugin), step, wall, location)
            case _:
                why = f"data of the plugin {plugin or _NO_PLUGIN!r} cannot be held"
                self._left_out[f"tag {tag!r}", why] += 1

    def _read_scalar(self, tag: str, tensor: Any, step: int, wall: float) -> None:
        found = _array(tensor)
        if found is None or found.size != 1 or found.dtype.kind not in "fiub":
            self._left_out[f"scalar {tag!r}", "no single number"] += 1
            return
        path = self._tags.path(tag, AttributeType.FLOAT_SERIES)
        number = found.reshape(()).item()
        if isinstance(number, int) and int(float(number)) != number:
            self._changed[path, "an integer that a double does not hold exactly"] += 1
        self._add(AttributeType.FLOAT_SERIES, path, step, wall, float(number))

    def _read_text(self, tag: str, tensor: Any, step: int, wall: float) -> None:
        import json

        path = self._tags.path(tag, AttributeType.STRING_SERIES)
        texts = []
        for raw in tensor.string_val:
            try:
                texts.append(raw.decode())
            except UnicodeDecodeError:
                texts.append(raw.decode(errors="replace"))
                self._changed[path, "text that is no UTF-8; what cannot be read is replaced"] += 1
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        if len(texts) != math.prod(shape):
            self._left_out[f"text {tag!r}", "not as many texts as its shape tells"] += 1
            return
        if len(texts) == 1:
            text = texts[0]
        else:
            text = json.dumps(np.array(texts, object).reshape(shape).tolist(), ensure_ascii=False)
            self._changed[path, f"an array of texts of shape {shape}; it is JSON now"] += 1
        self._add(AttributeType.STRING_SERIES, path, step, wall, text)

    def _read_histo(self, tag: str, histo: Any, step: int, wall: float) -> None:
        limits, counts = list(histo.bucket_limit), list(histo.bucket)
        self._add_histogram(tag, from_limits(limits, counts, histo.min, histo.max), step, wall)
        why = "the smallest and largest value, sum and sum of squares that stand beside the counts"
        self._left_out["histograms of the old form", why] += 1

    def _add_histogram(self, tag: str, found: Converted | str, step: int, wall: float) -> None:
        if isinstance(found, str):
            self._left_out[f"histogram {tag!r}", found] += 1
            return
        path = self._tags.path(tag, AttributeType.HISTOGRAM_SERIES)
        if found.changed:
            self._changed[f"histogram {path!r}", found.changed] += 1
        value = (array("d", found.edges), array("d", found.counts))
        self._add(AttributeType.HISTOGRAM_SERIES, path, step, wall, value)

    def _read_media(
        self, tag: str, media: Sequence[Media] | str, step: int, wall: float, location: str
    ) -> None:
        if isinstance(media, str):
            self._left_out[f"tag {tag!r}", media] += 1
            return
        for number, item in enumerate(media):
            named = tag if number == 0 else f"{tag}/{number}"
            path = self._tags.path(named, AttributeType.FILE_SERIES)
            if item.label:
                self._left_out[f"labels of clips {tag!r}", "a file has no label"] += 1
            name = f"{path.rsplit('/', 1)[-1]}_{step}{item.extension}"
            value = (f"{location}/{item.place}", name, item.mime_type, len(item.content), None)
            self._add(AttributeType.FILE_SERIES, path, step, wall, value)

    def _read_other(self, event: Any, what: str, location: str, file: Path) -> None:
        if what == "graph_def":
            path = self._tags.path(GRAPH, AttributeType.FILE)
            if path in self._values:
                self._changed[path, "written again; the last one is kept"] += 1
            self._values[path] = SourceFile(
                location=location,
                name="graph.pb",
                mime_type="application/octet-stream",
                size_bytes=len(event.graph_def),
            )
            return
        self._left_out[f"{what} in {file.name}", "cannot be held"] += 1

    # -- points -----------------------------------------------------------------------------

    def _add(self, type: AttributeType, path: str, step: int, wall: float, value: object) -> None:
        if not -MAX_STEP <= step <= MAX_STEP:
            self._left_out[path, "steps beyond ±10^12"] += 1
            return
        self._points[type].add(path, step, wall, value)

    def _make_table(self, type: AttributeType, points: _Points) -> pa.Table:
        import pyarrow as pa

        names = list(points.names)
        codes = np.frombuffer(points.codes, np.int32)
        steps = np.frombuffer(points.steps, np.int64)
        micros = np.frombuffer(points.walls, np.float64) * 1e6
        with np.errstate(invalid="ignore"):
            valid = (micros >= MIN_TIME) & (micros <= MAX_TIME)
        for code, count in Counter(codes[~valid].tolist()).items():
            self._changed[names[code], "wall times that are no instants; they are 1970 now"] += count
        times = np.where(valid, np.rint(np.where(valid, micros, 0.0)), 0).astype(np.int64)
        table = make_points(
            type,
            pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string())),
            pa.array(steps * STEP_SCALE),
            pa.array(times),
            _value_array(type, points.values),
        )
        if table.num_rows < len(codes):
            self._tell_repeated(names, codes, steps)
        return table

    def _tell_repeated(self, names: Sequence[str], codes: Any, steps: Any) -> None:
        order = np.lexsort((steps, codes))
        again = (codes[order][1:] == codes[order][:-1]) & (steps[order][1:] == steps[order][:-1])
        for code, count in Counter(codes[order][1:][again].tolist()).items():
            why = "steps written again, as after a restart: the last value of each is kept"
            self._left_out[names[code], why] += count


def _value_array(type: AttributeType, values: Any) -> pa.Array:
    import pyarrow as pa

    from mooring.exchange.source import value_type

    match type:
        case AttributeType.FLOAT_SERIES:
            return pa.array(np.frombuffer(values, np.float64))
        case AttributeType.HISTOGRAM_SERIES:
            return pa.StructArray.from_arrays(
                [pa.array(["COUNTING"] * len(values), pa.string())]
                + [_lists([value[side] for value in values]) for side in range(2)],
                fields=list(value_type(type)),
            )
        case AttributeType.FILE_SERIES:
            kind = value_type(type)
            columns = list(zip(*values, strict=True))
            arrays = [
                pa.array(column, kept.type) for column, kept in zip(columns, kind, strict=True)
            ]
            return pa.StructArray.from_arrays(arrays, fields=list(kind))
        case _:
            return pa.array(values, pa.string())


def _lists(parts: Sequence[array[float]]) -> pa.Array:
    import pyarrow as pa

    offsets = np.zeros(len(parts) + 1, np.int32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    joined = np.concatenate([np.frombuffer(part, np.float64) for part in parts])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(joined))


def _array(tensor: Any) -> Any:
    """Return a tensor as an array, or None when it is none."""
    from tensorboard.util.tensor_util import make_ndarray

    try:
        return make_ndarray(tensor)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return None

