"""Files in the manners of Google and Azure, as clients of theirs send them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mooring.hub.accounts import Role
from tests.serving import HubThread
from tests.unit.hub.doors.neptune3.test_files import PATHS, PROJECT, Client, as_user, changed

LIMIT = 1 << 20
CONTENT = bytes(range(256)) * 40


def _client(folder: Path, provider: str) -> Iterator[Client]:
    hub = HubThread(
        folder / f"{provider}.db", max_upload_bytes=LIMIT, body_timeout_s=5.0, file_links=provider
    )
    hub.hub.store.create_project(PROJECT)
    client = as_user(hub, "writer", Role.CONTRIBUTOR)
    yield client
    client.http.close()
    hub.stop()


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Client]:
    yield from _client(tmp_path, "gcp")


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Client]:
    yield from _client(tmp_path, "azure")


def left(client: Client) -> list[Path]:
    return list((client.hub.settings.data / "uploads").iterdir())


# Google


def begin(client: Client, path: str, size: int) -> str:
    answer = httpx.post(
        client.link(path, "write", size=size), headers={"x-goog-resumable": "start"}
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def put(link: str, content: bytes, told: str) -> httpx.Response:
    return httpx.put(link, content=content, headers={"content-range": f"bytes {told}"})


def test_the_provider_is_told(google: Client, azure: Client) -> None:
    for client, provider in ((google, "gcp"), (azure, "azure")):
        for permission in ("read", "write"):
            (file,) = client.sign("a", permission=permission, size=9).json()["files"]
            assert (file["provider"], file["multipart"]) == (provider, None)
        (file,) = client.sign("a", azure=True).json()["files"]
        assert file["provider"] == "azure"
    assert "X-Goog-Date=" in google.link("a")
    assert "X-Goog-Expires=3600" in google.link("a")


@pytest.mark.parametrize("path", PATHS)
def test_a_session_in_chunks(google: Client, path: str) -> None:
    size = len(CONTENT)
    link = begin(google, path, size)
    answer = put(link, CONTENT[:1000], f"0-999/{size}")
    assert (answer.status_code, answer.headers["range"]) == (308, "bytes=0-999")
    assert google.download(path) is None
    # A gap is not taken; a chunk that comes again is; how much there is can be asked.
    for content, told, end in (
        (CONTENT[2000:3000], f"2000-2999/{size}", 999),
        (CONTENT[:1000], f"0-999/{size}", 999),
        (CONTENT[500:2000], f"500-1999/{size}", 1999),
        (b"", f"*/{size}", 1999),
        (CONTENT[2000:2500], "2000-2499/*", 2499),
    ):
        answer = put(link, content, told)
        assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{end}")
    for _ in range(2):  # the second time as its answer got lost
        assert put(link, CONTENT[2500:], f"2500-{size - 1}/{size}").status_code == 200
    assert google.download(path) == CONTENT
    assert left(google) == []


def test_an_empty_file_and_one_in_one_piece(google: Client) -> None:
    assert put(begin(google, "empty", 0), b"", "*/0").status_code == 200
    assert google.download("empty") == b""
    assert httpx.put(begin(google, "whole", 3), content=b"abc").status_code == 200
    assert google.download("whole") == b"abc"
    assert httpx.put(google.link("plain", "write"), content=b"plain").status_code == 200
    assert google.download("plain") == b"plain"


@pytest.mark.parametrize(
    ("content", "told", "status"),
    [
        (b"abc", "0-2", 400),
        (b"abc", "2-0/3", 400),
        (b"abc", "0-3/3", 400),
        (b"abc", "0-1/9", 413),
        (b"abc", "0-5/9", 400),
        (b"abc", f"0-2/{LIMIT + 1}", 413),
        (b"abc", f"{LIMIT}-{LIMIT + 2}/*", 413),
        (b"abc", f"0-{'9' * 30}/*", 400),
    ],
)
def test_ranges_that_cannot_be(google: Client, content: bytes, told: str, status: int) -> None:
    link = begin(google, "a", 3)
    assert put(link, content, told).status_code == status
    assert google.download("a") is None
    # What came of it does no harm to what is sent after it.
    assert put(link, b"xyz", "0-2/3").status_code in (200, 400)


def test_links_of_google(google: Client) -> None:
    write, read = google.link("a", "write"), google.link("a")
    past = {"X-Goog-Date": "20200101T000000Z", "X-Goog-Expires": "60"}
    start = {"x-goog-resumable": "start"}
    assert httpx.get(changed(read, **past)).status_code == 400
    assert httpx.post(changed(write, **past), headers=start).status_code == 503
    assert httpx.post(changed(write, **{"X-Goog-Expires": "9"}), headers=start).status_code == 403
    assert httpx.post(write).status_code == 400
    assert httpx.post(read, headers=start).status_code == 403
    session = begin(google, "a", 3)
    assert httpx.get(session).status_code == 403
    assert httpx.post(session, headers=start).status_code == 403
    for path in left(google):
        path.unlink()  # as after a day
    assert put(session, b"abc", "0-2/3").status_code == 503
    assert google.download("a") is None


# Azure


def block(link: str, name: str, content: bytes) -> httpx.Response:
    id = base64.b64encode(name.encode()).decode()
    return httpx.put(f"{link}&comp=block&blockid={id.replace('=', '%3D')}", content=content)


def block_list(link: str, *names: str) -> httpx.Response:
    ids = [base64.b64encode(name.encode()).decode() for name in names]
    inner = "".join(f"<Latest>{id}</Latest>\n" for id in ids)
    body = f"<?xml version='1.0' encoding='utf-8'?>\n<BlockList>{inner}</BlockList>"
    return httpx.put(f"{link}&comp=blocklist", content=body.encode())


@pytest.mark.parametrize("path", PATHS)
def test_blocks(azure: Client, path: str) -> None:
    link = azure.link(path, "write", size=9)
    assert block(link, "../two", b"222").status_code == 201
    assert block_list(link, "one", "../two").status_code == 400
    assert block(link, "one", b"x").status_code == 201
    assert block(link, "one", b"111").status_code == 201
    assert block(link, "unused", b"x").status_code == 201
    assert azure.download(path) is None
    for _ in range(2):  # the second time as its answer got lost
        answer = block_list(link, "one", "../two", "one")
        assert answer.status_code == 201
        assert answer.headers["etag"]
    assert azure.download(path) == b"111222111"
    assert left(azure) == []
    other = azure.link(path, "write", size=9)
    assert block_list(other, "one").status_code == 400  # blocks are those of their upload


def test_copies_of_a_list_of_blocks_at_once(azure: Client) -> None:
    """A client that has waited too long asks again, while the first request is being answered."""
    with ThreadPoolExecutor(4) as pool:
        for number in range(10):
            path, names = f"long {number}", [f"{part}" for part in range(40)]
            link = azure.link(path, "write", size=40)
            for name in names:
                assert block(link, name, bytes([number])).status_code == 201
            ends = [pool.submit(block_list, link, *names) for _ in range(4)]
            assert [end.result().status_code for end in ends] == [201] * 4
            assert azure.download(path) == bytes([number]) * 40
    assert left(azure) == []


def test_whole_files_of_azure(azure: Client) -> None:
    link = azure.link("a", "write", size=3)
    assert httpx.put(link, content=b"abc").status_code == 201
    assert azure.download("a") == b"abc"
    empty = azure.link("b", "write", size=0)
    assert block_list(empty).status_code == 201
    assert azure.download("b") == b""


def test_what_azure_would_refuse(azure: Client) -> None:
    link = azure.link("a", "write", size=3)
    assert httpx.put(f"{link}&comp=page", content=b"x").status_code == 400
    assert httpx.put(f"{link}&comp=block&blockid=../x", content=b"x").status_code == 400
    assert httpx.put(f"{link}&comp=block", content=b"x").status_code == 400
    for body in (b"", b"<BlockList>", b"<BlockList><Latest>.</Latest></BlockList>", b"\xff"):
        assert httpx.put(f"{link}&comp=blocklist", content=body).status_code == 400
    expired = httpx.put(changed(link, se="2020-01-01T00:00:00Z"), content=b"x")
    assert (expired.status_code, expired.headers["x-ms-error-code"]) == (
        403,
        "AuthenticationFailed",
    )
    assert azure.download("a") is None


def test_blocks_that_are_too_long_together(azure: Client) -> None:
    link = azure.link("a", "write", size=LIMIT)
    assert block(link, "one", bytes(LIMIT // 2 + 1)).status_code == 201
    assert block_list(link, "one", "one").status_code == 413
    assert azure.download("a") is None
    # The clients of Azure would try it for ever, those of S3 tell their user.
    (file,) = azure.sign("a", permission="write", size=LIMIT + 1).json()["files"]
    assert file["provider"] == "aws"
