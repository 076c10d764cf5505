"""`neptune-scale`'s own uploader, and Azure's client, against the hub's files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.hub.doors.neptune3 import files
from mooring.model import AttributeType, FileRef, RunInfo
from mooring.store.contract import PathSelector, SeriesQuery
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess, HubThread, free_port

PROJECT = "ann/digits"

LOGGING = """
import sys
from pathlib import Path
from neptune_scale import Run
from neptune_scale.types import File

def told(error, *_):
    print("ERROR", type(error).__name__, flush=True)

def open_run(run_id, **given):
    return Run(
        project="ann/digits", run_id=run_id, enable_console_log_capture=False,
        on_error_callback=told, **given,
    )

if __name__ == "__main__":
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubThread]:
    started = HubThread(tmp_path / "runs.db")
    yield started
    started.stop()


def log(token: str, folder: Path, body: str, **environment: str) -> list[str]:
    """Run lines of a user's script; return the errors that their client told them."""
    folder.mkdir(exist_ok=True)
    script = LOGGING + "\n".join("    " + line for line in body.strip().splitlines())
    printed = find_peer("neptune_scale").run(
        script, cwd=folder, NEPTUNE_API_TOKEN=token, **environment
    )
    return [line for line in printed.splitlines() if line.startswith("ERROR")]


def find(hub: HubThread, run_id: str) -> RunInfo:
    run = hub.hub.store.find_run(PROJECT, run_id=run_id)
    assert run is not None
    return run


def content(hub: HubThread, file: FileRef) -> bytes:
    with hub.hub.store.open_blob(file.digest) as stream:
        return stream.read()


def points(hub: HubThread, run: RunInfo, path: str) -> list[tuple[int, FileRef]]:
    select = PathSelector(paths=(path,), types=frozenset({AttributeType.FILE_SERIES}))
    rows = hub.hub.store.read_series([run.key], select, SeriesQuery()).to_pylist()
    return [(row["step"], FileRef(**row["value"])) for row in rows]


def test_files_and_series_of_files(hub: HubThread, tmp_path: Path) -> None:
    said = log(
        hub.token("ann"),
        tmp_path / "client",
        """
Path("notes.txt").write_text("a file")
Path("empty.bin").write_bytes(b"")
run = open_run("one")
run.assign_files({
    "from/path": "notes.txt",
    "from/bytes": b"in memory",
    "from/empty": "empty.bin",
    "chosen": File(b"<p>", mime_type="text/html", destination="../my/../page.html"),
})
for step in (3, 1, 2):
    run.log_files({"images": File(str(step).encode(), mime_type="image/png")}, step=step)
run.wait_for_processing()
run.close()
""",
    )
    assert said == []
    run = find(hub, "one")
    expected = {
        "from/path": (b"a file", "text/plain"),
        "from/bytes": (b"in memory", None),
        "from/empty": (b"", None),
        "chosen": (b"<p>", "text/html"),
    }
    for path, (held, mime_type) in expected.items():
        file = hub.hub.store.get_value(run.key, path)[1]
        assert content(hub, file) == held
        assert file.size_bytes == len(held)
        assert mime_type in (None, file.mime_type)
    assert hub.hub.store.get_value(run.key, "chosen")[1].name == "../my/../page.html"
    found = [(step, content(hub, file)) for step, file in points(hub, run, "images")]
    assert found == [(1_000_000, b"1"), (2_000_000, b"2"), (3_000_000, b"3")]
    assert hub.hub.store.check().ok


def test_one_attribute_assigned_again(hub: HubThread, tmp_path: Path) -> None:
    said = log(
        hub.token("ann"),
        tmp_path / "client",
        """
run = open_run("one")
for text in ("first", "other"):
    Path("model.pt").write_text(text)
    run.assign_files({"model": "model.pt"})
    run.wait_for_processing()
run.close()
""",
    )
    assert said == []
    file = hub.hub.store.get_value(find(hub, "one").key, "model")[1]
    assert content(hub, file) == b"other"


def test_a_long_file_in_parts(
    hub: HubThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MULTIPART_FROM", 1 << 20)
    monkeypatch.setattr(files, "_PART_BYTES", 1 << 20)
    said = log(
        hub.token("ann"),
        tmp_path / "client",
        """
Path("long.bin").write_bytes(bytes(range(256)) * (5 << 12) + b"end")
run = open_run("one")
run.assign_files({"long": "long.bin"})
run.wait_for_processing()
run.close()
""",
    )
    assert said == []
    file = hub.hub.store.get_value(find(hub, "one").key, "long")[1]
    assert content(hub, file) == bytes(range(256)) * (5 << 12) + b"end"
    assert not list((hub.settings.data / "uploads").iterdir())


def test_a_file_that_cannot_be_taken(tmp_path: Path) -> None:
    hub = HubThread(tmp_path / "runs.db", max_upload_bytes=10)
    said = log(
        hub.token("ann"),
        tmp_path / "client",
        """
run = open_run("one")
run.assign_files({"long": b"eleven bytes", "short": b"ten"})
run.wait_for_processing()
run.close()
""",
    )
    assert said == ["ERROR NeptuneFileUploadError"]
    run = find(hub, "one")
    assert not hub.hub.store.get_value(run.key, "long")[1].has_content
    assert content(hub, hub.hub.store.get_value(run.key, "short")[1]) == b"ten"
    hub.stop()


def test_a_hub_that_is_killed_meanwhile(tmp_path: Path) -> None:
    """Each file whose upload the client holds for done is there; the client does the rest."""
    hub = HubProcess(tmp_path / "runs.db", port=free_port())
    ended = threading.Event()
    kills = []

    def kill() -> None:
        for _ in range(2):
            seen = len(hub.requests)
            while not any(line.get("method") == "PUT" for line in hub.requests[seen:]):
                if ended.wait(0.01):
                    return
            hub.kill()
            hub.start()
            kills.append(seen)

    admin = hub.admin
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        said = log(
            admin,
            tmp_path / "client",
            """
run = open_run("one")
for step in range(60):
    run.log_files({"images": str(step).encode() * 20_000}, step=step)
    run.assign_files({f"files/{step}": str(step).encode()})
run.wait_for_processing()
run.close()
""",
        )
    finally:
        ended.set()
        killer.join()
        hub.stop()
    assert kills
    assert not [line for line in said if line == "ERROR NeptuneFileUploadError"]
    after = HubThread(tmp_path / "runs.db")
    run = find(after, "one")
    found = [(step, content(after, file)) for step, file in points(after, run, "images")]
    assert found == [(n * 1_000_000, str(n).encode() * 20_000) for n in range(60)]
    for step in range(60):
        file = after.hub.store.get_value(run.key, f"files/{step}")[1]
        assert content(after, file) == str(step).encode()
    after.stop()


AZURE = """
import json, os, sys
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.storage.blob import BlobClient

def read(url):
    client = BlobClient.from_blob_url(url, max_single_get_size=10, max_chunk_get_size=7)
    try:
        return client.download_blob(max_concurrency=2).readall().decode()
    except ResourceNotFoundError:
        return "missing"
    except ClientAuthenticationError as error:
        return "expired" if "Signed expiry time" in str(error) else "refused"

print(json.dumps([read(url) for url in json.loads(sys.argv[1])]))
"""


def test_azures_client_downloads(hub: HubThread, tmp_path: Path) -> None:
    from mooring.hub.doors.neptune3.links import Grant, StorageLinks
    from mooring.store.uploads import Upload
    from mooring.wire.neptune3.storage import Provider

    store = hub.hub.store
    store.create_project(PROJECT)
    long = "0123456789" * 10
    for path, text in (("a/../b", long), ("empty", "")):
        store.enter_upload(PROJECT, path, Upload(*store.put_blob(text.encode())))
    links = StorageLinks(hub.hub.links, hub.address)
    urls = [
        links.sign(
            Grant(action="get", project=PROJECT, path=path), seconds=60, provider=Provider.AZURE
        )
        for path in ("a/../b", "empty", "missing")
    ]
    urls.append(urls[0].replace("se=2", "se=1"))
    urls.append(urls[0].replace("sig=", "sig=x"))
    printed = find_peer("neptune_scale").run(AZURE, json.dumps(urls), cwd=tmp_path)
    assert json.loads(printed) == [long, "", "missing", "expired", "refused"]
