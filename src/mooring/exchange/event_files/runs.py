"""The content of one run's event files, as values and points."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mooring.errors import SourceUnreadable
from mooring.exchange.event_files.histograms import Converted, from_bins, from_limits
from mooring.exchange.event_files.hparams import read_hparams
from mooring.exchange.event_files.media import Media, media_of
from mooring.exchange.event_files.records import frame, iter_records, mapped
from mooring.exchange.reading.gathering import Gathered, RunContent, Tell
from mooring.exchange.source import SourceFile, SourceValue
from mooring.model import STEP_SCALE, AttributeType

DESCRIPTIONS = "tensorboard/descriptions/"
DISPLAY_NAMES = "tensorboard/display_names/"
GRAPH = "tensorboard/graph"

_MAX_ELEMENTS = 10_000_000
_DT_FLOAT = 1
_NO_PLUGIN = "(none)"
_SILENT = frozenset({"file_version", "session_log", "source_metadata", None})
"""What says nothing about the run itself."""


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
        self._gathered = Gathered()
        self._plugins: dict[str, str] = {}
        self._values: dict[str, SourceValue] = {}

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
        return self._gathered.finish(self._values, self._tell)

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
                path = self._gathered.tags.path(tag, AttributeType.FLOAT_SERIES)
                self._add(AttributeType.FLOAT_SERIES, path, step, wall, value.simple_value)
            case "histo":
                self._read_histo(tag, value.histo, step, wall)
            case "image" | "audio":
                self._read_media(tag, media_of(value, plugin), step, wall, location)
            case "tensor":
                self._read_tensor(tag, plugin, value, step, wall, location)
            case _:
                self._gathered.left_out[f"tag {tag!r}", f"no value of a known form ({form})"] += 1

    def _read_metadata(self, tag: str, metadata: Any) -> None:
        plugin = metadata.plugin_data.plugin_name
        if plugin == "hparams":
            self._plugins[tag] = plugin
            for name, value in read_hparams(metadata.plugin_data.content, self._tell).items():
                path = self._gathered.tags.path(name, AttributeType.STRING)
                if path in self._values and self._values[path] != value:
                    self._gathered.changed[
                        path, "set again with another value; the last one is kept"
                    ] += 1
                self._values[path] = value
            return
        if plugin:
            self._plugins[tag] = plugin  # later values of the tag may come without
        if metadata.display_name and metadata.display_name != tag:
            path = self._gathered.tags.path(DISPLAY_NAMES + tag, AttributeType.STRING)
            self._values[path] = metadata.display_name
        if metadata.summary_description:
            path = self._gathered.tags.path(DESCRIPTIONS + tag, AttributeType.STRING)
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
                    self._gathered.left_out[f"histogram {tag!r}", "no table of three columns"] += 1
                else:
                    bins = found.astype(np.float64).tolist()
                    self._add_histogram(tag, from_bins(bins), step, wall)
            case "images" | "audio":
                self._read_media(tag, media_of(value, plugin), step, wall, location)
            case _:
                why = f"data of the plugin {plugin or _NO_PLUGIN!r} cannot be held"
                self._gathered.left_out[f"tag {tag!r}", why] += 1

    def _read_scalar(self, tag: str, tensor: Any, step: int, wall: float) -> None:
        if tensor.dtype == _DT_FLOAT and len(tensor.float_val) == 1:
            path = self._gathered.tags.path(tag, AttributeType.FLOAT_SERIES)
            self._add(AttributeType.FLOAT_SERIES, path, step, wall, _exact(tensor))
            return
        found = _array(tensor)
        if found is None or found.size != 1 or found.dtype.kind not in "fiub":
            self._gathered.left_out[f"scalar {tag!r}", "no single number"] += 1
            return
        path = self._gathered.tags.path(tag, AttributeType.FLOAT_SERIES)
        number = found.reshape(()).item()
        if isinstance(number, int) and int(float(number)) != number:
            self._gathered.changed[path, "an integer that a double does not hold exactly"] += 1
        self._add(AttributeType.FLOAT_SERIES, path, step, wall, float(number))

    def _read_text(self, tag: str, tensor: Any, step: int, wall: float) -> None:
        path = self._gathered.tags.path(tag, AttributeType.STRING_SERIES)
        texts = []
        for raw in tensor.string_val:
            try:
                texts.append(raw.decode())
            except UnicodeDecodeError:
                texts.append(raw.decode(errors="replace"))
                self._gathered.changed[
                    path, "text that is no UTF-8; what cannot be read is replaced"
                ] += 1
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        if len(texts) != math.prod(shape):
            self._gathered.left_out[f"text {tag!r}", "not as many texts as its shape tells"] += 1
            return
        if len(texts) == 1:
            text = texts[0]
        else:
            text = json.dumps(np.array(texts, object).reshape(shape).tolist(), ensure_ascii=False)
        self._add(AttributeType.STRING_SERIES, path, step, wall, text)

    def _read_histo(self, tag: str, histo: Any, step: int, wall: float) -> None:
        limits, counts = list(histo.bucket_limit), list(histo.bucket)
        self._add_histogram(tag, from_limits(limits, counts, histo.min, histo.max), step, wall)
        why = "the smallest and largest value, sum and sum of squares that stand beside the counts"
        self._gathered.left_out["histograms of the old form", why] += 1

    def _add_histogram(self, tag: str, found: Converted | str, step: int, wall: float) -> None:
        if isinstance(found, str):
            self._gathered.left_out[f"histogram {tag!r}", found] += 1
            return
        path = self._gathered.tags.path(tag, AttributeType.HISTOGRAM_SERIES)
        if found.changed:
            self._gathered.changed[f"histogram {path!r}", found.changed] += 1
        value = (array("d", found.edges), array("d", found.counts))
        self._add(AttributeType.HISTOGRAM_SERIES, path, step, wall, value)

    def _read_media(
        self, tag: str, media: Sequence[Media] | str, step: int, wall: float, location: str
    ) -> None:
        if isinstance(media, str):
            self._gathered.left_out[f"tag {tag!r}", media] += 1
            return
        for number, item in enumerate(media):
            named = tag if number == 0 else f"{tag}/{number}"
            path = self._gathered.tags.path(named, AttributeType.FILE_SERIES)
            if item.label:
                self._gathered.left_out[f"labels of clips {tag!r}", "a file has no label"] += 1
            name = f"{path.rsplit('/', 1)[-1]}_{step}{item.extension}"
            value = (f"{location}/{item.place}", name, item.mime_type, len(item.content), None)
            self._add(AttributeType.FILE_SERIES, path, step, wall, value)

    def _read_other(self, event: Any, what: str, location: str, file: Path) -> None:
        if what == "graph_def":
            path = self._gathered.tags.path(GRAPH, AttributeType.FILE)
            if path in self._values:
                self._gathered.changed[path, "written again; the last one is kept"] += 1
            self._values[path] = SourceFile(
                location=location,
                name="graph.pb",
                mime_type="application/octet-stream",
                size_bytes=len(event.graph_def),
            )
            return
        self._gathered.left_out[f"{what} in {file.name}", "cannot be held"] += 1

    def _add(self, type: AttributeType, path: str, step: int, wall: float, value: object) -> None:
        self._gathered.add(type, path, step * STEP_SCALE, wall, value)


def _exact(tensor: Any) -> float:
    """Return the 32-bit number of a tensor, or the exact one that our own target puts beside it.

    TensorBoard shows the short one, and reads no other.
    """
    short: float = tensor.float_val[0]
    if len(tensor.double_val) != 1:
        return short
    exact: float = tensor.double_val[0]
    if math.isfinite(short):
        return exact if abs(exact - short) <= max(abs(short) * 1.2e-7, 1.5e-45) else short
    return exact if math.isnan(exact) == math.isnan(short) else short


def _array(tensor: Any) -> Any:
    """Return a tensor as an array, or None when it is none."""
    from tensorboard.util.tensor_util import make_ndarray

    size = math.prod(dim.size for dim in tensor.tensor_shape.dim)
    if not 0 <= size <= _MAX_ELEMENTS:
        return None  # a shape is a claim: one value would be repeated as often as it says
    try:
        return make_ndarray(tensor)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return None
