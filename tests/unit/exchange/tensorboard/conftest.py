"""Log directories that real writers wrote: tensorboardX, and the writer of tensorboard itself."""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("tensorboard", "tensorboardX"):
    if find_spec(package) is None:
        reason = f"{package} is not installed; pip install -e '.[dev]'"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason, allow_module_level=True)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@contextmanager
def writing(folder: Path, **options: Any) -> Iterator[Any]:
    """A writer of tensorboardX, which puts its images, hparams and so on into event files."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder), **options) as writer:
        yield writer


@contextmanager
def adding(folder: Path) -> Iterator[Callable[..., None]]:
    """Tensorboard's own writer: `add(value, step, wall)` for any summary value or event."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))

    def add(value: Any = None, step: int = 0, wall: float = 1.7e9, **other: Any) -> None:
        event = Event(step=step, wall_time=wall, **other)
        if value is not None:
            event.summary.value.append(value)
        writer.add_event(event)

    try:
        yield add
    finally:
        writer.close()


def tensor_value(tag: str, plugin: str, data: object, **options: Any) -> Any:
    """A summary value in the new form."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.util.tensor_util import make_tensor_proto

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    tensor = make_tensor_proto(data, **options)
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def wav() -> bytes:
    """A clip of silence."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.zeros(80, np.int16).tobytes())
    return content.getvalue()


def png() -> bytes:
    """A grey image of two by two points."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0\1\2\0\3\4"))
        + chunk(b"IEND", b"")
    )


def event_file(folder: Path) -> Path:
    """The one event file of a folder."""
    (found,) = folder.glob("*tfevents*")
    return found
