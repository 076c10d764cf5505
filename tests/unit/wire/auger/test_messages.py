"""Bodies: what is JSON, what is not, and what comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.wire.auger.messages import MALFORMED, MalformedBody, encode, instant, parse_body

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=6))
def test_what_is_written_is_read_as_it_was(body: dict[str, object]) -> None:
    read = parse_body(encode(body))
    assert json.dumps(read) == json.dumps(body)  # the order of keys, and 1.0 beside 1, too


@given(st.binary(max_size=60))
def test_bytes_are_an_object_or_malformed(body: bytes) -> None:
    try:
        read = parse_body(body)
    except MalformedBody:
        return
    assert isinstance(read, dict)


@pytest.mark.parametrize("body", [b"", b"  \r\n\t"])
def test_an_empty_body_is_an_empty_object(body: bytes) -> None:
    assert parse_body(body) == {}


@pytest.mark.parametrize(
    "body",
    [
        b'{"x": NaN}',
        b'{"x": [Infinity]}',
        b'{"x": {"y": -Infinity}}',
        b'{"x": 1e400}',
        b"[]",
        b"null",
        b"3",
        b'"text"',
        b'{"x": 1',
        b'{"x": 1} {}',
        b"{'x': 1}",
        b'{"x": "\xff"}',
        b'{"x": "\\ud800"}',
        b'{"\\udc00": 1}',
        '{"x": 1}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"--boundary\r\n",
        b'{"x": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse_body(body)


@pytest.mark.parametrize("opening", [b"[", b'{"x":'])
def test_depth_is_bounded(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    fits = b'{"x":' + opening * 63 + b"1" + closing * 63 + b"}"
    assert parse_body(fits)
    for depth in (64, 200_000):
        with pytest.raises(MalformedBody):
            parse_body(b'{"x":' + opening * depth + b"1" + closing * depth + b"}")


@pytest.mark.parametrize("body", [b'{"x": 1, "x": 1}', b'{"a": [{"x": 1, "\\u0078": 2}]}'])
def test_a_key_is_there_once(body: bytes) -> None:
    with pytest.raises(MalformedBody, match="twice"):
        parse_body(body)


def test_the_answer_to_a_malformed_body_is_what_clients_look_for() -> None:
    text = MALFORMED.decode()
    assert "Bad Request" in text
    assert "ActionDispatch::Http::Parameters::ParseError" in text
    with pytest.raises(ValueError):
        json.loads(text)


def test_floats_stay_floats_and_texts_stay_readable() -> None:
    assert encode({"threshold": 3.0, "n": 3, "name": "größe"}) == (
        '{"threshold":3.0,"n":3,"name":"größe"}'.encode()
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nothing_that_is_no_json_is_written(value: float) -> None:
    with pytest.raises(ValueError):
        encode({"x": value})


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])))
def test_instants_have_one_form(moment: datetime) -> None:
    try:
        told = instant(moment)
    except OverflowError:
        return  # a zone before the year 1
    assert len(told) == len("2020-05-28T13:07:49.268Z")
    assert told.endswith("Z")
    read = datetime.fromisoformat(told)
    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)
