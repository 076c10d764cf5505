"""Attributes that hold one value: every type, its limits, and what is refused."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from mooring.errors import (
    AttributeNotFound,
    InvalidPath,
    InvalidValue,
    StoreClosed,
    TypeConflict,
)
from mooring.model import AttributeType, FileRef, Histogram, RunInfo
from mooring.store import PathSelector, Store
from tests.conformance.store.reading import attributes, in_every_state, plain, value

EAST = timezone(timedelta(hours=5, minutes=45))
CONTENT = b"content"
FILE = FileRef(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "image/png", "a b'\".png")

VALUES = [
    (0, AttributeType.INT, 0),
    (2**53 + 1, AttributeType.INT, 2**53 + 1),
    (-(2**53) - 1, AttributeType.INT, -(2**53) - 1),
    (2**63 - 1, AttributeType.INT, 2**63 - 1),
    (-(2**63), AttributeType.INT, -(2**63)),
    (np.int64(-7), AttributeType.INT, -7),
    (np.uint8(255), AttributeType.INT, 255),
    (0.1, AttributeType.FLOAT, 0.1),
    (-0.0, AttributeType.FLOAT, -0.0),
    (5.0, AttributeType.FLOAT, 5.0),
    (5e-324, AttributeType.FLOAT, 5e-324),
    (1.7976931348623157e308, AttributeType.FLOAT, 1.7976931348623157e308),
    (math.nan, AttributeType.FLOAT, "NaN"),
    (math.inf, AttributeType.FLOAT, math.inf),
    (-math.inf, AttributeType.FLOAT, -math.inf),
    (np.float32(0.5), AttributeType.FLOAT, 0.5),
    (np.float64("nan"), AttributeType.FLOAT, "NaN"),
    (Decimal("0.25"), AttributeType.FLOAT, 0.25),
    (Fraction(1, 4), AttributeType.FLOAT, 0.25),
    ("", AttributeType.STRING, ""),
    ("0", AttributeType.STRING, "0"),
    ("inf", AttributeType.STRING, "inf"),
    ("a\0b\n\t\x7f", AttributeType.STRING, "a\0b\n\t\x7f"),
    ("'; DROP TABLE runs; --", AttributeType.STRING, "'; DROP TABLE runs; --"),
    ("日本 🚢 é e\u0301 \u2028", AttributeType.STRING, "日本 🚢 é e\u0301 \u2028"),
    ("🚢" * 300_000, AttributeType.STRING, "🚢" * 300_000),
    (np.str_("text"), AttributeType.STRING, "text"),
    (True, AttributeType.BOOL, True),
    (False, AttributeType.BOOL, False),
    (np.bool_(True), AttributeType.BOOL, True),
    (set(), AttributeType.STRING_SET, frozenset()),
    ({"b", "a", ""}, AttributeType.STRING_SET, frozenset({"", "a", "b"})),
    (frozenset({'"', "\\", "日本"}), AttributeType.STRING_SET, frozenset({'"', "\\", "日本"})),
    (FILE, AttributeType.FILE, FILE),
    (
        datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
        AttributeType.DATETIME,
        datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
    ),
    (
        datetime(2024, 1, 2, 3, 4, 5, 1, tzinfo=EAST),
        AttributeType.DATETIME,
        datetime(2024, 1, 1, 21, 19, 5, 1, tzinfo=UTC),
    ),
    (
        datetime(1, 1, 2, tzinfo=UTC),
        AttributeType.DATETIME,
        datetime(1, 1, 2, tzinfo=UTC),
    ),
    (
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        AttributeType.DATETIME,
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ),
]


def test_every_value_comes_back_with_its_type(store: Store, run: RunInfo) -> None:
    store.put_blob(CONTENT)
    writer = store.open_writer(run.key)
    names = {f"value/{i:02}": each for i, each in enumerate(VALUES)}
    writer.assign({path: given for path, (given, _, _) in names.items()})

    def check() -> None:
        for path, (_, type, expected) in names.items():
            found_type, found = store.get_value(run.key, path)
            assert (found_type, plain(found)) == (type, expected), path
            assert found.__class__ in (
                int, float, str, bool, datetime, frozenset, FileRef
            ), path  # fmt: skip
        found_all = attributes(store, run.key)
        assert found_all == {path: expected for path, (_, _, expected) in names.items()}

    in_every_state(store, check)


def test_a_negative_zero_keeps_its_sign(store: Store, run: RunInfo) -> None:
    store.open_writer(run.key).assign({"x": -0.0})
    assert math.copysign(1, store.get_value(run.key, "x")[1]) == -1


def test_times_come_back_in_utc(store: Store, run: RunInfo) -> None:
    store.open_writer(run.key).assign({"x": datetime(2024, 6, 1, 12, tzinfo=EAST)})
    found = store.get_value(run.key, "x")[1]
    assert found.utcoffset() == timedelta(0)
    assert found.isoformat() == "2024-06-01T06:15:00+00:00"


def test_a_time_without_zone_is_local_time(store: Store, run: RunInfo) -> None:
    naive = datetime(2024, 6, 1, 12)  # noqa: DTZ001
    store.open_writer(run.key).assign({"x": naive})
    assert store.get_value(run.key, "x")[1] == naive.astimezone(UTC)


def test_the_last_value_stands(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.assign({"x": 1, "y": "a"})
    writer.assign({"x": 2})
    assert attributes(store, run.key) == {"x": 2, "y": "a"}
    writer.assign({"x": 3})
    writer.assign({"y": ""})
    assert attributes(store, run.key) == {"x": 3, "y": ""}


def test_an_int_may_follow_a_float(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.assign({"x": 0.5})
    writer.assign({"x": 2})
    assert store.get_value(run.key, "x") == (AttributeType.FLOAT, 2.0)
    assert isinstance(store.get_value(run.key, "x")[1], float)


def test_a_type_stays(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    given = {
        "int": 1,
        "float": 0.5,
        "string": "a",
        "bool": True,
        "datetime": datetime(2024, 1, 1, tzinfo=UTC),
        "string_set": frozenset({"a"}),
        "file": FILE,
    }
    writer.assign(given)
    for path, held in given.items():
        for other in given.values():
            if type(other) is type(held) or (path, type(other)) == ("float", int):
                continue
            with pytest.raises(TypeConflict) as caught:
                writer.assign({"new": 1, path: other})
            assert (caught.value.path, caught.value.expected) == (path, path)
    assert attributes(store, run.key) == given


@pytest.mark.parametrize(
    "bad",
    [None, object(), [1], {"a": 1}, b"bytes", 2**63, -(2**63) - 1, 1j, {1}, {"a", 2}, "\ud800"],
    ids=repr,
)
def test_values_that_cannot_be(store: Store, run: RunInfo, bad: object) -> None:
    writer = store.open_writer(run.key)
    with pytest.raises(InvalidValue, match="'bad'"):
        writer.assign({"good": 1, "bad": bad})  # type: ignore[dict-item]
    assert attributes(store, run.key) == {}


def test_a_histogram_is_no_single_value(store: Store, run: RunInfo) -> None:
    with pytest.raises(InvalidValue):
        store.open_writer(run.key).assign({"h": Histogram((0.0, 1.0), (1.0,))})  # type: ignore[dict-item]


def test_assigning_nothing_is_nothing(store: Store, run: RunInfo) -> None:
    store.open_writer(run.key).assign({})
    assert attributes(store, run.key) == {}


class TestSets:
    def test_elements_are_added_and_removed(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.change_set("tags", add=["b", "a", "b", "日本"])
        assert value(store, run.key, "tags") == (AttributeType.STRING_SET, {"a", "b", "日本"})
        writer.change_set("tags", add={"c"}, remove=["a", "unknown"])
        writer.change_set("tags", remove=["日本"])
        assert value(store, run.key, "tags")[1] == {"b", "c"}
        writer.assign({"tags": {"x"}})
        writer.change_set("tags", add=["y"])
        assert value(store, run.key, "tags")[1] == {"x", "y"}
        writer.change_set("tags", remove=["x", "y"])
        assert value(store, run.key, "tags") == (AttributeType.STRING_SET, frozenset())

    def test_many_changes_before_the_first_read(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.assign({"tags": {"a", "b"}})
        for i in range(50):
            writer.change_set("tags", add=[str(i)], remove=[str(i - 1), "a"])
        assert value(store, run.key, "tags")[1] == {"b", "49"}

    def test_one_text_is_one_element(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.change_set("tags", add="best")
        assert value(store, run.key, "tags")[1] == {"best"}

    def test_only_texts(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        for bad in ([1], [None], [b"a"], ["\ud800"]):
            with pytest.raises(InvalidValue):
                writer.change_set("tags", add=bad)  # type: ignore[arg-type]
            with pytest.raises(InvalidValue):
                writer.change_set("tags", remove=bad)  # type: ignore[arg-type]
        writer.assign({"x": 1})
        with pytest.raises(TypeConflict):
            writer.change_set("x", add=["a"])
        assert attributes(store, run.key) == {"x": 1}


class TestPaths:
    NAMES = (
        "a",
        "/",
        "a//b/",
        " lead and trail ",
        "x'; DROP TABLE runs; --",
        'double " quote',
        "back`quote",
        "per%cent_under?",
        "日本/é/e\u0301",
        "🚢" * 256,
        "a" * 1024,
        ".",
        "..",
        "\\",
        "{}",
        "a:float",
        "0",
    )

    def test_odd_names(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.assign({f"{name}"[:1022] + "/v" if len(name) < 900 else name: 1 for name in ["a"]})
        for i, name in enumerate(self.NAMES):
            writer.assign({name: i})

        def check() -> None:
            for i, name in enumerate(self.NAMES):
                assert store.get_value(run.key, name) == (AttributeType.INT, i)
            found = store.list_attributes([run.key], PathSelector(paths=self.NAMES))
            assert [path for path, _ in found] == sorted(self.NAMES)

        in_every_state(store, check)

    def test_odd_names_of_series(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.log({name: float(i) for i, name in enumerate(self.NAMES)}, step=1)
        writer.log({name: f"text {name}" for name in (f"s{n}"[:1024] for n in ("", "'", '"'))})

        def check() -> None:
            for i, name in enumerate(self.NAMES):
                assert store.get_value(run.key, name) == (AttributeType.FLOAT_SERIES, float(i))
            assert store.get_value(run.key, "s'")[1] == "text s'"

        in_every_state(store, check)

    @pytest.mark.parametrize(
        "bad", ["", "a\nb", "a\rb", "a\0", "\x7f", "\ud800", "a" * 1025, "é" * 513, 7, None, b"a"]
    )
    def test_names_that_cannot_be(self, store: Store, run: RunInfo, bad: str) -> None:
        writer = store.open_writer(run.key)
        for call in (
            lambda: writer.assign({"good": 1, bad: 1}),
            lambda: writer.log({"good": 1.0, bad: 1.0}),
            lambda: writer.log_event({"good": 1.0, bad: 1.0}),
            lambda: writer.change_set(bad, add=["a"]),
            lambda: writer.delete(bad),
            lambda: store.write_points(run.key, bad, steps=[1], values=[1.0]),
            lambda: store.set_events(run.key, bad, 1),
        ):
            with pytest.raises(InvalidPath):
                call()
        assert attributes(store, run.key) == {}

    def test_names_differ_in_case_and_form(self, store: Store, run: RunInfo) -> None:
        store.open_writer(run.key).assign({"A": 1, "a": 2, "é": 3, "e\u0301": 4, "a ": 5})
        assert attributes(store, run.key) == {"A": 1, "a": 2, "é": 3, "e\u0301": 4, "a ": 5}


def test_an_unknown_attribute_names_the_closest(store: Store, run: RunInfo) -> None:
    store.open_writer(run.key).assign({"params/learning_rate": 0.1})
    for ask in (store.get_value, store.get_stats):
        with pytest.raises(AttributeNotFound, match="closest: params/learning_rate"):
            ask(run.key, "params/learning_rat")
    with pytest.raises(AttributeNotFound):
        store.get_stats(run.key, "params/learning_rate")


def test_a_closed_writer_writes_nothing(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"loss": 1.0}, step=1)
    writer.log({"loss": 2.0}, step=2)
    writer.close()
    for call in (
        lambda: writer.log({"loss": 1.0}, step=3),
        lambda: writer.log({"loss": 1.0}, step=3, preview_completion=0.5),
        lambda: writer.log_event({"loss": 1.0}),
        lambda: writer.log_events([({"loss": 1.0}, None)]),
        lambda: writer.assign({"x": 1}),
        lambda: writer.change_set("tags", add=["a"]),
        lambda: writer.delete("loss"),
    ):
        with pytest.raises(StoreClosed):
            call()
    assert attributes(store, run.key) == {"loss": 2.0}
