"""A hub that is killed between two steps of what Neptune's writers ask of it.

A watcher in the hub kills it when a named function begins or ends. The client sends the same again
to a hub that was started anew, and then all is there, once.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.model import FileRef
from mooring.store import open_store
from mooring.store.contract import PathSelector, SeriesQuery, Store
from mooring.wire.neptune3.requests import Code
from tests.serving import HubProcess
from tests.unit.hub.doors.neptune3.writing import PROJECT, Writer, batch, configs, creation, points

OTHERS = [False] if os.environ.get("MOORING_TEST_PROFILE") == "long" else []
ORDERS = {True: "files-first", False: "updates-first"}
BRIDGE = "/api/storagebridge/v1"
WATCHED = """
import os, signal, sys, threading
from pathlib import Path
from mooring.hub.doors.neptune3 import files

armed, points = Path(sys.argv[1]), set(sys.argv[2].split(","))
del sys.argv[1:3]
files.MULTIPART_FROM, files._PART_BYTES = 1 << 16, 1 << 16  # parts, without long files

def look(frame, event, argument):
    if event in ("call", "return"):
        if "/mooring/" not in frame.f_code.co_filename:
            return
        point = f"{event} {frame.f_code.co_qualname}"
        if point in points and armed.exists() and armed.read_text() == point:
            armed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

threading.setprofile(look)  # the threads that answer are started later
from mooring.cli import main
main()
"""

WRITING = [
    "call SqliteStore.await_files",
    "return SqliteStore.await_files",
    "call SqliteStore.append_once",
    "return SqliteStore.append_once",  # all is committed, and no file given yet
    "call SqliteStore.give_uploads",
    "return SqliteStore.give_uploads",
    "return Ingest.submit",
]
UPLOADING = [
    "call SqliteStore.put_blob",
    "return SqliteStore.put_blob",
    "return Accounts.note_upload",
    "call SqliteStore.enter_upload",
    "return SqliteStore.enter_upload",
]
IN_PARTS = [
    "call Parts.keep",
    "return Parts.keep",
    "return Parts.find",
    "return SqliteStore.put_blob",
    "return SqliteStore.enter_upload",  # the parts are still there
    "return Files.complete",
]
CREATING = ["call SqliteStore.create_run", "return SqliteStore.create_run"]
LONG_FILE = bytes(range(256)) * 600


class Site:
    """A hub that can be told to kill itself, and a client that repeats what got no answer."""

    def __init__(self, folder: Path) -> None:
        self.armed = folder / "armed"
        names = ",".join({*WRITING, *UPLOADING, *IN_PARTS, *CREATING})
        program = ("-c", WATCHED, str(self.armed), names)
        self.hub = HubProcess(folder / "runs.db", program=program)
        self.client = Writer(self.hub, self.hub.admin)
        self.kills = 0

    def arm(self, point: str) -> None:
        """Kill the hub when it comes there for the first time."""
        self.armed.write_text(point)

    def again(self, act: Callable[[], Any]) -> Any:
        """Do it, and once more when the hub was killed."""
        try:
            return act()
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException):
            assert not self.armed.exists()
            self.hub.kill()
            self.hub.start()
            self.kills += 1
            return act()

    def told(self, operation: Any) -> dict[Code, int]:
        return self.again(lambda: self.client.told(operation))  # type: ignore[no-any-return]

    def upload(self, path: str, content: bytes) -> None:
        """Upload as clients do: in parts when the hub wants it."""
        asked = {
            "path": path,
            "permission": "write",
            "project_identifier": PROJECT,
            "size": len(content),
        }
        answer = self._post(f"{BRIDGE}/signedUrl", {"files": [asked]})
        told = json.loads(answer)["files"][0]
        if told.get("multipart") is None:
            self.again(lambda: put(told["url"], content))
            return
        size, etags = told["multipart"]["part_size"], []
        for number, url in enumerate(told["multipart"]["part_urls"]):
            part = content[number * size : (number + 1) * size]
            etags.append(self.again(lambda url=url, part=part: put(url, part)))  # type: ignore[misc]
        parts = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        ended = {
            "upload_id": told["multipart"]["upload_id"],
            "project_identifier": PROJECT,
            "path": path,
            "parts": parts,
        }
        self.again(lambda: self._post(f"{BRIDGE}/s3/completeMultipartUpload", ended))

    def _post(self, path: str, body: object) -> bytes:
        request = urllib.request.Request(
            self.hub.address + path,
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.client.access}",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            read: bytes = answer.read()
            return read


def put(url: str, content: bytes) -> str:
    request = urllib.request.Request(url, data=content, method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["etag"].strip('"'))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    if site.hub.process.poll() is None:
        site.hub.kill()


def updates(run_id: str) -> Any:
    """Return a batch with all kinds of operations, and one that is refused."""
    change = configs({})
    change.modify_sets["sys/tags"].string.values["tag"] = 1
    return batch(
        points(1, {"loss": 1.5}),
        points(None, {"chosen": 7.0, "line": "text"}),
        points(3, {"images": ("file", f"{run_id}/image")}),
        configs({"kind": "text", "one": ("file", f"{run_id}/one"), "other": ("file", "nothing")}),
        configs({"kind": 5}),
        change,
        run_id=run_id,
    )


TOLD = {Code.OK: 8, Code.FIELD_TYPE_CONFLICTING: 1}


def check(store: Store, run_id: str, image: bytes, one: bytes) -> None:
    """All of `updates` is there, once."""
    run = store.find_run(PROJECT, run_id=run_id)
    assert run is not None

    def series(path: str) -> list[tuple[int, Any]]:
        kind, _ = store.get_value(run.key, path)
        select = PathSelector(paths=(path,), types=frozenset({kind}))
        rows = store.read_series([run.key], select, SeriesQuery()).to_pylist()
        return [(row["step"] // 1_000_000, row["value"]) for row in rows]

    assert series("loss") == [(1, 1.5)]
    assert series("chosen") == [(0, 7.0)]
    assert series("line") == [(0, "text")]
    assert store.get_value(run.key, "kind")[1] == "text"
    assert store.get_value(run.key, "sys/tags")[1] == {"tag"}
    assert not store.get_value(run.key, "other")[1].has_content
    ((step, held),) = series("images")
    assert step == 3
    for file, content in ((FileRef(**held), image), (store.get_value(run.key, "one")[1], one)):
        with store.open_blob(file.digest) as stream:
            assert stream.read() == content


@pytest.mark.parametrize("files_first", [True, *OTHERS], ids=ORDERS.get)
def test_a_kill_while_updates_come(site: Site, files_first: bool) -> None:
    for number, point in enumerate(WRITING):
        run_id = f"run {number}"
        assert site.told(creation(run_id)) == {Code.OK: 1}
        if files_first:
            site.upload(f"{run_id}/image", b"image")
            site.upload(f"{run_id}/one", b"one")
        site.arm(point)
        assert site.told(updates(run_id)) == TOLD
        assert site.kills == number + 1, point
        if not files_first:
            site.upload(f"{run_id}/image", b"image")
            site.upload(f"{run_id}/one", b"one")
        assert site.told(updates(run_id)) == TOLD
    check_all(site, len(WRITING), b"image", b"one")


@pytest.mark.parametrize("files_first", [False, *(not other for other in OTHERS)], ids=ORDERS.get)
def test_a_kill_while_files_come(site: Site, files_first: bool) -> None:
    steps = [(point, b"one") for point in UPLOADING] + [(point, LONG_FILE) for point in IN_PARTS]
    for number, (point, content) in enumerate(steps):
        run_id = f"run {number}"
        assert site.told(creation(run_id)) == {Code.OK: 1}
        if not files_first:
            assert site.told(updates(run_id)) == TOLD
        site.arm(point)
        site.upload(f"{run_id}/image", content)
        assert site.kills == number + 1, point
        site.upload(f"{run_id}/one", b"one")
        if files_first:
            assert site.told(updates(run_id)) == TOLD
    folder = Path(f"{site.hub.store}-data") / "uploads"
    left = {name.name.partition("-")[0] for name in folder.iterdir()}
    assert len(left) <= 2, "parts are left by a kill between the end of an upload and its answer"
    check_all(site, len(UPLOADING), b"one", b"one")


def test_a_kill_while_a_run_is_made(site: Site) -> None:
    for number, point in enumerate(CREATING):
        site.arm(point)
        made = creation(f"run {number}", experiment_id="experiment")
        assert sum(site.told(made).values()) == 1
        assert site.kills == number + 1
        assert site.told(made) == {Code.RUN_DUPLICATE: 1}
        assert site.told(batch(points(1, {"loss": 1.0}), run_id=f"run {number}")) == {Code.OK: 1}
    assert site.hub.stop() == 0
    with open_store(site.hub.store) as store:
        for number in range(len(CREATING)):
            run = store.find_run(PROJECT, run_id=f"run {number}")
            assert run is not None
            assert store.get_value(run.key, "sys/name")[1] == "experiment"


def check_all(site: Site, count: int, image: bytes, one: bytes) -> None:
    assert site.hub.stop() == 0
    with open_store(site.hub.store) as store:
        for number in range(count):
            check(store, f"run {number}", image, one)
        assert not [found for found in store.check().findings if found.severity == "error"]
