"""Types that disagree, and attributes that are deleted to change theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mooring.errors import AttributeNotFound, TypeConflict
from mooring.model import AttributeType, RunInfo
from mooring.store import RunWriter, Store
from tests.conformance.store.conftest import BackEnd
from tests.conformance.store.reading import FLOATS, STRINGS, attributes, in_every_state, points


def two_writers(store: Store, run: RunInfo) -> tuple[RunWriter, RunWriter]:
    """Return two writers that know of the run what is there now, and nothing of each other."""
    writers = store.open_writer(run.key), store.open_writer(run.key)
    for writer in writers:
        writer.change_set("sys/tags", add=["known"])
    return writers


class TestTwoWritersOfAHub:
    """The hub knows what both write, and refuses the later value of another type."""

    @pytest.fixture(autouse=True)
    def _refuses(self, back_end: BackEnd) -> None:
        if not back_end.refuses_conflicts:
            pytest.skip(f"{back_end} keeps conflicting values, and tells of them")

    @staticmethod
    def refused(store: Store, writer: RunWriter, write: Callable[[], None]) -> None:
        """Expect a refusal: by the call, or by a writer with a spool as it closes."""

        def write_and_close() -> None:
            write()
            writer.close()

        with pytest.raises(TypeConflict, match="'x'"):
            write_and_close()

    def test_of_series(self, store: Store, run: RunInfo) -> None:
        first, second = two_writers(store, run)
        first.log({"x": 1.0}, step=1)
        assert points(store, run.key, "x") == [(1, 1.0)]
        self.refused(store, second, lambda: second.log({"x": "text", "y": "fine"}, step=2))
        first.log({"x": 3.0}, step=3)

        def check() -> None:
            assert points(store, run.key, "x") == [(1, 1.0), (3, 3.0)]
            assert points(store, run.key, "x", STRINGS) == []
            assert points(store, run.key, "y", STRINGS) == []
            assert store.check().findings == ()

        in_every_state(store, check)

    def test_of_values(self, store: Store, run: RunInfo) -> None:
        first, second = two_writers(store, run)
        first.assign({"x": 1})
        assert attributes(store, run.key) == {"x": 1}
        self.refused(store, second, lambda: second.assign({"x": "text", "y": 2}))
        assert attributes(store, run.key) == {"x": 1}


@pytest.mark.usefixtures("keeps_conflicts")
class TestTwoWriters:
    """Neither knows what the other one writes; the first in the log decides the type."""

    def notes(self, store: Store, *words: str) -> None:
        found = store.check()
        assert found.ok
        for word in words:
            assert any(each.severity == "note" and word in each.what for each in found.findings)

    def test_of_series(self, store: Store, run: RunInfo) -> None:
        first, second = two_writers(store, run)
        first.log({"x": 1.0}, step=1)
        second.log({"x": "text", "y": "fine"}, step=2)
        first.log({"x": 3.0}, step=3)

        def check() -> None:
            assert points(store, run.key, "x") == [(1, 1.0), (3, 3.0)]
            assert points(store, run.key, "x", STRINGS) == []
            assert points(store, run.key, "y", STRINGS) == [(2, "fine")]
            assert store.get_stats(run.key, "x").count == 2
            self.notes(store, "'x'")

        in_every_state(store, check)

    def test_of_values(self, store: Store, run: RunInfo) -> None:
        first, second = two_writers(store, run)
        first.assign({"x": 1})
        second.assign({"x": "text", "y": 2})
        second.change_set("z", add=["a"])
        first.assign({"z": True})

        def check() -> None:
            assert attributes(store, run.key) == {"x": 1, "y": 2, "z": {"a"}}
            self.notes(store, "'x'", "'z'")

        in_every_state(store, check)

    @pytest.mark.parametrize("read_between", [False, True])
    def test_of_a_value_and_a_series(self, store: Store, run: RunInfo, read_between: bool) -> None:
        first, second = two_writers(store, run)
        first.assign({"x": 1})
        second.log({"y": 1.0}, step=1)
        if read_between:
            assert attributes(store, run.key) == {"x": 1, "y": 1.0}
        second.log({"x": 2.0}, step=2)
        first.assign({"y": "text"})

        def check() -> None:
            assert attributes(store, run.key) == {"x": 1, "y": 1.0}
            assert points(store, run.key, "x") == []
            self.notes(store, "'x'", "'y'")

        in_every_state(store, check)


class TestOneAfterTheOther:
    def test_a_new_writer_knows_the_type(self, store: Store, run: RunInfo) -> None:
        store.open_writer(run.key).log({"x": 1.0})
        with pytest.raises(TypeConflict):
            store.open_writer(run.key).log({"x": "text"})
        with pytest.raises(TypeConflict):
            store.open_writer(run.key).assign({"x": 1})
        with pytest.raises(TypeConflict):
            store.open_writer(run.key).assign({"sys/tags": "text"})
        with pytest.raises(TypeConflict):
            store.open_writer(run.key).assign({"sys/name": 1})

    def test_the_first_writer_knows_what_came_in_bulk(self, store: Store, run: RunInfo) -> None:
        store.write_points(run.key, "x", steps=[1], values=[1.0])
        with pytest.raises(TypeConflict):
            store.open_writer(run.key).log({"x": "text"})

    def test_an_int_after_a_float_of_another_writer(
        self, store: Store, run: RunInfo, back_end: BackEnd
    ) -> None:
        if not back_end.same_for_all:
            pytest.skip("with a spool, two writers are in order each, not between them")
        first, second = two_writers(store, run)
        first.assign({"x": 0.5})
        second.assign({"x": 2})
        assert store.get_value(run.key, "x") == (AttributeType.FLOAT, 2.0)
        assert store.check().findings == ()


class TestInBulk:
    def test_nothing_is_written(self, store: Store, run: RunInfo) -> None:
        store.open_writer(run.key).assign({"x": 1})
        with pytest.raises(TypeConflict, match="'x'"):
            store.write_points(run.key, "x", steps=[1], values=[1.0])
        assert attributes(store, run.key) == {"x": 1}
        store.open_writer(run.key).log({"t": "text"}, step=1)
        with pytest.raises(TypeConflict, match="'t'"):
            store.write_points(run.key, "t", steps=[1], values=[1.0])
        assert points(store, run.key, "t", STRINGS) == [(1, "text")]


class TestDeletion:
    @pytest.mark.parametrize("sealed", [False, True])
    def test_the_path_may_take_another_type(self, store: Store, run: RunInfo, sealed: bool) -> None:
        writer = store.open_writer(run.key)
        writer.assign({"v": 1})
        for step in range(3):
            writer.log({"x": 1.0, "y": 2.0}, step=step)
        if sealed:
            store.compact()
        writer.delete("x")
        writer.delete("v")
        assert attributes(store, run.key) == {"y": 2.0}
        with pytest.raises(AttributeNotFound):
            store.get_value(run.key, "x")
        writer.log({"x": "text"}, step=1)
        writer.assign({"v": "text"})

        def check() -> None:
            assert attributes(store, run.key) == {"v": "text", "x": "text", "y": 2.0}
            assert points(store, run.key, "x") == []
            assert points(store, run.key, "x", STRINGS) == [(1, "text")]
            assert len(points(store, run.key, "y")) == 3
            assert store.check().findings == ()

        in_every_state(store, check)

    @pytest.mark.parametrize("reads", [False, True])
    def test_back_and_forth(self, store: Store, run: RunInfo, reads: bool) -> None:
        writer = store.open_writer(run.key)
        for i in range(4):
            writer.log({"x": float(i), "y": 0.0}, step=i)
            if reads:
                assert points(store, run.key, "x") == [(i, float(i))]
            writer.delete("x")
            writer.log({"x": str(i)}, step=10 + i)
            if reads:
                assert points(store, run.key, "x", STRINGS) == [(10 + i, str(i))]
            if i == 2:
                store.compact()
            writer.delete("x")
        assert "x" not in attributes(store, run.key)
        writer.log({"x": 7.0}, step=0)
        in_every_state(store, lambda: _equal(points(store, run.key, "x"), [(0, 7.0)]))
        assert store.get_stats(run.key, "x").count == 1

    def test_of_nothing(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        writer.delete("never")
        writer.delete("never")
        assert attributes(store, run.key) == {}
        writer.log({"never": 1.0}, step=0)
        assert points(store, run.key, "never") == [(0, 1.0)]

    @pytest.mark.usefixtures("keeps_conflicts")
    def test_takes_the_conflicts_along(self, store: Store, run: RunInfo) -> None:
        first, second = two_writers(store, run)
        first.log({"x": 1.0})
        second.log({"x": "text"})
        assert store.check().findings
        first.delete("x")
        assert store.check().findings == ()

    def test_of_a_path_with_siblings_in_the_call(self, store: Store, run: RunInfo) -> None:
        writer = store.open_writer(run.key)
        for step in range(3):
            writer.log({"a": step, "b": -step}, step=step)
        writer.delete("a")
        for step in range(3, 5):
            writer.log({"a": step, "b": -step}, step=step)

        def check() -> None:
            assert points(store, run.key, "a") == [(3, 3.0), (4, 4.0)]
            assert points(store, run.key, "b") == [(step, -float(step)) for step in range(5)]

        in_every_state(store, check)

    def test_one_run_only(self, store: Store, run: RunInfo) -> None:
        from mooring.model import RunSpec

        other = store.create_run(RunSpec(project="p", run_id="b"))
        for each in (run, other):
            store.open_writer(each.key).log({"x": 1.0}, step=0)
        store.compact()
        store.open_writer(run.key).delete("x")

        def check() -> None:
            assert points(store, run.key, "x") == []
            assert points(store, other.key, "x") == [(0, 1.0)]
            assert store.get_value(other.key, "x") == (FLOATS, 1.0)

        in_every_state(store, check)


def _equal(found: object, expected: object) -> None:
    assert found == expected


@pytest.mark.usefixtures("keeps_conflicts")
def test_points_of_a_second_type_are_not_sealed_away(store: Store, run: RunInfo) -> None:
    one, other = two_writers(store, run)
    one.log({"x": 1.0})
    other.log({"x": "text"})
    one.log_event({"y": 1})
    store.compact(events=True)
    (finding,) = store.check().findings
    assert "string_series and not shown" in finding.what
    one.delete("x")
    other = store.open_writer(run.key)
    other.log({"x": "now a text"})
    store.compact(events=True)
    assert points(store, run.key, "x", STRINGS) == [(3, "now a text")]
