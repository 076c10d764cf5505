"""Names that try something, and very long bodies: taken as data, or refused with a code."""

from __future__ import annotations

import json
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.wire.neptune3.requests import MAX_IDS, MAX_UPDATES, Code
from mooring.wire.neptune3.schema import message
from tests.serving import HubProcess, HubThread
from tests.unit.hub.doors.neptune3.writing import (
    PROJECT,
    Writer,
    batch,
    configs,
    creation,
    points,
)

ODD = [
    "../../etc/passwd",
    "/absolute",
    "a\\..\\b",
    "..",
    "%2e%2e%2f",
    "' OR 1=1 --",
    '"; DROP TABLE runs; --',
    "<script>alert(1)</script>",
    "$(touch x)",
    "{path}",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "日本/語",
    " leading and trailing ",
    "a" * 1024,
    "*?[x]",
    "CON",
]
VALUES = "/api/leaderboard/v1/proto/leaderboard/attributes/query?projectIdentifier=" + PROJECT


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubThread]:
    started = HubThread(tmp_path / "data" / "runs.db")
    yield started
    started.stop()


@pytest.fixture
def writer(hub: HubThread) -> Writer:
    return Writer(hub, hub.admin)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[None]:
    """Nothing appears beside the folder of the store."""
    (tmp_path / "data").mkdir()
    yield
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def values(writer: Writer, run_id: str) -> dict[str, int]:
    asked = {
        "experimentIdsFilter": [f"CUSTOM/{PROJECT}/{run_id}"],
        "attributeFilter": [{"attributeType": "int"}],
        "nextPage": {"limit": 1000},
    }
    answer = writer.post(VALUES, json.dumps(asked).encode())
    found = message("ProtoQueryAttributesResultDTO").FromString(answer)
    return {
        each.name: each.int_properties.value
        for entry in found.entries
        for each in entry.attributes
        if not each.name.startswith("sys/")
    }


def test_names_of_attributes_are_data(writer: Writer) -> None:
    writer.create()
    given = {name: number for number, name in enumerate(ODD)}
    told = writer.told(batch(configs(given)))
    # Two that name no attribute here: the others come back as they were sent.
    kept = values(writer, "r")
    assert told.get(Code.FIELD_PATH_INVALID, 0) == len(given) - len(kept)
    assert kept == {name: number for name, number in given.items() if name in kept}
    assert set(ODD) - set(kept) <= {"/absolute", "..", "../../etc/passwd"}


@pytest.mark.parametrize("name", [name for name in ODD if "/" not in name and len(name) < 700])
def test_ids_of_runs_are_data(writer: Writer, name: str) -> None:
    assert writer.create(name) == {Code.OK: 1}
    assert writer.told(batch(configs({"n": 1}), run_id=name)) == {Code.OK: 1}
    assert values(writer, name) == {"n": 1}


@pytest.mark.parametrize("name", ["a/../b", "/b", "a/", "a/b/c", "\0/b", ""])
def test_names_that_are_no_project(hub: HubThread, writer: Writer, name: str) -> None:
    (code,) = writer.told(creation("r", name))
    assert code in (Code.PROJECT_INVALID_NAME, Code.PROJECT_NOT_FOUND)
    assert hub.hub.store.list_projects() == []


def test_very_many_attributes_at_once(writer: Writer) -> None:
    writer.create()
    many = {f"layer-{number}/gradient": 0.5 for number in range(100_000)}
    assert writer.told(batch(points(1, many), points(2, many))) == {Code.OK: 200_000}


def field(number: int, data: bytes) -> bytes:
    """Return a field of a message that holds bytes."""
    length, size = len(data), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def test_very_many_updates_of_nothing(writer: Writer) -> None:
    writer.create()
    head = field(1, PROJECT.encode()) + field(2, b"r")
    good = points(1, {"good": 1.0}).SerializeToString()
    nothing = field(1, b"") * 100_000
    body = head + field(8, nothing + field(1, good) + field(1, field(1, b"")) + nothing)
    answer = writer.post("/api/client/v1/ingest", body)
    id = message("SubmitResponse").FromString(answer).request_ids[-1]
    assert writer.check(id) == [{Code.OK: 1}]
    stepped = field(1, field(1, b"")) * (MAX_UPDATES + 1)
    for path, refused in (
        ("/api/client/v1/ingest", head + field(8, stepped)),
        ("/api/client/v1/ingest/check", field(1, b"") * (MAX_IDS + 1)),
    ):
        with pytest.raises(urllib.error.HTTPError) as error:
            writer.post(path, refused)
        assert error.value.code == 400
        error.value.close()


def told_at_once(hub: HubProcess, writer: Writer, length: int) -> int:
    """Return the status that answers a request before its body has come."""
    head = (
        f"POST /api/client/v1/ingest HTTP/1.1\r\nhost: hub\r\ncontent-length: {length}\r\n"
        f"authorization: Bearer {writer.access}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", hub.port), timeout=30) as client:
        client.sendall(head.encode())
        return int(client.recv(12).split()[1])


def test_long_bodies(tmp_path: Path) -> None:
    """16 MiB are taken, 33 are not, and what was refused is not held."""
    hub = HubProcess(tmp_path / "data" / "runs.db")
    try:
        writer = Writer(hub, hub.admin)
        writer.create()
        text = "x" * 1_000_000
        update = batch(*(configs({f"text-{number}": text}) for number in range(16)))
        assert writer.told(update) == {Code.OK: 16}
        before = psutil.Process(hub.process.pid).memory_info().rss
        assert told_at_once(hub, writer, 33 << 20) == 413
        # Zeros are a message of very many fields that none may have.
        with pytest.raises(urllib.error.HTTPError) as error:
            writer.post("/api/client/v1/ingest", bytes(31 << 20))
        assert error.value.code == 400
        error.value.close()
        nested = b"[" * (8 << 20)
        with pytest.raises(urllib.error.HTTPError) as error:
            writer.post(VALUES, nested)
        assert error.value.code == 400
        error.value.close()
        head = field(1, PROJECT.encode()) + field(2, b"r")
        writer.post("/api/client/v1/ingest", head + field(8, field(1, b"") * (4 << 20)))
        for path, nothing in (
            ("/api/client/v1/ingest", head + field(8, field(1, field(1, b"")) * (4 << 20))),
            ("/api/client/v1/ingest/check", field(1, b"") * (8 << 20)),
        ):
            with pytest.raises(urllib.error.HTTPError) as error:
                writer.post(path, nothing)
            assert error.value.code == 400
            error.value.close()
        assert psutil.Process(hub.process.pid).memory_info().rss < before + (200 << 20)
        assert writer.told(batch(points(1, {"good": 1.0}))) == {Code.OK: 1}
    finally:
        hub.kill()
