"""Bodies, names and connections that are not as they should be: the documented answer, no fault."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pyarrow as pa
import pytest
from starlette.routing import Route

from mooring.hub import patience
from mooring.hub.app import create_app
from mooring.model import AttributeType, RunSpec
from mooring.store.contract import PathSelector, RunQuery
from mooring.store.hub.messages import CALLS, CODEC, REQUEST_HEADER, ROOT
from mooring.wire.auger.resources import RESOURCES
from tests.e2e.hub.conftest import Site

WRITER = "b" * 32
BOMB = gzip.compress(bytes(64 << 20))
BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "too long": (b" " * (5 << 20), {}),
    "a bomb": (BOMB, {"content-encoding": "gzip"}),
    "gzip cut off": (gzip.compress(b"{}" * 50)[:-9], {"content-encoding": "gzip"}),
    "gzip with a tail": (gzip.compress(b"{}") + b"x", {"content-encoding": "gzip"}),
    "no gzip": (b"{}", {"content-encoding": "gzip"}),
    "deflate": (zlib.compress(b"{}"), {"content-encoding": "deflate"}),
    "no JSON": (b"{", {}),
    "NaN": (b'{"x": NaN}', {}),
    "infinity": (b'{"x": 1e999}', {}),
    "a lone surrogate": (b'{"x": "\\ud800"}', {}),
    "no UTF-8": (b'{"x": "\xff"}', {}),
    "UTF-16": ('{"x": 1}'.encode("utf-16"), {}),
    "NUL": (b"\0", {}),
    "deep": (b"[" * 100_000, {}),
    "deep and closed": (b'{"x":' * 500 + b"1" + b"}" * 500, {}),
    "a list": (b"[]", {}),
    "a number": (b"1" * 5000, {}),
    "a class": (b'{"$d": ["Path", {}]}', {}),
    "magic": (b"MOOR\xff\xff\xff\xff", {}),
    "magic alone": (b"MOOR", {}),
}


def _fill(path: str, value: Callable[[str], str]) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: value(found[1]), path)


NO_BODY = re.compile(rf"{ROOT}/(blobs$|blobs/|uploads)|.*rest")
"""What takes content of any kind, or asks for no body."""


def _posts(site: Site) -> Iterator[tuple[str, str]]:
    """Yield every method and path of the application that takes a body."""
    values = {"digest": site.blob, "key": str(site.run), "id": "r"}
    for route in create_app(site.hub.hub).routes:
        assert isinstance(route, Route)
        path = re.sub(
            r"\{(\w+)(:\w+)?\}", lambda found: values.get(found[1], "query_runs"), route.path
        )
        methods = route.methods or {"POST", "PATCH"}
        for method in sorted(methods & {"POST", "PUT", "PATCH"}):
            if path.endswith("/updates"):
                yield method, f"{path}?writer={WRITER}&first=1"
            elif not NO_BODY.match(route.path):
                yield method, path


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_on_every_route(site: Site, case: str) -> None:
    body, headers = BODIES[case]
    before = site.content()
    with httpx.Client(base_url=site.hub.address, timeout=60) as client:
        for method, path in _posts(site):
            if case == "a class" and path.startswith("/api/v1"):
                continue  # there it is an object with a field that nobody asked for
            name = {REQUEST_HEADER: "9" * 32, **headers, **site.headers("owner")}
            try:
                answer = client.request(method, path, content=body, headers=name)
            except httpx.TransportError:
                # A hub may end the connection of who sends on after it was told no.
                assert len(body) > 1 << 20
                continue
            assert 400 <= answer.status_code < 500 or case == "a list", (path, answer.text)
            assert answer.status_code < 500, (path, answer.text)
            if case in ("too long", "a bomb") and path.startswith(f"{ROOT}/call"):
                assert answer.status_code == 413, answer.text
    assert site.content() == before


TRICKS = [
    "..", "../..", "%2e%2e", "%2e%2e%2f", "..%2f..%2fetc%2fpasswd", "%00", "a%00b", "%ff", "%C0%AE",
    "%F0%9F%98%80", "a" * 5000, "9" * 5000, "9" * 19, "-1", "1e5", "%0d%0aset-cookie:x", "%3Cb%3E",
    "'%20OR%201=1", "%25s", "%5c..%5c", "~", "%E2%80%AE", ".", "con", "a%2fb", "%20", "٣",
]  # fmt: skip


def test_tricks_in_every_parameter_of_every_path(site: Site) -> None:
    before = site.content()
    paths = {route.path for route in create_app(site.hub.hub).routes if isinstance(route, Route)}
    paths |= {operation.path for resource in RESOURCES for operation in resource.operations}
    with httpx.Client(base_url=site.hub.address, timeout=60) as client:
        client.headers.update(site.headers("owner"))
        for path in sorted(paths):
            names = re.findall(r"\{(\w+)", path)
            for trick in TRICKS if names else ():
                named = quote(trick, safe="%")
                told = re.sub(r"\{\w+(:\w+)?\}", named.replace("\\", ""), path)
                for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
                    body = b"" if method == "GET" else b"{}"
                    answer = client.request(method, told, content=body)
                    assert answer.status_code < 500, (method, told[:100], answer.text)
                    assert "root:" not in answer.text
    assert site.content() == before


NAMES = ["..", "../../x", "a/../../b", "\0", "a\0b", "x" * 100_000, "", " ", "\n", "\u202e",
         "%2e%2e", "sys/id", "~root", "\\..\\..", "con", "😀" * 300, "a/b/c",
         "'; DROP TABLE runs; --"]  # fmt: skip


def test_tricks_in_every_name_of_a_call(site: Site) -> None:
    """A name is data: it is refused, or is what it is; no file lies anywhere else for it."""
    data = site.hub.hub.settings.data
    around = sorted(data.parent.iterdir())

    def call(method: str, **arguments: object) -> int:
        body = CODEC.encode(arguments)
        return site.send("POST", f"{ROOT}/call/{method}", content=body).status_code

    select = PathSelector()
    for name in NAMES:
        assert call("create_project", name=f"owner/{name}") in (200, 400)
        assert call("create_run", spec=RunSpec(project=name)) in (200, 400, 403)
        assert call("create_run", spec=RunSpec(project="owner/names", run_id=name)) in (200, 400)
        assert call("query_runs", query=RunQuery(project=name)) in (200, 400, 404)
        assert call("find_run", project="team/open", run_id=name) == 200
        assert call("get_value", key=site.run, path=name) in (200, 400, 404)
        assert call("last_applied", key=site.run, writer=name) in (200, 400)
        assert call("list_attributes", keys=None, select=select, project=name) in (400, 404)
        paths = PathSelector(paths=(name,), patterns=(re.escape(name),))
        assert call("list_attributes", keys=[site.run], select=paths) in (200, 400)
        files = {"file": f"{name}", "project_id": 1, "file_path": name, "name": name, "key": name}
        for path in ("/api/v1/project_files", "/api/v1/project_file_urls"):
            site.send("POST", path, json=files)
        link = site.send("POST", f"{ROOT}/blobs/{quote(name[:1000], safe='')}/link")
        assert link.status_code in (400, 404)
        deleted = f"owner/{name}"
        site.send("POST", f"{ROOT}/call/delete_project", content=CODEC.encode({"name": deleted}))
    call("delete_project", name="owner/names")
    assert sorted(data.parent.iterdir()) == around


@pytest.mark.parametrize("first", ["0", "-1", "", "x", "9" * 5000, str(2**63), "1.5", "٣", "%00"])
def test_numbers_of_batches(site: Site, first: str) -> None:
    path = f"{ROOT}/runs/{site.run}/updates?writer={WRITER}&first={first}"
    assert site.send("POST", path, content=b"[]").status_code == 400


def _batch(site: Site, first: int, *values: float, writer: str = WRITER) -> httpx.Response:
    updates = [["p", {"batches": value}, int(value * 1_000_000), 1] for value in values]
    path = f"{ROOT}/runs/{site.run}/updates?writer={writer}&first={first}"
    return site.send("POST", path, content=json.dumps(updates).encode())


def test_batches_that_come_twice_late_and_overlapping(site: Site) -> None:
    assert _batch(site, 2, 2.0).status_code == 400  # 1 is missing
    assert _batch(site, 1, 1.0, 2.0).json()["last"] == 2
    assert _batch(site, 1, 1.0, 2.0).json()["last"] == 2
    assert _batch(site, 2, 2.0, 3.0).json()["last"] == 3
    assert _batch(site, 5, 5.0).status_code == 400
    assert _batch(site, 1, 7.0).json()["last"] == 3  # another one of a number that is done with
    assert _batch(site, 4, 4.0).json()["last"] == 4
    stats = site.hub.hub.store.get_stats(site.run, "batches")
    assert (stats.count, stats.sum) == (4, 10.0)


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


POINTS: dict[str, pa.Table] = {
    "no columns": pa.table({}),
    "other columns": pa.table({"x": [1]}),
    "no path": pa.table({"path": pa.array([None], pa.string()), "step": [1], "value": [1.0]}),
    "paths that are numbers": pa.table({"path": [1], "step": [1], "value": [1.0]}),
    "paths that are lists": pa.table({"path": [["a"]], "step": [1], "value": [1.0]}),
    "steps that are texts": pa.table({"path": ["a"], "step": ["1"], "value": [1.0]}),
    "steps that are NaN": pa.table({"path": ["a"], "step": [float("nan")], "value": [1.0]}),
    "steps beyond": pa.table({"path": ["a"], "step": [2**62], "value": [1.0]}),
    "values that are texts": pa.table({"path": ["a"], "step": [1], "value": ["x"]}),
    "values that are lists": pa.table({"path": ["a"], "step": [1], "value": [[1.0]]}),
    "times beyond": pa.table({"path": ["a"], "step": [1], "value": [1.0], "time": [2**62]}),
    "a path below sys": pa.table({"path": ["sys/id"], "step": [1], "value": [1.0]}),
    "an empty path": pa.table({"path": [""], "step": [1], "value": [1.0]}),
    "two columns of a name": pa.Table.from_arrays(
        [pa.array(["a"]), pa.array(["a"]), pa.array([1]), pa.array([1.0])],
        names=["path", "path", "step", "value"],
    ),
}


@pytest.mark.parametrize("case", POINTS)
def test_points_that_are_none(site: Site, case: str) -> None:
    before = site.content()
    path = f"{ROOT}/runs/{site.run}/points"
    headers = {REQUEST_HEADER: "7" * 32}
    answer = site.send("POST", path, content=_stream(POINTS[case]), headers=headers)
    assert answer.status_code == 400, answer.text
    assert site.content() == before


TYPES = [
    AttributeType.FLOAT_SERIES,
    AttributeType.STRING_SERIES,
    AttributeType.HISTOGRAM_SERIES,
    AttributeType.FILE_SERIES,
    AttributeType.INT,
]


def _frame(message: object, file: bytes = b"") -> bytes:
    encoded = CODEC.encode(message)
    return len(encoded).to_bytes(8, "little") + len(file).to_bytes(8, "little") + encoded + file


def test_imports_that_are_none(site: Site) -> None:
    begin = _frame(["begin", RunSpec(project="team/open", run_id="imported")])
    commit = _frame(["commit"])
    good = pa.table({"path": ["a"], "step": [1], "time": [1], "value": [1.0]})
    tables = [
        *POINTS.values(),
        good.drop(["time"]),
        pa.table({**good.to_pydict(), "time": [2**62]}),
        pa.table({**good.to_pydict(), "value": pa.array([None], pa.float64())}),
        pa.table({"mooring:sequence": [1], "mooring:step": [1], "timestamp": [2**62]}),
        pa.table({"mooring:sequence": [1], "mooring:step": [1], "timestamp": [1], "x": [[1]]}),
    ]
    cells = pa.field("x", pa.string(), metadata={"mooring": "cells"})
    for cell in (
        "{}",
        '["f"]',
        '["n", "x"]',
        "[",
        '["b", 1]',
        '["h", 1, 2]',
        '["z", 1]',
        '[["x"]]',
    ):
        columns = [pa.array([1]), pa.array([1]), pa.array([1]), pa.array([cell])]
        kinds = [(name, pa.int64()) for name in ("mooring:sequence", "mooring:step", "timestamp")]
        tables.append(pa.Table.from_arrays(columns, schema=pa.schema([*kinds, cells])))
    steps = [
        _frame([name, *arguments], _stream(table))
        for table in tables
        for name, arguments in [("write_rows", []), ("write_previews", [])]
        + [("write_points", [type]) for type in TYPES]
        if not (name == "write_points" and table is good)
    ]
    steps += [
        _frame(message)
        for message in (
            ["begin", RunSpec(project="p")], ["write_points", AttributeType.FLOAT_SERIES],
            ["set_values", {1: 2}], ["set_values", {"x": None}], ["set_values", [1]],
            ["set_values", {"": 1}], ["do_not_inherit", [1]], ["do_not_inherit", ["\0"] * 2],
            ["attach", [], "x"], ["attach", [1], "x"], ["nothing"], [], "commit", {"commit": 1},
            ["commit", 1], ["close"], ["__class__"], [None], ["_act", 1],
        )
    ]  # fmt: skip
    steps += [
        _frame(["attach", [], "x"], b"no parquet"), b"\xff" * 16, b"\0" * 16,
        (5).to_bytes(8, "little") + (2**63).to_bytes(8, "little") + b"[1,2]",
    ]  # fmt: skip
    before = site.content()
    bodies = [b"", begin, begin[:-5], commit, begin + begin, begin + commit[:-1]]
    for body in [*bodies, *(begin + step + commit for step in steps)]:
        answer = site.send("POST", f"{ROOT}/imports", content=body)
        assert answer.status_code == 400, (body[-300:], answer.text)
    assert site.content() == before
    done = site.send("POST", f"{ROOT}/imports", content=begin + commit)
    assert done.status_code == 200
    assert site.send("POST", f"{ROOT}/imports", content=begin + commit).status_code == 409
    again = site.send("POST", f"{ROOT}/imports", content=begin + commit + commit)
    assert again.status_code in (400, 409)


def test_uploads_are_used_as_they_were_meant(site: Site) -> None:
    link = site.send("POST", f"{ROOT}/uploads").json()["link"]
    path = link.removeprefix(site.hub.address)

    def put(tail: str) -> httpx.Response:
        return site.send("PUT", path + tail, user=None, content=b"content")

    def finish(tail: str) -> int:
        return site.send("POST", path + tail, user=None).status_code

    assert put("&offset=0").json() == {"offset": 7}
    assert put("&offset=0").json() == {"offset": 7}  # what came already is not added
    assert put("&offset=99").json() == {"offset": 7}
    for tail in ("", "&offset=-1", "&offset=x", "&offset=" + "9" * 50, "&offset=%00", "&offset=٣"):
        assert put(tail).status_code == 400
    for changed in (path.replace("user=", "user=9"), path.replace("signature=", "signature=x")):
        answer = site.send("PUT", changed + "&offset=7", user=None, content=b"x")
        assert answer.status_code == 403
    digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert finish(f"&digest={digest}&size=8") == 400
    assert finish("&digest=../../x&size=7") == 400
    assert finish(f"&digest={digest}&size=7") == 200
    assert finish(f"&digest={digest}&size=7") == 200  # its answer got lost
    files = f"{ROOT}/files/{digest}"
    assert site.send("GET", files).status_code == 403
    link = site.send("POST", f"{ROOT}/blobs/{digest}/link").json()["link"]
    good = site.send("GET", link.removeprefix(site.hub.address), user=None)
    assert good.content == b"content"
    stolen = link.removeprefix(site.hub.address).replace(digest, "0" * 64)
    assert site.send("GET", stolen, user=None).status_code == 403
    ranges = {"range": "bytes=5-1,-9999,0-99999999999999999999"}
    site.send("GET", link.removeprefix(site.hub.address), headers=ranges)


def test_parts_of_a_file_that_come_at_once_are_kept_apart(site: Site) -> None:
    """As when a client asks again while the hub still waits for its first request."""
    link = site.send("POST", f"{ROOT}/uploads").json()["link"]
    path = link.removeprefix(site.hub.address) + "&offset="
    first = Raw(site, _head(site, "content-length: 100", method="PUT", path=path + "0") + b"half")
    folder = site.hub.hub.settings.data / "uploads"
    while not [file for file in folder.iterdir() if file.name in path]:
        time.sleep(0.01)
    second = site.client.put(path + "0", content=b"x" * 50)
    assert second.status_code == 503
    assert second.json()["error"]["type"] == "StoreLocked"
    first.socket.close()
    while (third := site.client.put(path + "0", content=b"")).status_code == 503:
        time.sleep(0.01)
    reached = third.json()["offset"]
    assert reached in (0, 4)
    rest = b"half and the rest"[reached:]
    assert site.send("PUT", f"{path}{reached}", content=rest).json()["offset"] == 17
    digest = hashlib.sha256(b"half and the rest").hexdigest()
    done = path.removesuffix("&offset=") + f"&digest={digest}&size=17"
    assert site.send("POST", done, user=None).status_code == 200


class Raw:
    """A connection that says what it is told to."""

    def __init__(self, site: Site, data: bytes) -> None:
        port = site.hub.settings.port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(data)

    def answer(self, timeout_s: float = 30.0) -> bytes:
        """Return all that comes until the hub ends the connection, or says nothing more."""
        self.socket.settimeout(timeout_s)
        parts = []
        try:
            while part := self.socket.recv(65536):
                parts.append(part)
        except (ConnectionResetError, TimeoutError):
            pass
        self.socket.close()
        return b"".join(parts)


def _head(site: Site, *lines: str, method: str = "POST", path: str = f"{ROOT}/blobs") -> bytes:
    token = site.secrets["owner"]
    fixed = [f"{method} {path} HTTP/1.1", "host: hub", f"authorization: Bearer {token}"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_HEAD_TIMEOUT_S", 0.4)
    monkeypatch.setattr(patience, "_READ_TIMEOUT_S", 0.4)


@pytest.mark.usefixtures("impatient")
class TestSlowClients:
    def test_each_is_ended_and_others_are_served_meanwhile(self, site: Site) -> None:
        whole = _head(site, method="GET", path="/health")
        waiting = {
            "nothing": Raw(site, b""),
            "half a line": Raw(site, b"GET /hea"),
            "half a head": Raw(site, b"GET /health HTTP/1.1\r\nhost: x\r\n"),
            "an empty line": Raw(site, b"\r\n"),
            "half a head after a request": Raw(site, whole + b"GET /health HTTP/1.1\r\n"),
            "an empty line after a request": Raw(site, whole + b"\r\n"),
            "half a body": Raw(site, _head(site, "content-length: 100") + b"half"),
            "half a chunk": Raw(site, _head(site, "transfer-encoding: chunked") + b"5\r\nab"),
            "no body of a stream": Raw(
                site, _head(site, "content-length: 100", path=f"{ROOT}/imports")
            ),
        }
        for _ in range(20):
            assert site.send("GET", "/health").status_code == 200
        told = {name: raw.answer() for name, raw in waiting.items()}
        assert told["half a line"] == told["half a head"] == told["nothing"] == b""
        for name in ("half a head after a request", "an empty line after a request"):
            assert told[name].startswith(b"HTTP/1.1 200")
        for name in ("half a body", "half a chunk", "no body of a stream"):
            assert told[name].startswith(b"HTTP/1.1 408"), told[name]

    def test_who_sends_a_byte_now_and_then_is_ended(self, site: Site) -> None:
        raw = Raw(site, _head(site, "content-length: 100000"))
        sent = 0
        try:
            while sent < 600:
                raw.socket.sendall(b"x")
                sent += 1
                time.sleep(0.05)
        except OSError:  # the hub has ended it
            pass
        raw.socket.close()
        assert 0 < sent < 600

    def test_who_does_not_read_is_ended(self, site: Site) -> None:
        store = site.hub.hub.store
        digest, _ = store.put_blob(bytes(30 << 20))
        link = site.send("POST", f"{ROOT}/blobs/{digest}/link", user="admin").json()["link"]
        path = link.removeprefix(site.hub.address)
        raw = Raw(site, _head(site, method="GET", path=path))
        deadline = 100
        while site.hub._server.server_state.connections and deadline:
            time.sleep(0.1)
            deadline -= 1
        assert deadline, "the connection is still there"
        assert len(raw.answer()) < 30 << 20

    def test_a_head_without_an_end(self, site: Site) -> None:
        raw = Raw(site, b"GET /health HTTP/1.1\r\n")
        sent = 0
        try:
            while sent < 100_000:
                raw.socket.sendall(b"x-%d: %s\r\n" % (sent, b"y" * 1000))
                sent += 1
        except OSError:
            pass
        raw.socket.close()
        assert sent < 100_000


GARBAGE = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "NULs": bytes(500),
    "HTTP 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /health HTTP/9.9\r\n\r\n",
    "a header without a name": b"GET /health HTTP/1.1\r\n: x\r\n\r\n",
    "a folded header": b"GET /health HTTP/1.1\r\nhost: x\r\n y: z\r\n\r\n",
    "two lengths": b"POST /health HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "a length below zero": b"POST /health HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
    "a length that is none": b"POST /health HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    "a length beyond": b"POST /health HTTP/1.1\r\ncontent-length: " + b"9" * 40 + b"\r\n\r\n",
    "length and chunks": b"POST /health HTTP/1.1\r\ncontent-length: 5\r\n"
    b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that is none": b"POST /health HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "an address": b"GET http://[ HTTP/1.1\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\n\r\n",
    "a path without a slash": b"GET x HTTP/1.1\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\nhost: x\r\n\r\n",
    "an upgrade": b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
    b"upgrade: websocket\r\n\r\n",
    "a host that is none": b"GET /nothing HTTP/1.1\r\nhost: [\r\n\r\n",
    "bytes beyond ASCII": b"GET /\xff\xfe HTTP/1.1\r\nhost: \xff\r\n\r\n",
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_is_refused_and_spoils_nothing(site: Site, case: str) -> None:
    answer = Raw(site, GARBAGE[case]).answer(1.0)
    assert re.match(rb"(HTTP/1\.1 [24]|$)", answer), answer
    whole = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    after = Raw(site, whole + GARBAGE[case]).answer(1.0)
    assert re.match(rb"HTTP/1\.1 [24]", after), after
    assert not re.search(rb"HTTP/1\.1 5\d\d", after), after
    assert site.send("GET", "/health").status_code == 200


@pytest.mark.usefixtures("impatient")
def test_a_length_that_is_not_that_of_the_body(site: Site) -> None:
    short = Raw(site, _head(site, "content-length: 3") + b"content").answer(1.0)
    assert b"HTTP/1.1 400" in short  # the rest is the next request, which is none
    long = Raw(site, _head(site, "content-length: 20") + b"content").answer()
    assert long.startswith(b"HTTP/1.1 408")


def test_requests_in_a_row_are_answered_in_order(site: Site) -> None:
    bodies = [b"one", b"second", b"third one"]
    sent = b"".join(_head(site, f"content-length: {len(body)}") + body for body in bodies)
    last = _head(site, "connection: close", method="GET", path="/health")
    answer = Raw(site, sent + last).answer()
    assert re.findall(rb'"size_bytes":(\d+)', answer) == [b"3", b"6", b"9"]
    assert answer.count(b"HTTP/1.1 200") == 4


def test_calls_that_are_not_there(site: Site) -> None:
    for name in (
        "append_batch",
        "import_run",
        "put_blob",
        "close",
        "__init__",
        "role_in",
        "_visible",
    ):
        assert name not in CALLS
        answer = site.send("POST", f"{ROOT}/call/{name}", content=b"{}")
        assert answer.status_code == 404
