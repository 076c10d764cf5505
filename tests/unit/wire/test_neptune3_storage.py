"""Requests and answers about files, and queries of signed links."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import InvalidInput
from mooring.wire.neptune3.storage import (
    Completion,
    FileRequest,
    Multipart,
    Provider,
    Signature,
    SignedFile,
    begins_within,
    decode_block_list,
    decode_completion,
    decode_content_range,
    decode_requests,
    encode_error,
    encode_signed,
    read_query,
    write_query,
)

BASE64 = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
FILE = {"path": "run/a/none/f.txt", "permission": "write", "project_identifier": "w/p", "size": 3}


def test_requests() -> None:
    read = {"path": "é", "permission": "read", "project_identifier": "w/p", "size": None}
    assert decode_requests({"files": [FILE, read]}) == [
        FileRequest("w/p", "run/a/none/f.txt", True, 3),
        FileRequest("w/p", "é"),
    ]
    assert decode_requests({"files": []}) == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"files": None},
        {"files": [1]},
        {"files": [FILE] * 1001},
        {"files": [{**FILE, "path": 1}]},
        {"files": [{**FILE, "path": "a" * 4097}]},
        {"files": [{**FILE, "permission": "delete"}]},
        {"files": [{**FILE, "permission": ["read"]}]},
        {"files": [{**FILE, "size": -1}]},
        {"files": [{**FILE, "size": True}]},
        {"files": [{**FILE, "size": 1 << 70}]},
        {"files": [{**FILE, "project_identifier": None}]},
    ],
)
def test_what_is_no_request(body: object) -> None:
    with pytest.raises(InvalidInput):
        decode_requests(body)


def test_answers() -> None:
    asked = FileRequest("w/p", "a", True, 3)
    parts = Multipart("id", 2, ["u1", "u2"])
    plain, long = encode_signed(
        [SignedFile(asked, Provider.AZURE, "u"), SignedFile(asked, Provider.AWS, "u", parts)]
    )["files"]
    assert plain == {
        "path": "a",
        "project_identifier": "w/p",
        "provider": "azure",
        "url": "u",
        "multipart": None,
    }
    assert long["multipart"] == {"upload_id": "id", "part_size": 2, "part_urls": ["u1", "u2"]}


def test_completions() -> None:
    body = {
        "upload_id": "id",
        "project_identifier": "w/p",
        "path": "a",
        "parts": [{"part_number": 2, "etag": "y"}, {"part_number": 1, "etag": '"x"'}],
    }
    assert decode_completion(body) == Completion("id", "w/p", "a", ["x", "y"])
    for parts in (
        None,
        [1],
        [{"part_number": 1}],
        [{"part_number": 2, "etag": "x"}],
        [{"part_number": "1", "etag": "x"}],
        [{"part_number": 1, "etag": "x"}] * 2,
    ):
        with pytest.raises(InvalidInput):
            decode_completion({**body, "parts": parts})
    with pytest.raises(InvalidInput):
        decode_completion([])


@pytest.mark.parametrize("provider", Provider)
def test_queries(provider: Provider) -> None:
    given = Signature(provider, 1_800_000_100, "s-_")
    query = dict(parse_qsl(write_query(given, now=1_800_000_000)))
    assert read_query(query) == given
    names = {Provider.AWS: "X-Amz-Expires", Provider.GCP: "X-Goog-Expires"}
    assert "se" in query if provider is Provider.AZURE else query[names[provider]] == "100"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"sig": "x"},
        {"sig": "x", "se": "tomorrow"},
        {"sig": "x", "se": "99999-01-01T00:00:00Z"},
        {"X-Amz-Signature": "x"},
        {"X-Amz-Signature": "x", "X-Amz-Date": "20260101T000000Z"},
        {"X-Amz-Signature": "x", "X-Amz-Date": "20260101T000000Z", "X-Amz-Expires": "-1"},
        {"X-Amz-Date": "20260101T000000Z", "X-Amz-Expires": "1"},
    ],
)
def test_what_is_no_query(query: dict[str, str]) -> None:
    assert read_query(query) is None


def test_ranges_and_errors() -> None:
    assert begins_within("bytes=5-", 6)
    assert not begins_within("bytes=6-", 6)
    assert begins_within("bytes=-1", 0)
    assert begins_within("lines=1", 0)
    assert b"<Code>A</Code><Message>&lt;b&gt; &amp;</Message>" in encode_error("A", "<b> &")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<BlockList>",
        b"<BlockList><Latest></Latest></BlockList>",
        b"<BlockList><Latest>QQ==</Committed></BlockList>",
        b"<BlockList><Latest>QQ==</Latest>QQ==</BlockList>",
        b"<BlockList><Latest>../x</Latest></BlockList>",
        b"<BlockList></BlockList><BlockList></BlockList>",
        b"<BlockList>" + b"<Latest>QQ==</Latest>" * 50_001 + b"</BlockList>",
    ],
)
def test_what_is_no_list_of_blocks(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_block_list(body)


@given(st.binary(max_size=200) | st.text("</>BlockListLatest QQ=", max_size=200).map(str.encode))
def test_any_list_of_blocks_is_read_or_refused(body: bytes) -> None:
    with suppress(InvalidInput):
        for name in decode_block_list(body):
            assert set(name) <= BASE64


@given(st.text(max_size=40) | st.from_regex(r"bytes (\d+-\d+|\*)/(\d+|\*)", fullmatch=True))
def test_any_content_range_is_read_or_refused(header: str) -> None:
    with suppress(InvalidInput):
        span = decode_content_range(header, size=7)
        assert span.first >= 0 <= span.length
        assert span.total is None or span.length == 0 or span.first + span.length <= span.total
