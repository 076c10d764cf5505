"""Forks: what a run inherits."""

from __future__ import annotations

import math

import pytest

from mooring.errors import AttributeNotFound, InvalidInput, NotFound, TypeConflict
from mooring.model import AttributeType, RunInfo, RunSpec
from mooring.store import Lineage, PathSelector, SeriesQuery, Store
from tests.conformance.store.reading import (
    FLOATS,
    STRINGS,
    attributes,
    in_every_state,
    points,
    table,
    value,
)
from tests.conformance.store.test_aggregates import kept, stats_of


def make(
    store: Store,
    run_id: str,
    parent: RunInfo | None = None,
    step: float | None = None,
    **more: object,
) -> RunInfo:
    """Create a run, or a fork of another one at a step."""
    return store.create_run(
        RunSpec(
            project="p",
            run_id=run_id,
            parent=None if parent is None else parent.key,
            fork_step=None if step is None else round(step * 1_000_000),
            **more,  # type: ignore[arg-type]
        )
    )


def log(store: Store, run: RunInfo, steps: list[float], offset: float = 0.0) -> None:
    """Log at each step its number plus an offset."""
    writer = store.open_writer(run.key)
    for step in steps:
        writer.log({"x": step + offset, "t": f"{step:g}+{offset:g}"}, step=step)
    writer.close()


def same(store: Store, run: RunInfo, expected: dict[float, float], **query: object) -> None:
    """Compare points, texts and aggregates with what is expected."""
    found = points(store, run.key, "x", **query)
    assert found == sorted(expected.items())
    assert [step for step, _ in points(store, run.key, "t", STRINGS, **query)] == sorted(expected)
    if not query:
        assert kept(store, run.key, "x") == stats_of(expected)
        last = expected[max(expected)]
        assert store.get_value(run.key, "x") == (FLOATS, last)


def test_identity(store: Store) -> None:
    parent = make(store, "parent")
    log(store, parent, [0, 1, 2.5])
    fork = make(store, "fork", parent, 1)
    assert (fork.parent, fork.fork_step) == (parent.key, 1_000_000)
    assert store.find_run("p", run_id="fork") == fork
    assert value(store, fork.key, "sys/forking/parent") == (AttributeType.STRING, "parent")
    assert value(store, fork.key, "sys/forking/step") == (AttributeType.FLOAT, 1.0)
    assert value(store, fork.key, "sys/forking/depth") == (AttributeType.INT, 1)
    assert value(store, fork.key, "sys/family") == (AttributeType.STRING, "parent")
    grandchild = make(store, "grandchild", fork, 0.5)
    assert value(store, grandchild.key, "sys/forking/depth")[1] == 2
    assert value(store, grandchild.key, "sys/family")[1] == "parent"
    assert make(store, "late", parent).fork_step == 2_500_000
    assert make(store, "early", make(store, "empty")).fork_step == 0


def test_a_fork_step_needs_a_parent(store: Store) -> None:
    with pytest.raises(InvalidInput):
        store.create_run(RunSpec(project="p", fork_step=1))
    assert store.list_projects() == []


def test_the_fork_step_is_inherited(store: Store) -> None:
    parent = make(store, "parent")
    log(store, parent, [0, 1, 2, 3])
    fork = make(store, "fork", parent, 2)
    before = make(store, "before", parent, 1.999999)
    nothing = make(store, "nothing", parent, -1)

    def check() -> None:
        same(store, fork, {0: 0, 1: 1, 2: 2})
        same(store, before, {0: 0, 1: 1})
        assert attributes(store, nothing.key) == {}
        with pytest.raises(AttributeNotFound):
            store.get_stats(nothing.key, "x")
        same(store, parent, {0: 0, 1: 1, 2: 2, 3: 3})

    in_every_state(store, check)


def test_own_points_above_and_at_the_fork_step(store: Store) -> None:
    parent = make(store, "parent")
    log(store, parent, [0, 1, 2, 3])
    fork = make(store, "fork", parent, 2)
    log(store, fork, [2, 2.5, 4], 100)
    expected = {0: 0, 1: 1, 2: 102, 2.5: 102.5, 4: 104}
    in_every_state(store, lambda: same(store, fork, expected))
    same(store, fork, {2: 102, 2.5: 102.5, 4: 104}, lineage=Lineage.OWN)
    same(store, parent, {0: 0, 1: 1, 2: 2, 3: 3})


def test_own_points_below_the_fork_step_are_hidden(store: Store) -> None:
    parent = make(store, "parent")
    log(store, parent, [0, 2, 4])
    fork = make(store, "fork", parent, 3)
    log(store, fork, [1, 2, 3, 5], 100)
    in_every_state(store, lambda: same(store, fork, {0: 0, 2: 2, 3: 103, 5: 105}))
    alone = make(store, "alone", parent, 3)
    writer = store.open_writer(alone.key)
    writer.log({"only below": 1.0}, step=1)
    assert points(store, alone.key, "only below") == []


def test_a_fork_goes_on_after_the_fork_step(store: Store) -> None:
    parent = make(store, "parent")
    log(store, parent, [0, 1, 2, 3])
    fork = make(store, "fork", parent, 1.5)
    store.open_writer(fork.key).log({"x": 100.0, "t": "own"})
    in_every_state(store, lambda: same(store, fork, {0: 0, 1: 1, 2: 100}))


def test_forks_of_forks(store: Store) -> None:
    first = make(store, "1")
    log(store, first, [0, 1, 2, 3, 4, 5])
    second = make(store, "2", first, 3)
    log(store, second, [3, 4, 5, 6], 100)
    third = make(store, "3", second, 5)
    log(store, third, [6, 7], 1000)
    low = make(store, "low", second, 1)
    log(store, low, [2], 5000)

    def check() -> None:
        same(store, second, {0: 0, 1: 1, 2: 2, 3: 103, 4: 104, 5: 105, 6: 106})
        same(store, third, {0: 0, 1: 1, 2: 2, 3: 103, 4: 104, 5: 105, 6: 1006, 7: 1007})
        same(store, low, {0: 0, 1: 1, 2: 5002})

    in_every_state(store, check)
    log(store, first, [-1, 2.5], 0.25)
    log(store, second, [2.5, 3.5, 9], 0.5)

    def later() -> None:
        same(store, first, {-1: -0.75, 0: 0, 1: 1, 2: 2, 2.5: 2.75, 3: 3, 4: 4, 5: 5})
        middle = {-1: -0.75, 0: 0, 1: 1, 2: 2, 2.5: 2.75, 3: 103, 3.5: 4, 4: 104, 5: 105}
        same(store, second, {**middle, 6: 106, 9: 9.5})
        same(store, third, {**middle, 6: 1006, 7: 1007})
        same(store, low, {-1: -0.75, 0: 0, 1: 1, 2: 5002})

    in_every_state(store, later)


@pytest.mark.parametrize("sealed", [False, True])
def test_points_of_the_parent_that_arrive_later(store: Store, sealed: bool) -> None:
    parent = make(store, "parent")
    fork = make(store, "fork", parent, 5)
    assert attributes(store, fork.key) == {}
    log(store, parent, [1, 9])
    if sealed:
        store.compact()
    same(store, fork, {1: 1})
    log(store, fork, [6], 100)
    log(store, parent, [5, 3, 1], 0.5)
    in_every_state(store, lambda: same(store, fork, {1: 1.5, 3: 3.5, 5: 5.5, 6: 106}))


def test_points_of_the_parent_that_come_in_bulk(store: Store) -> None:
    parent = make(store, "parent")
    fork = make(store, "fork", parent, 5)
    store.write_points(parent.key, "x", steps=[0, 5, 6], values=[1.0, math.nan, 3.0])
    store.write_points(fork.key, "x", steps=[4, 7], values=[8.0, 9.0])
    expected = {0: 1.0, 5: math.nan, 7: 9.0}

    def check() -> None:
        assert kept(store, fork.key, "x") == stats_of(expected)
        assert points(store, fork.key, "x") == [(0, 1.0), (5, "NaN"), (7, 9.0)]

    in_every_state(store, check)


def test_lineage(store: Store) -> None:
    """The experiment of a run goes back as far as its ancestors have its name."""
    runs = []
    for i, name in enumerate(["x", "y", "x", "x"]):
        runs.append(
            make(store, str(i), runs[-1] if runs else None, i - 0.5 if i else None, name=name)
        )
        log(store, runs[-1], [i], 10 * i)

    def check() -> None:
        last = runs[-1]
        same(store, last, {0: 0, 1: 11, 2: 22, 3: 33}, lineage=Lineage.FULL)
        same(store, last, {3: 33}, lineage=Lineage.OWN)
        same(store, last, {2: 22, 3: 33}, lineage=Lineage.EXPERIMENT)
        same(store, runs[1], {1: 11}, lineage=Lineage.EXPERIMENT)
        nameless = store.find_run("p", run_id="nameless")
        assert nameless is not None
        assert points(store, nameless.key, "x", lineage=Lineage.EXPERIMENT) == []

    make(store, "nameless", runs[-1], 3)
    in_every_state(store, check)


def test_attributes_are_inherited_on_request(store: Store) -> None:
    parent = make(store, "parent", name="exp")
    writer = store.open_writer(parent.key)
    writer.assign({"lr": 0.1, "sys/description": "why", "nan": math.nan, "note": "a"})
    writer.change_set("sys/tags", add=["t"])
    writer.log({"x": 1.0}, step=1)
    plainly = make(store, "plainly", parent, 1)
    fully = make(store, "fully", parent, 1, inherit_attributes=True)
    tagged = make(store, "tagged", parent, 1, inherit_tags=True)
    assert attributes(store, plainly.key) == attributes(store, tagged.key) == {"x": 1.0}
    assert value(store, plainly.key, "sys/tags")[1] == frozenset()
    assert value(store, tagged.key, "sys/tags")[1] == {"t"}
    assert value(store, tagged.key, "sys/description")[1] == "why"
    assert attributes(store, fully.key) == {"x": 1.0, "lr": 0.1, "nan": "NaN", "note": "a"}
    assert value(store, fully.key, "sys/tags")[1] == {"t"}
    assert value(store, fully.key, "sys/description")[1] == "why"
    assert value(store, fully.key, "sys/custom_run_id")[1] == "fully"
    assert "sys/name" not in dict(store.list_attributes([fully.key], PathSelector()))
    writer.assign({"lr": 0.2})
    store.open_writer(fully.key).assign({"note": "b"})
    assert attributes(store, fully.key)["lr"] == 0.1
    assert attributes(store, parent.key)["note"] == "a"


def test_many_kinds_of_series_are_inherited(store: Store) -> None:
    parent = make(store, "parent")
    writer = store.open_writer(parent.key)
    for step in range(4):
        writer.log({f"x/{i}": i + step for i in range(600)} | {"t": str(step)}, step=step)
    fork = make(store, "fork", parent, 2)

    def check() -> None:
        assert store.get_value(fork.key, "x/599") == (FLOATS, 601.0)
        assert store.get_value(fork.key, "t") == (STRINGS, "2")
        assert points(store, fork.key, "x/7") == [(0, 7.0), (1, 8.0), (2, 9.0)]

    in_every_state(store, check)


class TestDeletionOfParents:
    def family(self, store: Store) -> list[RunInfo]:
        runs: list[RunInfo] = []
        for i in range(3):
            runs.append(make(store, str(i), runs[-1] if runs else None, i if i else None))
            log(store, runs[-1], [0, 1, 2, 3], 10.0 * i)
        return runs

    SEEN = ({0: 0, 1: 1, 2: 2, 3: 3}, {0: 0, 1: 11, 2: 12, 3: 13}, {0: 0, 1: 11, 2: 22, 3: 23})

    @pytest.mark.parametrize("sealed", [False, True])
    @pytest.mark.parametrize("gone", [(0,), (1,), (0, 1), (1, 0), (2,), (0, 2)], ids=repr)
    def test_forks_keep_what_they_saw(
        self, store: Store, gone: tuple[int, ...], sealed: bool
    ) -> None:
        runs = self.family(store)
        if sealed:
            store.compact()
        for run, seen in zip(runs, self.SEEN, strict=True):
            same(store, run, seen)
        store.delete_runs([runs[i].key for i in gone])

        def check() -> None:
            for i, (run, seen) in enumerate(zip(runs, self.SEEN, strict=True)):
                if i in gone:
                    with pytest.raises(NotFound):
                        store.get_runs([run.key])
                else:
                    same(store, run, seen)

        in_every_state(store, check)

    def test_they_go_on(self, store: Store) -> None:
        runs = self.family(store)
        store.delete_runs([runs[0].key])
        log(store, runs[1], [4, 0.5], 100)
        assert points(store, runs[1].key, "x")[-1] == (4, 104.0)
        same(store, runs[2], {0: 0, 0.5: 100.5, 1: 11, 2: 22, 3: 23})
        (orphan,) = store.get_runs([runs[1].key])
        assert orphan.parent is None

    def test_a_trashed_parent_still_shows(self, store: Store) -> None:
        runs = self.family(store)
        store.trash_runs([runs[0].key])
        in_every_state(store, lambda: same(store, runs[1], self.SEEN[1]))


class TestDeletedAttributes:
    def test_of_the_parent(self, store: Store) -> None:
        parent = make(store, "parent")
        log(store, parent, [0, 1])
        fork = make(store, "fork", parent, 1)
        silent = make(store, "silent", parent, 1)
        log(store, fork, [2], 10)
        store.open_writer(parent.key).delete("x")

        def check() -> None:
            assert points(store, fork.key, "x") == [(2, 12.0)]
            assert kept(store, fork.key, "x") == stats_of({2: 12.0})
            assert points(store, silent.key, "x") == []
            assert "x" not in attributes(store, silent.key)

        in_every_state(store, check)

    def test_of_the_fork(self, store: Store) -> None:
        """What a run deleted it does not see again, be it inherited."""
        parent = make(store, "parent")
        log(store, parent, [0, 1])
        fork = make(store, "fork", parent, 1)
        writer = store.open_writer(fork.key)
        writer.log({"x": 5.0}, step=5)
        writer.delete("x")

        def check() -> None:
            assert points(store, fork.key, "x") == []
            assert "x" not in attributes(store, fork.key)
            assert points(store, parent.key, "x") == [(0, 0.0), (1, 1.0)]
            both = table(store, [parent.key, fork.key], "x")
            assert both["run"].to_pylist() == [parent.key] * 2

        in_every_state(store, check)
        writer.log({"x": "now a text"}, step=6)

        def changed() -> None:
            assert points(store, fork.key, "x") == []
            assert points(store, fork.key, "x", STRINGS) == [(6, "now a text")]
            assert attributes(store, fork.key)["x"] == "now a text"

        in_every_state(store, changed)

    def test_the_fork_logs_it_anew(self, store: Store) -> None:
        parent = make(store, "parent")
        log(store, parent, [0, 1])
        fork = make(store, "fork", parent, 1)
        writer = store.open_writer(fork.key)
        writer.delete("x")
        writer.log({"x": 7.0}, step=7)
        writer.log({"x": 6.0}, step=6)
        log(store, parent, [0.5])

        def check() -> None:
            assert points(store, fork.key, "x") == [(6, 6.0), (7, 7.0)]
            assert kept(store, fork.key, "x") == stats_of({6: 6.0, 7: 7.0})

        in_every_state(store, check)


def test_an_attribute_of_another_type_hides_what_the_parent_logs_later(store: Store) -> None:
    parent = make(store, "parent")
    fork = make(store, "fork", parent, 5)
    store.open_writer(fork.key).assign({"x": "a text"})
    log(store, parent, [0, 1])

    def check() -> None:
        assert store.get_value(fork.key, "x") == (AttributeType.STRING, "a text")
        assert points(store, fork.key, "x") == []

    in_every_state(store, check)


def test_points_that_the_lineage_hides_are_kept_and_fix_the_type(store: Store):
    parent = store.create_run(RunSpec(project="p", run_id="parent"))
    child = store.create_run(
        RunSpec(project="p", run_id="child", parent=parent.key, fork_step=5_000_000)
    )
    writer = store.open_writer(child.key)
    writer.log({"hidden": 1.0}, step=1)
    writer.close()
    own = SeriesQuery(lineage=Lineage.OWN)
    select = PathSelector(paths=("hidden",), types=frozenset({AttributeType.FLOAT_SERIES}))
    for seal in (False, True):
        if seal:
            store.compact()
        assert store.read_series([child.key], select, SeriesQuery()).num_rows == 0
        assert store.read_series([child.key], select, own)["value"].to_pylist() == [1.0]
        assert store.get_value(child.key, "hidden") == (AttributeType.FLOAT_SERIES, None)
        assert store.get_stats(child.key, "hidden").count == 0
    again = store.open_writer(child.key)
    with pytest.raises(TypeConflict):
        again.log({"hidden": "text"}, step=9)
    again.close()
