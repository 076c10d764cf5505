"""What is kept of many series at once is what is kept of each."""

from __future__ import annotations

import pytest

from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.store import PathSelector, Store
from mooring.store.summaries import StatsColumn, SummarisesSeries
from tests.conformance.store.reading import in_every_state

_WIDE = 700
"""More series than are asked for in one query."""


@pytest.fixture
def summing(store: Store) -> Store:
    if not isinstance(store, SummarisesSeries):
        pytest.skip("this back end tells of one series at a time (mooring.store.summaries)")
    return store


def _read(store: Store, keys: list[int], select: PathSelector) -> list[StatsColumn]:
    assert isinstance(store, SummarisesSeries)
    found = list(store.read_stats(keys, select))
    assert found == sorted(found, key=lambda column: (column.path, column.type))
    for column in found:
        assert list(column.rows) == sorted(set(column.rows))
        for row, stats in zip(column.rows, column.stats, strict=True):
            assert repr(stats) == repr(store.get_stats(keys[row], column.path))  # NaN is not NaN
    return found


def _paths(columns: list[StatsColumn]) -> list[tuple[str, list[int]]]:
    return [(column.path, list(column.rows)) for column in columns]


def test_series_of_each_type(summing: Store) -> None:
    keys = []
    for number in range(3):
        run = summing.create_run(RunSpec(project="p", run_id=f"r{number}"))
        keys.append(run.key)
        writer = summing.open_writer(run.key)
        writer.assign({"lr": 0.1})
        digest, size = summing.put_blob(b"content")
        for step in range(3 - number):
            writer.log({"loss": float("nan") if step else float(number), "text": f"at {step}"})
            writer.log({"bins": Histogram((0.0, 1.0), (step,)), "file": FileRef(digest, size)})
        writer.log({"mixed": 1.0 if number else "text"})
        writer.log({"preview": 1.0}, preview_completion=0.5)
        writer.close()
    everywhere = [0, 1, 2]

    def check() -> None:
        found = _read(summing, keys, PathSelector())
        assert _paths(found) == [
            ("bins", everywhere),
            ("file", everywhere),
            ("loss", everywhere),
            ("mixed", [1, 2]),
            ("mixed", [0]),
            ("text", everywhere),
        ]
        backwards = _read(summing, keys[::-1], PathSelector(paths=("mixed", "none", "lr")))
        assert _paths(backwards) == [("mixed", [0, 1]), ("mixed", [2])]
        some = PathSelector(
            patterns=("s$", "^t"), types=frozenset({AttributeType.FLOAT_SERIES, AttributeType.INT})
        )
        assert _paths(_read(summing, keys[1:], some)) == [("loss", [0, 1])]
        assert _read(summing, [], PathSelector()) == []
        assert _read(summing, keys, PathSelector(paths=())) == []
        assert _read(summing, keys, PathSelector(types=frozenset())) == []
        assert _read(summing, keys, PathSelector(types=frozenset({AttributeType.INT}))) == []

    in_every_state(summing, check)


def test_what_a_fork_inherits(summing: Store) -> None:
    parent = summing.create_run(RunSpec(project="p", run_id="parent"))
    writer = summing.open_writer(parent.key)
    for step in range(4):
        writer.log({"loss": float(step)}, step=step)
    writer.close()
    fork = summing.create_run(
        RunSpec(project="p", run_id="fork", parent=parent.key, fork_step=1_000_000)
    )
    (column,) = _read(summing, [parent.key, fork.key], PathSelector())
    assert [stats.last for stats in column.stats] == [3.0, 1.0]


def test_very_many_series_of_few_runs_and_of_many(summing: Store) -> None:
    wide = summing.create_run(RunSpec(project="p", run_id="wide"))
    writer = summing.open_writer(wide.key)
    writer.log({f"s/{number:04}": float(number) for number in range(_WIDE)})
    writer.close()
    keys = [wide.key]
    for number in range(35):
        run = summing.create_run(RunSpec(project="p", run_id=f"r{number}"))
        keys.append(run.key)
        writer = summing.open_writer(run.key)
        writer.log({"s/0001": float(number)})
        writer.close()
    chosen = tuple(f"s/{number:04}" for number in range(_WIDE))
    for asked in (keys, keys[::-1], keys[:1], keys[:2]):
        for select in (PathSelector(), PathSelector(paths=chosen), PathSelector(patterns=("^s",))):
            found = _read(summing, asked, select)
            assert len(found) == _WIDE
            assert len(found[1].rows) == len(asked)
