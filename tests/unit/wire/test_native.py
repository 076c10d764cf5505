"""Messages of Mooring's own protocol: what goes in comes out, and nothing else does."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import errors
from mooring.errors import InvalidInput, InvalidValue, MooringError
from mooring.model import (
    MAX_TIME,
    MIN_TIME,
    AttributeType,
    FileRef,
    Histogram,
    RunSpec,
    Typed,
    datetime_from_micros,
)
from mooring.query import Field, parse
from mooring.store.appending import Assign, ChangeSet, Delete, LogPoints, LogRows
from mooring.store.contract import PathSelector, RunQuery, SeriesQuery
from mooring.store.hub.messages import CALLS, CODEC, check_arguments
from mooring.store.hub.updates import decode_updates, encode_update
from mooring.wire.native import MessageInvalid, conforms, decode_error, encode_error
from mooring.wire.native.columns import read_table, stream_table

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats()
    | TEXTS
    | st.binary(max_size=20)
    | st.integers(MIN_TIME, MAX_TIME).map(datetime_from_micros)
    | st.sampled_from(AttributeType)
    | st.frozensets(TEXTS, max_size=3)
    | st.builds(FileRef, TEXTS, st.integers(0, 2**63 - 1), TEXTS, TEXTS)
    | st.just(Histogram((0.0, 1.0), (2.0,)))
    | st.sampled_from([int, str, float, bool, bytes, list, dict, type(None)])
    | st.builds(PathSelector, paths=st.none() | st.tuples(TEXTS))
)
KEYS = TEXTS | st.integers(-5, 5) | st.sampled_from(["$d", "$", "$x", ""])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=15,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS, inner, max_size=3)
        | st.tuples(
            st.sampled_from(["$f", "$i", "$t", "$n", "$b", "$s", "$u", "$m", "$e", "$k", "$d", "$a",
                             "$p", "$x"]), inner
        ).map(lambda pair: {pair[0]: pair[1]})
        | st.tuples(st.sampled_from(["RunSpec", "RunQuery", "FileRef", "Typed", "Field", "Sort",
                                     "AttributeType", "Compare", "Histogram"]),
                    st.dictionaries(st.sampled_from(["path", "type", "value", "project", "digest",
                                                     "edges", "values"]), inner, max_size=3)
        ).map(lambda pair: {"$d": list(pair)})
    ),
    max_leaves=20,
)  # fmt: skip


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or left == right
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(_same(left[key], right[key]) for key in left)
    return bool(left == right)


@given(VALUES)
def test_any_value_comes_back(value: object) -> None:
    assert _same(CODEC.decode(CODEC.encode(value)), value)
    assert _same(CODEC.restore(CODEC.plain(value)), value)


def test_columns_come_back() -> None:
    table = pa.table({"a": [1, None], "b": ["x", "y"]})
    value = {"array": np.arange(5), "flags": np.array([True, False]), "table": table, "x": [1]}
    found = CODEC.decode(CODEC.encode(value))
    assert found["table"].equals(table)
    assert found["array"].tolist() == [0, 1, 2, 3, 4]
    assert found["flags"].tolist() == [True, False]


MESSAGES = [
    CODEC.encode(value)
    for value in (
        {"spec": RunSpec(project="p", run_id="r", parent=1, fork_step=5)},
        {"query": RunQuery(filter=parse('`x:float` > 0.5 AND `a:string` = "b"'), limit=3)},
        {"keys": [1, 2], "select": PathSelector(patterns=("x.*",)), "query": SeriesQuery(tail=3)},
        {"fields": [Field("x", AttributeType.FLOAT_SERIES)], "value": Typed(AttributeType.INT, 5)},
        [np.arange(10), pa.table({"a": ["x", "y"], "b": [1.0, 2.0]}), datetime.now(UTC), {1: 2}],
    )
]


def _decodes(message: bytes) -> None:
    """Decode it; anything but a value or our error fails the test."""
    with suppress(InvalidInput):
        CODEC.decode(message)
    with suppress(InvalidInput):
        decode_updates(message)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"MOOR" + tail))
def test_random_bytes_are_no_message(message: bytes) -> None:
    _decodes(message)


@given(st.sampled_from(MESSAGES), st.data())
def test_damaged_messages_are_refused_or_read(message: bytes, data: st.DataObject) -> None:
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))
    _decodes(bytes(damaged[:cut]))


@given(JSON)
def test_any_json_is_a_value_or_refused(plain: object) -> None:
    _decodes(orjson.dumps(plain))
    with suppress(InvalidInput):
        check_arguments("query_runs", CODEC.decode(orjson.dumps({"query": plain})))


@given(st.lists(st.tuples(st.sampled_from(["p", "r", "a", "s", "d", "x"]), JSON, JSON, JSON, JSON)))
def test_any_updates_are_of_their_form_or_refused(records: list[Any]) -> None:
    for size in (2, 3, 4, 5):
        _decodes(orjson.dumps([record[:size] for record in records]))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"$u":[', b'{"$m":[[1,', b'[["p",{"a":['])
@pytest.mark.parametrize("depth", [90, 150, 400, 900, 100_000])
def test_depth_is_bounded(opening: bytes, depth: int) -> None:
    closing = opening[::-1].translate(bytes.maketrans(b"[{", b"]}"), b'":$ump,1a')
    _decodes(opening * depth + b"1" + closing * depth)


def test_what_is_encoded_is_not_too_deep_to_decode() -> None:
    value: object = 1
    for _ in range(100):
        value = (value,)
    assert CODEC.decode(CODEC.encode(value)) == value
    with pytest.raises(InvalidValue):
        CODEC.encode([[value]])
    with pytest.raises(MessageInvalid):
        CODEC.decode(b"[" * 150 + b"]" * 150)


@pytest.mark.parametrize(
    "plain",
    [
        {"$d": ["Path", {}]}, {"$d": ["os.system", {}]}, {"$d": ["object", {}]},
        {"$d": ["AttributeType", {}]}, {"$e": ["RunSpec", "x"]}, {"$e": ["Enum", "x"]},
        {"$e": ["AttributeType", "nothing"]}, {"$k": "type"}, {"$k": "eval"}, {"$z": 1},
        {"$d": ["RunSpec", {"project": "p", "__class__": 1}]}, {"$d": ["RunSpec", {"project": 1}]},
        {"$d": ["RunSpec", {"project": "p", "fork_step": {"$i": str(2**63)}}]},
        {"$i": "9" * 400}, {"$i": "1e5"}, {"$i": 5}, {"$f": "1"}, {"$t": 2**62}, {"$b": "*"},
        {"$a": 0}, {"$p": -1}, {"$m": [[[1], 2]]}, {"$s": [[1]]}, {"$n": "yesterday"},
    ],
)  # fmt: skip
def test_what_is_no_part_of_the_protocol(plain: object) -> None:
    with pytest.raises(MessageInvalid):
        CODEC.decode(orjson.dumps(plain))


@pytest.mark.parametrize("name", sorted(CALLS))
def test_arguments_are_held_to_the_signature(name: str) -> None:
    for arguments in ({"self": 1}, {"nothing": 1}, [], None, {1: 2}, {"": None}):
        with pytest.raises(InvalidInput):
            check_arguments(name, arguments)


def test_integers_have_64_bits() -> None:
    for number in (2**63, -(2**63) - 1, 10**400):
        assert not conforms(number, int)
        assert not conforms(number, float)
    assert conforms(2**63 - 1, int)
    assert conforms(math.inf, float)


UPDATES = [
    LogPoints({"a": 1.0, "b": math.nan, "c": "text", "d": 10**30}, 5, 1, 0.5),
    LogRows([({"x": 1, "y": None, "z": b"\0"}, 7), ({}, 8)]),
    Assign({"a": Typed(AttributeType.FLOAT, 1), "f": FileRef("ab", 1)}, 3),
    ChangeSet("tags", ["a"], ["b"], 4),
    Delete("a/b", 5),
]


def test_updates_come_back() -> None:
    body = b"[" + b",".join(map(encode_update, UPDATES)) + b"]"
    assert repr(decode_updates(body)) == repr(UPDATES)


class TestTables:
    def _stream(self, table: pa.Table, **options: object) -> bytes:
        sink = io.BytesIO()
        writing = pa.ipc.IpcWriteOptions(**options)
        with pa.ipc.new_stream(sink, table.schema, options=writing) as writer:
            writer.write_table(table)
        return sink.getvalue()

    def test_tables_come_back(self) -> None:
        table = pa.table(
            {
                "path": pa.array(["a", "b"]).dictionary_encode(),
                "step": [1, 2],
                "nothing": pa.nulls(2),
                "kind": [{"a": [1.0]}, None],
            }
        )
        size, pieces = stream_table(table)
        body = b"".join(pieces)
        assert len(body) == size
        assert read_table(body).equals(table)

    @pytest.mark.parametrize("codec", ["zstd", "lz4"])
    @pytest.mark.parametrize("dictionary", [False, True])
    def test_a_compressed_stream_could_be_a_bomb(self, codec: str, dictionary: bool) -> None:
        texts = pa.array(["x" * 100] * 1000)
        table = pa.table({"a": texts.dictionary_encode() if dictionary else texts})
        assert read_table(self._stream(table)).equals(table)
        with pytest.raises(MessageInvalid, match="compressed"):
            read_table(self._stream(table, compression=codec))

    def test_rows_that_take_no_bytes_could_be_a_bomb(self) -> None:
        bombs = [
            pa.table({"a": pa.nulls(10**6)}),
            pa.table({"a": pa.RunEndEncodedArray.from_arrays(pa.array([10**6]), pa.array([1]))}),
            pa.table({"a": pa.array([[None] * 1000])}),
            pa.table({"a": pa.array([[]] * 1000, pa.list_(pa.int8(), 0))}),
            pa.table({"a": pa.array([{}] * 1000, pa.struct([]))}),
        ]
        for bomb in bombs:
            with pytest.raises(MessageInvalid):
                read_table(self._stream(bomb))

    @given(st.data())
    def test_damaged_streams_are_refused_or_read(self, data: st.DataObject) -> None:
        table = pa.table(
            {"path": pa.array(["a", "b", "a"]).dictionary_encode(), "text": ["x", "yy", "zzz"]}
        )
        damaged = bytearray(self._stream(table))
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
        with suppress(MessageInvalid):
            read_table(bytes(damaged)).to_pylist()


class TestErrors:
    def test_each_comes_back_as_it_was(self) -> None:
        for error in (
            errors.ProjectNotFound("p", known=["pp"]),
            errors.TypeConflict("a", expected="int", got="float"),
            errors.StoreFull("full", address="x"),
            errors.AttributeNotFound("x"),
            errors.HubBusy("later", retry_after_s=1.5),
        ):
            back = decode_error(orjson.loads(orjson.dumps(encode_error(error))))
            assert type(back) is type(error)
            assert str(back) == str(error)
            facts = {n: tuple(v) if isinstance(v, list) else v for n, v in vars(error).items()}
            assert vars(back) == facts

    @given(JSON | st.fixed_dictionaries({"type": st.sampled_from([*errors.__all__, "Exception"]),
                                         "message": JSON, "facts": JSON}))  # fmt: skip
    def test_whatever_a_hub_answers_is_an_error_of_ours(self, record: object) -> None:
        error = decode_error(record)
        assert isinstance(error, MooringError)
        str(error)
