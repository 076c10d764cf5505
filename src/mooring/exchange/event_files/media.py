"""Images and audio in event files: the encoded bytes as they were written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mooring.errors import SourceUnreadable
from mooring.exchange.event_files.records import read_record


@dataclass(frozen=True, slots=True)
class Media:
    """One image or clip; `place` is the number of its text in the tensor."""

    content: bytes
    mime_type: str
    extension: str
    place: int = 0
    label: str = ""


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (b"GIF8", "image/gif", ".gif"),
    (b"BM", "image/bmp", ".bmp"),
    (b"fLaC", "audio/flac", ".flac"),
    (b"OggS", "audio/ogg", ".ogg"),
    (b"ID3", "audio/mpeg", ".mp3"),
)


def recognise(content: bytes) -> tuple[str, str]:
    """Return media type and extension by the first bytes.

    >>> recognise(b"RIFF....WAVE"), recognise(b"?")
    (('audio/wav', '.wav'), ('application/octet-stream', '.bin'))
    """
    if content[:4] == b"RIFF":
        return {b"WAVE": ("audio/wav", ".wav"), b"WEBP": ("image/webp", ".webp")}.get(
            content[8:12], ("application/octet-stream", ".bin")
        )
    for magic, mime_type, extension in _MAGIC:
        if content.startswith(magic):
            return mime_type, extension
    return "application/octet-stream", ".bin"


def media_of(value: Any, plugin: str) -> Sequence[Media] | str:
    """Return the images or clips of a summary value, or why there are none."""
    match value.WhichOneof("value"):
        case "image":
            return [_media(value.image.encoded_image_string)]
        case "audio":
            return [_media(value.audio.encoded_audio_string)]
    strings = list(value.tensor.string_val)
    if plugin == "images":
        if len(strings) < 3:
            return "holds no image"
        # Width and height come first.
        return [_media(content, place) for place, content in enumerate(strings[2:], 2)]
    if not strings:
        return "holds no clip"
    shape = [dim.size for dim in value.tensor.tensor_shape.dim]
    if len(shape) != 2 or shape[1] != 2 or len(strings) % 2:
        return [_media(content, place) for place, content in enumerate(strings)]
    return [
        _media(strings[place], place, strings[place + 1].decode(errors="replace"))
        for place in range(0, len(strings), 2)
    ]


def read_content(root: Path, location: str) -> bytes:
    """Return the bytes at `file#offset/value/place` (`file#offset/graph`), below `root`."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    file, _, place = location.rpartition("#")
    parts = place.split("/")
    if not file or ".." in Path(file).parts or Path(file).is_absolute():
        raise SourceUnreadable(f"{location!r} is no place in an event file", where=location)
    try:
        event = Event.FromString(read_record(root / file, int(parts[0])))
        if parts[1:] == ["graph"]:
            return bytes(event.graph_def)
        value = event.summary.value[int(parts[1])]
        match value.WhichOneof("value"):
            case "image":
                content = value.image.encoded_image_string
            case "audio":
                content = value.audio.encoded_audio_string
            case _:
                content = value.tensor.string_val[int(parts[2])]
    except (ValueError, IndexError, DecodeError) as error:
        raise SourceUnreadable(f"{location!r} holds no file: {error}", where=location) from error
    return bytes(content)


def _media(content: bytes, place: int = 0, label: str = "") -> Media:
    return Media(content, *recognise(content), place, label)
