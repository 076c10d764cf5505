"""Values and points as TensorBoard's events, appended to one event file."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mooring.errors import TargetRefused
from mooring.exchange.event_files.media import recognise
from mooring.exchange.event_files.records import FILE_VERSION, encode
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 20_000


class EventFile:
    """One event file that is being written; what fails leaves no part of itself in it.

    `size` tells how much of a file that is there counts: what comes behind it is dropped.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self._path = path
        try:
            self._file = path.open("ab", buffering=0)
            self._file.truncate(size)
        except OSError as error:
            raise self._refused(error) from error
        self.size = size

    def write(self, payloads: Iterable[bytes]) -> tuple[int, int]:
        """Append events; return the bytes that they take. The operating system has them then.

        Raises `TargetRefused` when the disk does not take them.
        """
        before = self.size
        batch: list[bytes] = []
        try:
            for payload in payloads:
                batch.append(payload)
                if len(batch) == _BATCH:
                    self._append(batch)
                    batch = []
            self._append(batch)
        except BaseException:
            self.size = before
            self._file.truncate(before)
            raise
        return before, self.size

    def copy(self, other: BinaryIO, size: int) -> tuple[int, int]:
        """Append so many bytes of another event file; return where they are now."""
        before = self.size
        while size and (block := other.read(min(1 << 20, size))):
            self._append_bytes(block)
            size -= len(block)
        return before, self.size

    def sync(self) -> None:
        """Force what was written to the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, payloads: Sequence[bytes]) -> None:
        self._append_bytes(encode(payloads))

    def _append_bytes(self, content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                written = self._file.write(rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> TargetRefused:
        return TargetRefused(f"{self._path} cannot be written: {error}", where=str(self._path))


def encode_head() -> bytes:
    """Return the first event of a file."""
    return _event(FILE_VERSION)


def _event(file_version: str) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    event: bytes = Event(wall_time=time.time(), file_version=file_version).SerializeToString()
    return event


def encode_series(tag: str, type: AttributeType, points: pa.Table, steps: Any) -> Iterator[bytes]:
    """Yield an event for each point of one series; `steps` are whole ones."""
    walls = (points["time"].to_numpy() / 1e6).tolist()
    rows = zip(steps.tolist(), walls, strict=True)
    values = points["value"]
    match type:
        case AttributeType.FLOAT_SERIES:
            return _scalars(tag, rows, values.to_numpy())
        case AttributeType.STRING_SERIES:
            return _texts(tag, rows, values.to_pylist())
        case _:
            return _histograms(tag, rows, values.to_pylist())


def _template(tag: str, plugin: str, data_class: str, dtype: str) -> tuple[Any, Any]:
    """Return an event of one value, to be filled again and again, and its tensor."""
    from tensorboard.compat.proto import summary_pb2, types_pb2
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event()
    value = event.summary.value.add(tag=tag)
    value.metadata.plugin_data.plugin_name = plugin
    value.metadata.data_class = getattr(summary_pb2, f"DATA_CLASS_{data_class}")
    value.tensor.dtype = getattr(types_pb2, f"DT_{dtype}")
    value.tensor.tensor_shape.SetInParent()
    return event, value.tensor


def _scalars(
    tag: str, rows: Iterable[tuple[int, float]], values: np.ndarray[Any, np.dtype[np.float64]]
) -> Iterator[bytes]:
    """Yield scalars as 32-bit numbers, each with the exact one in a field that nobody else reads.

    TensorBoard's data server (its default) shows no scalars of other types than DT_FLOAT.
    """
    event, tensor = _template(tag, "scalars", "SCALAR", "FLOAT")
    tensor.float_val.append(0.0)
    tensor.double_val.append(0.0)
    with np.errstate(over="ignore"):
        short = values.astype(np.float32).tolist()
    for (step, wall), shown, value in zip(rows, short, values.tolist(), strict=True):
        event.step, event.wall_time = step, wall
        tensor.float_val[0], tensor.double_val[0] = shown, value
        yield event.SerializeToString()


def _texts(tag: str, rows: Iterable[tuple[int, float]], values: Sequence[str]) -> Iterator[bytes]:
    event, tensor = _template(tag, "text", "TENSOR", "STRING")
    tensor.string_val.append(b"")
    for (step, wall), value in zip(rows, values, strict=True):
        event.step, event.wall_time, tensor.string_val[0] = step, wall, value.encode()
        yield event.SerializeToString()


def _histograms(
    tag: str, rows: Iterable[tuple[int, float]], values: Sequence[dict[str, Any]]
) -> Iterator[bytes]:
    event, tensor = _template(tag, "histograms", "TENSOR", "DOUBLE")
    rows_, columns = tensor.tensor_shape.dim.add(), tensor.tensor_shape.dim.add()
    columns.size = 3
    for (step, wall), value in zip(rows, values, strict=True):
        edges = np.array(value["edges"], np.float64)
        counts = np.array(value["values"], np.float64)
        table = np.stack([edges[:-1], edges[1:], counts], axis=1)
        event.step, event.wall_time, rows_.size = step, wall, len(counts)
        tensor.tensor_content = table.astype("<f8").tobytes()
        yield event.SerializeToString()


def encode_media(tag: str, step: int, wall: float, content: bytes) -> bytes | None:
    """Return an image or a clip as an event; None for what TensorBoard cannot show."""
    mime_type, _ = recognise(content)
    if mime_type == "audio/wav":
        event, tensor = _template(tag, "audio", "BLOB_SEQUENCE", "STRING")
        strings = [content]
    else:
        size = _image_size(content)
        if size is None:
            return None
        event, tensor = _template(tag, "images", "BLOB_SEQUENCE", "STRING")
        strings = [str(size[0]).encode(), str(size[1]).encode(), content]
    tensor.tensor_shape.dim.add(size=len(strings))
    tensor.string_val.extend(strings)
    event.step, event.wall_time = step, wall
    payload: bytes = event.SerializeToString()
    return payload


def _image_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, GIF or JPEG."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", content, 16)
            return width, height
        if content.startswith(b"GIF8"):
            width, height = struct.unpack_from("<HH", content, 6)
            return width, height
        if content.startswith(b"\xff\xd8"):
            return _jpeg_size(content)
    except struct.error:
        return None
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 4 <= len(content):
        marker, length = struct.unpack_from(">HH", content, place)
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 2 + length
    return None


def encode_hparams(values: dict[str, float | str | bool], wall: float) -> Iterator[bytes]:
    """Yield the two events that TensorBoard's hparams plugin reads."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(start_time_secs=wall)
    experiment = api_pb2.Experiment()
    for name, value in values.items():
        match value:
            case bool():
                start.hparams[name].bool_value, kind = value, api_pb2.DATA_TYPE_BOOL
            case str():
                start.hparams[name].string_value, kind = value, api_pb2.DATA_TYPE_STRING
            case _:
                start.hparams[name].number_value, kind = value, api_pb2.DATA_TYPE_FLOAT64
        experiment.hparam_infos.add(name=name, type=kind)
    for tag, data in (
        (metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment)),
        (
            metadata.SESSION_START_INFO_TAG,
            plugin_data_pb2.HParamsPluginData(session_start_info=start),
        ),
    ):
        event = Event(wall_time=wall)
        value_ = event.summary.value.add(tag=tag)
        value_.metadata.CopyFrom(metadata.create_summary_metadata(data))
        value_.tensor.CopyFrom(metadata.NULL_TENSOR)
        yield event.SerializeToString()
