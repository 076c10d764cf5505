"""Files over HTTP, in the shapes that clients send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from mooring.client.token import secret_of
from mooring.hub.accounts import Role
from mooring.hub.doors.neptune3 import file_refs, files
from mooring.model import FileRef, RunInfo, RunSpec
from mooring.store.appending import Assign, LogPoints
from mooring.wire.neptune3.ingest import WireFile
from mooring.wire.neptune3.values import file_path
from tests.serving import HubThread

PROJECT = "team/p"
BRIDGE = "/api/storagebridge/v1"


@dataclass
class Client:
    """One user's requests."""

    hub: HubThread
    user: str
    http: httpx.Client

    def sign(self, *paths: str, permission: str = "read", **changed: Any) -> httpx.Response:
        wanted = [
            {"path": path, "permission": permission, "project_identifier": PROJECT, **changed}
            for path in paths
        ]
        where = "/azure/signedUrl" if changed.pop("azure", False) else "/signedUrl"
        return self.http.post(BRIDGE + where, json={"files": wanted})

    def link(self, path: str, permission: str = "read", **changed: Any) -> str:
        answer = self.sign(path, permission=permission, **changed)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["files"][0]["url"])

    def upload(self, path: str, content: bytes) -> str:
        link = self.link(path, "write", size=len(content))
        answer = httpx.put(link, content=content, headers={"content-type": "text/plain"})
        assert answer.status_code == 200, answer.text
        return answer.headers["etag"].strip('"')

    def download(self, path: str) -> bytes | None:
        answer = httpx.get(self.link(path))
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return answer.content

    def complete(self, path: str, upload: str, etags: list[str]) -> httpx.Response:
        parts = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        return self.http.post(
            f"{BRIDGE}/s3/completeMultipartUpload",
            json={
                "upload_id": upload,
                "project_identifier": PROJECT,
                "path": path,
                "parts": parts,
            },
        )


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubThread]:
    hub = HubThread(tmp_path / "runs.db", max_upload_bytes=1 << 20, body_timeout_s=5.0)
    hub.hub.store.create_project(PROJECT)
    hub.hub.store.create_project("team/other")
    yield hub
    hub.stop()


def as_user(hub: HubThread, user: str, role: Role | None) -> Client:
    token = hub.token(user)
    if role is not None:
        hub.hub.accounts.grant(PROJECT, user, role)
    http = httpx.Client(base_url=hub.address)
    answer = http.get(
        "/api/backend/v1/authorization/oauth-token", headers={"X-Neptune-Api-Token": token}
    )
    http.headers["authorization"] = f"Bearer {answer.json()['accessToken']}"
    return Client(hub, user, http)


@pytest.fixture
def writer(hub: HubThread) -> Iterator[Client]:
    client = as_user(hub, "writer", Role.CONTRIBUTOR)
    yield client
    client.http.close()


@pytest.fixture
def viewer(hub: HubThread) -> Iterator[Client]:
    client = as_user(hub, "viewer", Role.VIEWER)
    yield client
    client.http.close()


@pytest.fixture
def run(hub: HubThread) -> RunInfo:
    return hub.hub.store.create_run(RunSpec(project=PROJECT, run_id="r"))


def changed(link: str, **query: str) -> str:
    kept = dict(parse_qsl(urlsplit(link).query))
    return f"{link.partition('?')[0]}?{urlencode({**kept, **query})}"


PATHS = ["r-1/model-2/none/model.pt", "../../etc/passwd", "/etc/shadow", "a//b/./é %2F?#&=\n", "x"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content", [b"", b"content"])
def test_up_and_down(writer: Client, viewer: Client, path: str, content: bytes) -> None:
    assert viewer.download(path) is None
    writer.upload(path, content)
    assert viewer.download(path) == content
    head = httpx.get(viewer.link(path))
    assert head.headers["content-type"] == "application/octet-stream"
    assert head.headers["content-disposition"] == "attachment"
    assert httpx.head(viewer.link(path)).headers["content-length"] == str(len(content))


def test_answers_come_in_the_order_asked(viewer: Client) -> None:
    answer = viewer.sign("b", "a", "b").json()["files"]
    assert [file["path"] for file in answer] == ["b", "a", "b"]
    assert {file["provider"] for file in answer} == {"aws"}
    assert {file["project_identifier"] for file in answer} == {PROJECT}
    assert all(file["multipart"] is None for file in answer)


def test_who_may(hub: HubThread, viewer: Client) -> None:
    stranger = as_user(hub, "stranger", None)
    for client, permission in ((viewer, "write"), (stranger, "read"), (stranger, "write")):
        answer = client.sign("a", permission=permission)
        assert answer.status_code == 403
        assert answer.json()["errorType"] == "ACCESS_DENIED"
    assert viewer.sign("a", project_identifier="team/other").status_code == 403
    assert viewer.sign("a", project_identifier="team/missing").status_code == 403
    assert viewer.complete("a", "x", []).status_code == 403
    assert httpx.post(f"{hub.address}{BRIDGE}/signedUrl", json={"files": []}).status_code == 401
    stranger.http.close()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"files": [{}]}', b"\xff"])
def test_bad_bodies(writer: Client, body: bytes) -> None:
    for path in ("signedUrl", "azure/signedUrl", "s3/completeMultipartUpload"):
        answer = writer.http.post(f"{BRIDGE}/{path}", content=body)
        assert answer.status_code == 400
        assert answer.json()["errorType"] == "BAD_REQUEST"


# links


def test_forged_and_expired_links(writer: Client) -> None:
    writer.upload("a", b"content")
    read, write = writer.link("a"), writer.link("a", "write")
    azure = writer.link("a", azure=True)
    past = {"X-Amz-Date": "20200101T000000Z", "X-Amz-Expires": "60"}
    assert httpx.get(changed(read, **past)).status_code == 400
    expired = httpx.get(changed(azure, se="2020-01-01T00:00:00Z"))
    assert expired.status_code == 403
    assert expired.headers["x-ms-error-code"] == "AuthenticationFailed"
    assert "Signed expiry time" in expired.text
    assert httpx.put(changed(write, **past), content=b"x").status_code == 503
    for forged in (
        changed(read, **{"X-Amz-Expires": "99999"}),
        changed(read, **{"X-Amz-Signature": "x"}),
        changed(azure, se="2099-01-01T00:00:00Z"),
        changed(azure, sig=""),
        read.partition("?")[0],
        read.replace("/neptune3/", "/neptune3/A"),
        write,  # not to read by
        f"{writer.hub.address}/storage/neptune3/AAAA?sig=x&se=2099-01-01T00:00:00Z",
    ):
        answer = httpx.get(forged)
        assert answer.status_code == 403, forged
        assert answer.content.startswith(b"<?xml")
    assert httpx.put(read, content=b"x").status_code == 403
    assert writer.download("a") == b"content"


def test_a_link_ends(tmp_path: Path) -> None:
    hub = HubThread(tmp_path / "runs.db", link_seconds=1)
    hub.hub.store.create_project(PROJECT)
    client = as_user(hub, "writer", Role.CONTRIBUTOR)
    link = client.link("a", "write")
    time.sleep(2.1)
    assert httpx.put(link, content=b"x").status_code == 503
    assert hub.hub.store.find_uploads(PROJECT, ["a"]) == {}
    client.http.close()
    hub.stop()


def test_too_long_a_file(writer: Client) -> None:
    link = writer.link("a", "write", size=(1 << 20) + 1)
    assert httpx.put(link, content=bytes((1 << 20) + 1)).status_code == 413
    chunks = (bytes(1 << 16) for _ in range(17))
    assert httpx.put(link, content=chunks).status_code == 413
    assert writer.download("a") is None
    assert not list((writer.hub.settings.data / "uploads").iterdir())


# Azure's manner


def test_ranges(writer: Client) -> None:
    writer.upload("a", b"0123456789")
    writer.upload("empty", b"")
    azure = writer.link("a", azure=True)
    assert writer.sign("a", azure=True).json()["files"][0]["provider"] == "azure"
    whole = httpx.get(azure, headers={"x-ms-range": "bytes=0-33554431"})
    assert (whole.status_code, whole.content) == (206, b"0123456789")
    assert whole.headers["content-range"] == "bytes 0-9/10"
    assert whole.headers["x-ms-blob-type"] == "BlockBlob"
    assert whole.headers["etag"]
    assert whole.headers["last-modified"]
    etag = {"if-match": whole.headers["etag"]}
    part = httpx.get(azure, headers={"x-ms-range": "bytes=3-5", "range": "bytes=0-0", **etag})
    assert (part.status_code, part.content) == (206, b"345")
    past = httpx.get(azure, headers={"x-ms-range": "bytes=10-19"})
    assert (past.status_code, past.headers["x-ms-error-code"]) == (416, "InvalidRange")
    empty = writer.link("empty", azure=True)
    refused = httpx.get(empty, headers={"x-ms-range": "bytes=0-33554431"})
    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (416, "InvalidRange")
    assert httpx.get(empty).content == b""
    missing = httpx.get(writer.link("missing", azure=True))
    assert (missing.status_code, missing.headers["x-ms-error-code"]) == (404, "BlobNotFound")
    plain = httpx.get(writer.link("a"), headers={"range": "bytes=-2"})
    assert (plain.status_code, plain.content) == (206, b"89")
    writer.upload("a", b"9876543210")
    assert httpx.get(azure, headers={"x-ms-range": "bytes=3-5", **etag}).status_code == 412
    assert writer.sign("a", permission="write", azure=True).status_code == 400


# parts


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MULTIPART_FROM", 100)
    monkeypatch.setattr(files, "_PART_BYTES", 100)


@pytest.mark.usefixtures("small_parts")
def test_parts(writer: Client) -> None:
    content = bytes(range(250))
    told = writer.sign("long", permission="write", size=250).json()["files"][0]["multipart"]
    assert (told["part_size"], len(told["part_urls"])) == (100, 3)
    pieces = [content[:100], content[100:200], content[200:]]
    links = list(zip(told["part_urls"], pieces, strict=True))
    etags = {}
    for link, piece in (links[2], links[0], links[0]):
        etags[link] = httpx.put(link, content=piece).headers["etag"].strip('"')
    assert httpx.put(links[1][0], content=bytes(101)).status_code == 413
    known = [etags.get(link, "0" * 64) for link, _ in links]
    assert writer.complete("long", told["upload_id"], known).status_code == 400
    assert writer.download("long") is None
    known[1] = httpx.put(links[1][0], content=pieces[1]).headers["etag"].strip('"')
    for path, upload, parts in (
        ("other", told["upload_id"], known),
        ("long", told["upload_id"], known[:2]),
        ("long", told["upload_id"], [known[1], known[0], known[2]]),
        ("long", told["upload_id"], ["../../x", *known[1:]]),
        ("long", told["upload_id"] + "x", known),
        ("long", "", known),
    ):
        assert writer.complete(path, upload, parts).status_code == 400
    for _ in range(2):  # the second time as its answer got lost
        assert writer.complete("long", told["upload_id"], known).status_code == 204
    assert writer.download("long") == content
    assert not list((writer.hub.settings.data / "uploads").iterdir())
    writer.upload("long", b"short")
    assert writer.complete("long", told["upload_id"], known).status_code == 400
    assert writer.download("long") == b"short"


@pytest.mark.usefixtures("small_parts")
def test_copies_of_the_end_of_an_upload_at_once(writer: Client) -> None:
    """A client that has waited too long asks again, while the first request is being answered."""
    with ThreadPoolExecutor(4) as pool:
        for number in range(10):
            path, content = f"long {number}", bytes([number]) * 1_950
            told = writer.sign(path, permission="write", size=len(content)).json()["files"][0]
            size, etags = told["multipart"]["part_size"], []
            for part, link in enumerate(told["multipart"]["part_urls"]):
                piece = content[part * size : (part + 1) * size]
                etags.append(httpx.put(link, content=piece).headers["etag"].strip('"'))
            upload = told["multipart"]["upload_id"]
            ends = [pool.submit(writer.complete, path, upload, etags) for _ in range(4)]
            assert [end.result().status_code for end in ends] == [204] * 4
            assert writer.download(path) == content
    assert not list((writer.hub.settings.data / "uploads").iterdir())


@pytest.mark.usefixtures("small_parts")
def test_short_and_too_long_files_have_no_parts(writer: Client) -> None:
    for size in (None, 0, 100, 1 << 21):
        answer = writer.sign("a", permission="write", size=size).json()["files"][0]
        assert answer["multipart"] is None


# what refers to them


def log(hub: HubThread, run: RunInfo, path: str, attribute: str = "model") -> None:
    """Do as ingestion does, with one value and one point."""
    client = hub.hub.store_for(hub.hub.accounts.authenticate(secret_of(hub.admin)))
    file = file_refs.stored_file(WireFile(path, 7, "text/plain"))
    value = file_refs.awaited_file(attribute, file, step=None, time=1)
    point = file_refs.awaited_file(f"{attribute}s", file, step=5, time=1)
    file_refs.expect(client, run, [value, point])
    updates = [Assign({attribute: file}, 1), LogPoints({f"{attribute}s": file}, 5, 1)]
    client.append_batch(run.key, "w", 1, updates)
    file_refs.settle(client, run, [path])


@pytest.mark.parametrize("first", ["reference", "content"])
def test_references_and_content_meet(writer: Client, run: RunInfo, first: str) -> None:
    store, path = writer.hub.hub.store, "r/model/none/model.pt"
    if first == "content":
        for _ in ("value", "point"):  # each reference has an upload of its own
            writer.upload(path, b"content")
    log(writer.hub, run, path)
    if first == "reference":
        file = store.get_value(run.key, "model")[1]
        assert file == FileRef("", 7, "text/plain", path)
        assert writer.download(path) is None
        writer.upload(path, b"content")
    for attribute in ("model", "models"):
        file = store.get_value(run.key, attribute)[1]
        with store.open_blob(file.digest) as content:
            assert content.read() == b"content"
    assert writer.download(path) == b"content"


def test_paths_that_readers_are_given(writer: Client, hub: HubThread, run: RunInfo) -> None:
    store = hub.hub.store
    log(hub, run, "a/uploaded")
    waiting = store.get_value(run.key, "model")[1]
    writer.upload("a/uploaded", b"content")
    uploaded = store.get_value(run.key, "model")[1]
    mine = FileRef(*store.put_blob(b"mine"), "text/plain", "../mine.txt")
    nameless = FileRef(*store.put_blob(b"nameless"))
    secret = FileRef(*store.put_blob(b"secret"), "text/plain", "s.txt")
    store.open_writer(run.key).assign({"mine": mine, "nameless": nameless})
    other = store.create_run(RunSpec(project="team/other"))
    store.open_writer(other.key).assign({"secret": secret})
    paths = [file_path(file) for file in (waiting, uploaded, mine, nameless, secret)]
    assert [writer.download(path) for path in paths] == [
        b"content", b"content", b"mine", b"nameless", None,
    ]  # fmt: skip
    # An upload under such a path changes no other file.
    writer.upload(paths[2], b"other bytes")
    assert writer.download(paths[2]) == b"mine"


def test_a_project_that_is_gone(writer: Client) -> None:
    link = writer.link("a", "write")
    writer.upload("a", b"x")
    read = writer.link("a")
    writer.hub.hub.store.delete_project(PROJECT)
    assert httpx.put(link, content=b"x").status_code == 404
    assert httpx.get(read).status_code == 404
