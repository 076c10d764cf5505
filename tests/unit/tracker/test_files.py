"""Files come from paths, bytes and open files, with a name and a media type."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO

import pytest

from mooring.errors import InvalidValue
from mooring.model import FileRef
from mooring.tracker.files import File

CONTENT = b"\x89PNG something"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def put_blob(source: BinaryIO | bytes) -> tuple[str, int]:
    content = source if isinstance(source, bytes) else source.read()
    return hashlib.sha256(content).hexdigest(), len(content)


def test_path(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(CONTENT)
    expected = FileRef(digest=DIGEST, size_bytes=14, mime_type="image/png", name="plot.png")
    assert File(path).store("charts/loss", put_blob) == expected
    assert File(str(path)).store("charts/loss", put_blob) == expected


@pytest.mark.parametrize("content", [CONTENT, bytearray(CONTENT), memoryview(CONTENT)])
def test_bytes_are_named_after_the_attribute(content: bytes) -> None:
    assert File(content).store("charts/loss.png", put_blob) == FileRef(
        digest=DIGEST, size_bytes=14, mime_type="image/png", name="loss.png"
    )


def test_name_and_type_can_be_said() -> None:
    ref = File(io.BytesIO(CONTENT), name="a.bin", mime_type="x/y").store("f", put_blob)
    assert (ref.name, ref.mime_type, ref.digest) == ("a.bin", "x/y", DIGEST)


def test_unknown_extensions_are_octets() -> None:
    assert File(b"", name="a.qqq").store("f", put_blob).mime_type == "application/octet-stream"


def test_open_file(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        assert File(opened).store("f", put_blob).name == "plot.png"
    with path.open(errors="replace") as opened, pytest.raises(InvalidValue, match="binary mode"):
        File(opened).store("f", put_blob)  # type: ignore[arg-type]


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"'model'.*missing.bin.*No such file"):
        File(tmp_path / "missing.bin").store("model", put_blob)
    with pytest.raises(InvalidValue, match="'model'"):
        File(tmp_path).store("model", put_blob)
    with pytest.raises(InvalidValue, match="not by a int"):
        File(5).store("model", put_blob)  # type: ignore[arg-type]
