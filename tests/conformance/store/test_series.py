"""Points of series: the four types, exact steps, order, what is refused, and ranges."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from mooring.errors import InvalidInput, InvalidStep, InvalidValue, TypeConflict
from mooring.model import AttributeType, FileRef, Histogram, RunInfo, RunSpec
from mooring.store import PathSelector, SeriesQuery, Store
from tests.conformance.store.conftest import BackEnd
from tests.conformance.store.reading import (
    FILES,
    FLOATS,
    HISTOGRAMS,
    NAN,
    STRINGS,
    attributes,
    in_every_state,
    plain,
    points,
    table,
)

SPECIAL = [0.1, math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53]


def test_numbers(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for i, number in enumerate(SPECIAL):
        writer.log({"x": number}, step=i)

    def check() -> None:
        assert points(store, run.key, "x") == [(i, plain(each)) for i, each in enumerate(SPECIAL)]

    in_every_state(store, check)


def test_everything_that_is_a_number(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    given = [1, True, np.float32(0.5), np.int64(2), np.bool_(True), Decimal("0.25"), Fraction(1, 8)]
    for i, number in enumerate(given):
        writer.log({"x": number, "y": 0.0}, step=i)
    expected = [(i, float(each)) for i, each in enumerate(given)]
    in_every_state(store, lambda: _equal(points(store, run.key, "x"), expected))


def test_integers_become_the_nearest_double(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    given = [2**53 + 1, 2**63 - 1, -(2**63), 2**64, 10**300]
    for path in ("x", "y"):  # the first call of a kind and those that follow agree
        for i, number in enumerate(given):
            writer.log({path: number}, step=i)
            writer.log({path + str(i): number}, step=i)
    for path in ("x", "y"):
        assert points(store, run.key, path) == [(i, float(each)) for i, each in enumerate(given)]
    assert points(store, run.key, "x3") == [(3, 2.0**64)]


TEXTS = ["", "a", "日本 🚢", "a\0b\r\n", "'; DROP TABLE log; --", "nan", "1", "x" * 100_000]


def test_texts(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for i, text in enumerate(TEXTS):
        writer.log({"x": text}, step=i)
    expected = list(enumerate(TEXTS))
    in_every_state(store, lambda: _equal(points(store, run.key, "x", STRINGS), expected))


def test_histograms(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    given = [
        Histogram((0.0, 1.0, 2.5), (3.0, 4.0)),
        Histogram((-math.inf, 0.0, math.inf), (math.nan, math.inf), "DENSITY"),
        Histogram((0, 1), (2,)),  # type: ignore[arg-type]
        Histogram(tuple(np.linspace(0, 1, 101).tolist()), tuple(range(100))),
    ]
    for i, histogram in enumerate(given):
        writer.log({"x": histogram}, step=i)

    def check() -> None:
        expected = [
            {
                "kind": each.kind,
                "edges": [float(edge) for edge in each.edges],
                "values": plain([float(value) for value in each.values]),
            }
            for each in given
        ]
        assert points(store, run.key, "x", HISTOGRAMS) == list(enumerate(expected))
        assert store.get_value(run.key, "x") == (HISTOGRAMS, given[-1])
        assert store.get_stats(run.key, "x").first == given[0]

    in_every_state(store, check)


def test_files(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    given = []
    for i in range(3):
        digest, size = store.put_blob(f"content {i}".encode())
        given.append(FileRef(digest, size, "text/plain", f"é'{i}.txt"))
        writer.log({"x": given[-1]}, step=i)

    def check() -> None:
        expected = [
            {
                "digest": each.digest,
                "size_bytes": each.size_bytes,
                "mime_type": each.mime_type,
                "name": each.name,
            }
            for each in given
        ]
        assert points(store, run.key, "x", FILES) == list(enumerate(expected))
        assert store.get_value(run.key, "x") == (FILES, given[-1])

    in_every_state(store, check)


def test_one_call_with_all_types(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    digest, size = store.put_blob(b"x")
    for step in range(3):
        writer.log(
            {
                "f": step,
                "s": str(step),
                "h": Histogram((0.0, 1.0), (float(step),)),
                "i": FileRef(digest, size),
            }
        )
    listed = [("f", FLOATS), ("h", HISTOGRAMS), ("i", FILES), ("s", STRINGS)]

    def check() -> None:
        select = PathSelector(paths=("f", "h", "i", "s"))
        assert list(store.list_attributes([run.key], select)) == listed
        for path, type in listed:
            assert len(points(store, run.key, path, type)) == 3

    in_every_state(store, check)


def test_a_call_with_thousands_of_series(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    names = [f"layer/{i}/norm" for i in range(5_000)]
    for step in range(2):
        writer.log({name: i + step / 2 for i, name in enumerate(names)}, step=step)
    assert points(store, run.key, "layer/4999/norm") == [(0, 4999.0), (1, 4999.5)]
    assert table(store, [run.key]).num_rows == 10_000
    store.compact()
    assert points(store, run.key, "layer/4999/norm") == [(0, 4999.0), (1, 4999.5)]
    assert table(store, [run.key]).num_rows == 10_000


def test_many_different_calls(store: Store, run: RunInfo) -> None:
    """More sets of names than a writer remembers."""
    writer = store.open_writer(run.key)
    for i in range(700):
        writer.log({f"a/{i % 350}": i, f"b/{i}": math.nan}, step=i)
    expected = [(7, 7.0), (357, 357.0)]
    in_every_state(store, lambda: _equal(points(store, run.key, "a/7"), expected))
    assert points(store, run.key, "b/699") == [(699, NAN)]


class TestSteps:
    @pytest.mark.parametrize(
        ("step", "micros"),
        [
            (0, 0),
            (-3, -3_000_000),
            (0.1, 100_000),
            (1 / 3, 333_333),
            (2.0000005, 2_000_001),
            (-0.000001, -1),
            (123456.654321, 123_456_654_321),
            (999_999_999_999, 999_999_999_999_000_000),
            (-999_999_999_999, -999_999_999_999_000_000),
            (10**12, 10**18),
            (-(10**12), -(10**18)),
            (Decimal("999999999999.999999"), 999_999_999_999_999_999),
            (Decimal("-999999999999.999999"), -999_999_999_999_999_999),
            (Fraction(1, 8), 125_000),
            ("2.5", 2_500_000),
            (np.int64(7), 7_000_000),
            (np.float32(0.5), 500_000),
        ],
    )
    def test_are_exact(self, store: Store, run: RunInfo, step: object, micros: int) -> None:
        writer = store.open_writer(run.key)
        writer.log({"x": 1.0}, step=step)
        writer.log({"t": "a", "x": 2.0}, step=step)

        def check() -> None:
            found = table(store, [run.key], "x")
            assert found["step"].to_pylist() == [micros]
            assert found["value"].to_pylist() == [2.0]
            assert table(store, [run.key], "t", STRINGS)["step"].to_pylist() == [micros]
            stats = store.get_stats(run.key, "x")
            assert (stats.first_step, stats.last_step, stats.minimum_step) == (micros,) * 3

        in_every_state(store, check)

    @pytest.mark.parametrize(
        "step",
        [math.nan, math.inf, -math.inf, 10**12 + 1, -1e13, "x", True, b"1", [1], 1j, 10**400],
        ids=repr,
    )
    def test_that_cannot_be(self, store: Store, run: RunInfo, step: object) -> None:
        writer = store.open_writer(run.key)
        writer.log({"x": 0.0}, step=0)
        for values in ({"x": 1.0}, {"x": 1.0, "y": 1.0}, {"z": "a"}):
            with pytest.raises(InvalidStep):
                writer.log(values, step=step)
            with pytest.raises(InvalidStep):
                writer.log(values, step=step, preview_completion=0.5)
        assert attributes(store, run.key) == {"x": 0.0}

    def test_at_one_step_the_last_logged_wins(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        for number in (1.0, 3.0, 2.0):
            writer.log({"x": number, "y": 0.0}, step=5)
        writer.log({"x": 9.0}, step=6)
        writer.log({"x": 4.0}, step=5)
        writer.log({"x": 5.0, "text": "other kind of row"}, step=5)

        def check() -> None:
            assert points(store, run.key, "x") == [(5, 5.0), (6, 9.0)]
            assert points(store, run.key, "y") == [(5, 0.0)]
            assert store.get_stats(run.key, "x").count == 2

        in_every_state(store, check)

    def test_the_last_logged_wins_over_reads_and_seals(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        for number in range(6):
            writer.log({"x": float(number)}, step=5)
            writer.log({"x": 0.5}, step=number + 10)
            assert points(store, run.key, "x")[0] == (5, float(number))
            if number % 2:
                store.compact(events=bool(number % 4))
                assert points(store, run.key, "x")[0] == (5, float(number))
        in_every_state(store, lambda: _equal(len(points(store, run.key, "x")), 7))

    def test_out_of_order(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        order = [5, 1, 9, 3, -2, 8, 0.5]
        for step in order:
            writer.log({"x": step * 10, "t": str(step)}, step=step)
        expected = [(step, step * 10.0) for step in sorted(order)]

        def check() -> None:
            assert points(store, run.key, "x") == expected
            assert [step for step, _ in points(store, run.key, "t", STRINGS)] == sorted(order)
            assert store.get_value(run.key, "x")[1] == 90.0
            assert store.get_value(run.key, "t")[1] == "9"

        in_every_state(store, check)
        writer.log({"x": -1.0}, step=4)
        expected.insert(4, (4, -1.0))
        in_every_state(store, check)

    def test_none_is_the_next_whole_step(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.log({"x": 0.0})
        writer.log({"x": 1.0})
        writer.log({"y": 2.0}, step=7.25)
        writer.log({"x": 3.0})
        writer.log({"x": 4.0}, step=-5)
        writer.log({"x": 5.0})
        expected = [(-5, 4.0), (0, 0.0), (1, 1.0), (8, 3.0), (9, 5.0)]
        in_every_state(store, lambda: _equal(points(store, run.key, "x"), expected))
        writer.log({"x": 6.0})
        assert points(store, run.key, "x")[-1] == (10, 6.0)

    def test_none_after_negative_steps(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.log({"x": 0.0}, step=-2.5)
        writer.log({"x": 1.0})
        writer.log({"x": 2.0})
        assert points(store, run.key, "x") == [(-2.5, 0.0), (-2, 1.0), (-1, 2.0)]

    def test_none_from_two_writers(self, store: Store, run: RunInfo, back_end: BackEnd) -> None:
        if not back_end.same_for_all:
            pytest.skip("with a spool, two writers are in order each, not between them")
        first, second = store.open_writer(run.key), store.open_writer(run.key)
        for _ in range(3):
            first.log({"x": 1.0})
            second.log({"x": 2.0})
        assert points(store, run.key, "x") == [(i, 1.0 + i % 2) for i in range(6)]


def test_times_are_kept_to_the_microsecond(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    times = [1_700_000_000_123_456, 0, -1, -1_234_567, 1, 253_402_300_799_999_999]
    for step, time in enumerate(times):
        writer.log({"x": 1.0, "t": "a"}, step=step, time=time)

    def check() -> None:
        assert table(store, [run.key], "x")["time"].to_pylist() == times
        assert table(store, [run.key], "t", STRINGS)["time"].to_pylist() == times
        assert store.get_stats(run.key, "x").last_time == times[-1]

    in_every_state(store, check)


def test_a_point_without_time_gets_the_present(store: Store, run: RunInfo) -> None:
    before = datetime.now(UTC).timestamp() * 1e6
    store.open_writer(run.key).log({"x": 1.0})
    (time,) = table(store, [run.key], "x")["time"].to_pylist()
    assert before - 1_000 <= time <= datetime.now(UTC).timestamp() * 1e6 + 1_000


@pytest.mark.parametrize(
    "bad",
    [None, object(), [1.0], {"a": 1}, b"x", {"a"}, 1j, datetime(2024, 1, 1, tzinfo=UTC), "\ud800"],
    ids=repr,
)
def test_what_is_no_point(store: Store, run: RunInfo, bad: object) -> None:
    writer = store.open_writer(run.key)
    writer.log({"good": 1.0, "bad": 1.0}, step=0)
    for values in ({"good": 2.0, "bad": bad}, {"good": 2.0, "new": bad}, {"new": bad}):
        with pytest.raises(InvalidValue, match=r"'bad'|'new'"):
            writer.log(values, step=1)
    assert attributes(store, run.key) == {"good": 1.0, "bad": 1.0}


def test_logging_nothing_is_nothing(store: Store, run: RunInfo) -> None:
    store.open_writer(run.key).log({})
    assert attributes(store, run.key) == {}


def test_a_series_keeps_its_type(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"f": 1.0, "s": "a"}, step=0)
    for values in ({"f": "a"}, {"s": 1.0}, {"f": 2.0, "s": 1.0}, {"f": Histogram((0, 1), (1,))}):
        with pytest.raises(TypeConflict):
            writer.log(values, step=1)
    with pytest.raises(TypeConflict, match="'f'"):
        writer.assign({"f": 1.0})
    writer.assign({"v": 1.0})
    with pytest.raises(TypeConflict, match="'v'"):
        writer.log({"f": 2.0, "v": 1.0}, step=1)
    assert attributes(store, run.key) == {"f": 1.0, "s": "a", "v": 1.0}
    assert points(store, run.key, "f") == [(0, 1.0)]


class TestReading:
    def test_the_table(self, store: Store) -> None:
        runs = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(3)]
        for run in runs:
            writer = store.open_writer(run.key)
            for step in (2, 1):
                writer.log({"b": run.key, "a": step}, step=step, time=step)

        def check() -> None:
            keys = [runs[2].key, runs[0].key]
            found = table(store, keys)
            assert found.schema.field("run").type == pa.dictionary(pa.int32(), pa.int64())
            assert found.schema.field("path").type == pa.dictionary(pa.int32(), pa.string())
            assert found.schema.field("step").type == pa.int64()
            assert found.schema.field("time").type == pa.int64()
            assert found.schema.field("value").type == pa.float64()
            assert found.column_names == ["run", "path", "step", "time", "value"]
            assert list(
                zip(*(found[name].to_pylist() for name in found.column_names), strict=True)
            ) == [
                (key, path, step * 1_000_000, step, float(key if path == "b" else step))
                for key in keys
                for path in ("a", "b")
                for step in (1, 2)
            ]

        in_every_state(store, check)

    @pytest.mark.parametrize("type", [FLOATS, STRINGS, HISTOGRAMS, FILES])
    def test_nothing_is_an_empty_table(
        self, store: Store, run: RunInfo, type: AttributeType
    ) -> None:
        for keys, paths in (([run.key], None), ([], None), ([run.key], "x")):
            found = table(store, keys, paths, type, include_previews=True)
            assert found.num_rows == 0
            assert found.column_names == ["run", "path", "step", "time", "value", "completion"]

    def test_ranges_and_tails(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        for step in range(10):
            writer.log({"x": step, "t": str(step)}, step=step / 2)

        def steps(**query: int) -> list[float]:
            found = [step for step, _ in points(store, run.key, "x", **query)]
            assert found == [step for step, _ in points(store, run.key, "t", STRINGS, **query)]
            return found

        def check() -> None:
            assert steps(step_from=1_000_000, step_to=2_000_000) == [1, 1.5, 2]
            assert steps(step_from=1_000_001, step_to=1_999_999) == [1.5]
            assert steps(step_from=4_500_000) == [4.5]
            assert steps(step_from=4_500_001) == []
            assert steps(step_to=-1) == []
            assert steps(step_to=0) == [0]
            assert steps(step_from=2_000_000, step_to=1_000_000) == []
            assert steps(tail=2) == [4, 4.5]
            assert steps(tail=2, step_to=1_000_000) == [0.5, 1]
            assert steps(tail=0) == []
            assert len(steps(tail=99)) == 10

        in_every_state(store, check)

    def test_patterns_select_paths(self, store: Store, run: RunInfo) -> None:
        store.open_writer(run.key).log({"train/loss": 1.0, "val/loss": 2.0, "val/acc": 3.0})

        def paths(**select: object) -> list[str]:
            chosen = PathSelector(types=frozenset({FLOATS}), **select)  # type: ignore[arg-type]
            return store.read_series([run.key], chosen, SeriesQuery())["path"].to_pylist()

        assert paths() == ["train/loss", "val/acc", "val/loss"]
        assert paths(patterns=("loss$",)) == ["train/loss", "val/loss"]
        assert paths(patterns=("^val/", "^train/")) == ["train/loss", "val/acc", "val/loss"]
        assert paths(paths=("val/acc", "no"), patterns=("^train",)) == ["train/loss", "val/acc"]
        assert paths(paths=()) == []
        assert paths(patterns=()) == []
        assert paths(patterns=("nothing",)) == []

    def test_one_type_at_a_time(self, store: Store, run: RunInfo) -> None:
        for types in (
            None,
            frozenset(),
            frozenset({FLOATS, STRINGS}),
            frozenset({AttributeType.INT}),
        ):
            with pytest.raises(InvalidInput):
                store.read_series([run.key], PathSelector(types=types), SeriesQuery())


def _equal(found: object, expected: object) -> None:
    assert found == expected
