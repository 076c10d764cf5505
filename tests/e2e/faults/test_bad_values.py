"""Values, paths, names and steps that cannot be taken: one error of ours each, nothing lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mooring.errors import (
    AlreadyExists,
    AttributeNotFound,
    InvalidInput,
    InvalidName,
    InvalidPath,
    InvalidStep,
    InvalidValue,
    ProjectNotFound,
    RunNotFound,
    TypeConflict,
)
from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.store import PathSelector, RunQuery, Store, open_store
from tests.e2e.faults.processes import read_steps


class Strange:
    """Fails wherever it is looked at."""

    def __float__(self) -> float:
        raise TypeError("no number after all")


class Logged:
    """A run with a few points, to which each test adds what cannot be taken."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.key = store.create_run(RunSpec(project="faults")).key
        self.writer = store.open_writer(self.key)
        self.steps = list(range(20))
        for step in self.steps:
            self.writer.log({"loss": step * 0.5}, step=step)
        self.writer.assign({"lr": 0.1, "name": "x", "count": 3})
        self.writer.log_event({"row": 0})

    def refuses(self, kind: type[Exception], action: Callable[[], object], *words: str) -> None:
        with pytest.raises(kind) as caught:
            action()
        assert type(caught.value) is kind
        message = str(caught.value)
        assert len(message) < 500
        for word in words:
            assert word in message
        # The writer goes on, and what was there stays as it was.
        self.writer.log({"loss": 100 * 0.5}, step=100 + len(self.steps))
        self.steps.append(100 + len(self.steps))
        assert read_steps(self.store, self.key) == self.steps
        assert self.store.get_value(self.key, "lr")[1] == 0.1
        assert self.store.read_events("faults", [self.key]).columns["row"] == [0]


@pytest.fixture(params=["process", "relaxed"])
def logged(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Logged]:
    with open_store(tmp_path / "runs.db", durability=request.param) as store:
        logged = Logged(store)
        yield logged
        assert store.check().ok
    with open_store(tmp_path / "runs.db") as store:
        assert read_steps(store, logged.key) == logged.steps


BAD_VALUES = [
    object(),
    Strange(),
    1 + 2j,
    [1, 2],
    {"a": 1},
    (1,),
    {1},
    np.zeros(3),
    -(10**400),
    10**5000,
    "\ud800",
    Decimal("sNaN"),
    Fraction(10**400, 3),
    lambda: 1,
    float,
    Histogram((0.0, 1.0), ("a",)),  # type: ignore[arg-type]
    FileRef("d", 2**70),
    FileRef("d", "1"),  # type: ignore[arg-type]
    FileRef("\ud800", 1),
    FileRef(None, 1),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("value", BAD_VALUES, ids=lambda value: type(value).__name__)
def test_a_value_that_no_type_holds(logged: Logged, value: Any) -> None:
    writer = logged.writer
    for path in ("new", "loss"):
        logged.refuses(InvalidValue, lambda path=path: writer.log({"fine": 1.0, path: value}), path)
    logged.refuses(InvalidValue, lambda: writer.log_event({"fine": 1, "new": value}), "new")
    rows = [({"row": 1}, None), ({"row": value}, None)]
    logged.refuses(InvalidValue, lambda: writer.log_events(rows), "row")
    if not isinstance(value, set):
        logged.refuses(InvalidValue, lambda: writer.assign({"fine": 1, "new": value}), "new")
    logged.refuses(InvalidValue, lambda: logged.store.set_events(logged.key, "new", value), "new")
    for path in ("fine", "new"):
        with pytest.raises(AttributeNotFound):
            logged.store.get_value(logged.key, path)


def test_integers_beyond_64_bits_are_doubles_in_a_series_and_nothing_else(logged: Logged) -> None:
    for step in (1, 2):  # the first call of a set of names takes another way than those after it
        logged.writer.log({"big": 2**63, "bigger": -(10**300)}, step=step)
    assert logged.store.get_stats(logged.key, "big").sum == 2.0**64
    assert logged.store.get_stats(logged.key, "bigger").minimum == -1e300
    logged.refuses(InvalidValue, lambda: logged.writer.assign({"new": 2**63}), "64 bits")
    logged.refuses(InvalidValue, lambda: logged.writer.log_event({"new": 2**63}), "64 bits")


def test_values_of_sets_datetimes_and_nothing(logged: Logged) -> None:
    writer = logged.writer
    logged.refuses(InvalidValue, lambda: writer.assign({"tags": {1, 2}}), "tags", "texts")
    logged.refuses(InvalidValue, lambda: writer.change_set("tags", add=[1]), "tags")  # type: ignore[list-item]
    logged.refuses(InvalidValue, lambda: writer.change_set("tags", add=["\ud800"]), "tags")
    logged.refuses(InvalidValue, lambda: writer.assign({"none": None}), "none")  # type: ignore[dict-item]
    logged.refuses(InvalidValue, lambda: writer.log({"none": None}), "none")
    logged.refuses(InvalidValue, lambda: writer.log({"when": datetime.now(UTC)}), "when")
    logged.refuses(InvalidValue, lambda: writer.log({"a": "x"}, preview_completion=0.5))
    logged.refuses(InvalidValue, lambda: writer.log({"a": 1}, preview_completion="x"), "0 to 1")  # type: ignore[arg-type]


@pytest.mark.parametrize("time", ["now", 1.5, True, 2**62, 2**70, -(2**60), datetime.now(UTC)])
def test_a_time_that_cannot_be_read_back(logged: Logged, time: Any) -> None:
    writer = logged.writer
    logged.refuses(InvalidValue, lambda: writer.log({"loss": 1.0}, time=time), "time")
    logged.refuses(InvalidValue, lambda: writer.log({"new": 1.0}, time=time), "time")
    logged.refuses(InvalidValue, lambda: writer.log_event({"row": 1}, time=time), "time")
    logged.refuses(InvalidValue, lambda: writer.log_events([({"row": 1}, time)]), "time")
    if not isinstance(time, (bool, float, str, datetime)):
        logged.refuses(
            InvalidValue,
            lambda: logged.store.write_points(
                logged.key, "loss", steps=[999], values=[1.0], times=time
            ),
            "time",
        )


@pytest.mark.parametrize(
    "step",
    [
        *(math.nan, math.inf, 1e300, 10**12 + 1, -(10**13), 10**400),
        *(Decimal("NaN"), Decimal("sNaN"), 1j, True, "x", "", b"1", [1], object()),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_step_that_is_none(logged: Logged, step: Any) -> None:
    logged.refuses(InvalidStep, lambda: logged.writer.log({"loss": 1.0}, step=step), "step")
    logged.refuses(InvalidStep, lambda: logged.writer.log({"new": 1.0}, step=step), "step")


@pytest.mark.parametrize(
    "path", ["", "a\nb", "a\0b", "x" * 1025, "ü" * 513, "\ud800", 1, None, b"a"]
)
def test_a_path_that_cannot_be_one(logged: Logged, path: Any) -> None:
    writer = logged.writer
    logged.refuses(InvalidPath, lambda: writer.log({"fine": 1.0, path: 1.0}), "path")
    logged.refuses(InvalidPath, lambda: writer.log_event({path: 1.0}), "path")
    logged.refuses(InvalidPath, lambda: writer.assign({"fine": 1, path: 1}), "path")
    logged.refuses(InvalidPath, lambda: writer.change_set(path, add=["a"]), "path")
    logged.refuses(InvalidPath, lambda: writer.delete(path), "path")
    logged.refuses(
        InvalidPath,
        lambda: logged.store.write_points(logged.key, path, steps=[1], values=[1.0]),
        "path",
    )
    with pytest.raises(AttributeNotFound):
        logged.store.get_value(logged.key, "fine")


def test_what_the_store_keeps_itself(logged: Logged) -> None:
    for path in ("sys/id", "sys/state", "sys/creation_time", "sys/anything"):
        logged.refuses(InvalidPath, lambda path=path: logged.writer.assign({path: "x"}), path)
        logged.refuses(InvalidPath, lambda path=path: logged.writer.delete(path), path)


def test_a_type_that_changes(logged: Logged) -> None:
    writer = logged.writer
    logged.refuses(TypeConflict, lambda: writer.log({"loss": "text"}), "loss", "float_series")
    logged.refuses(TypeConflict, lambda: writer.log({"lr": 1.0}), "'lr' is a float")
    logged.refuses(TypeConflict, lambda: writer.assign({"loss": 1.0}), "another path")
    logged.refuses(TypeConflict, lambda: writer.assign({"fine": 1, "name": 2}), "string")
    logged.refuses(TypeConflict, lambda: writer.assign({"count": 2.5}), "int")
    logged.refuses(TypeConflict, lambda: writer.change_set("lr", add=["a"]), "string_set")
    logged.refuses(
        TypeConflict,
        lambda: logged.store.write_points(logged.key, "lr", steps=[1], values=[1.0]),
        "lr",
    )
    with pytest.raises(AttributeNotFound):
        logged.store.get_value(logged.key, "fine")
    # A second writer knows the types too.
    logged.refuses(
        TypeConflict, lambda: logged.store.open_writer(logged.key).log({"loss": "text"}), "loss"
    )
    writer.delete("lr")
    writer.assign({"lr": "now a text"})
    assert logged.store.get_value(logged.key, "lr") == (AttributeType.STRING, "now a text")


def test_two_writers_that_disagree_are_told_of_in_the_check(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with open_store(path) as one, open_store(path) as two:
        key = one.create_run(RunSpec(project="faults")).key
        first, second, third = one.open_writer(key), two.open_writer(key), two.open_writer(key)
        for writer in (first, second, third):  # each knows now what the run has, and no more
            writer.change_set("sys/tags", add=["known"])
        first.log({"loss": 0.5}, step=1)
        second.log({"loss": "text"}, step=2)
        third.assign({"loss": 3})
        second.log({"fine": 1.0}, step=2)
        first.log({"loss": 1.0}, step=2)
        assert read_steps(one, key) == [1, 2]
        assert read_steps(two, key, "fine") == [2]
        notes = [f.what for f in one.check().findings if f.severity == "note"]
        assert len(notes) == 2
        assert all("'loss'" in note and "float_series" in note for note in notes)


SQL_LIKE = [
    "'; DROP TABLE log; --",
    '"quoted" OR 1=1',
    "a' OR '1'='1",
    "%_like%",
    "[x](y)*?",
    "\\back\\slash",
    "select * from runs",
    "?1 :name @x $y",
    "/*",
]


@pytest.mark.parametrize("text", SQL_LIKE)
def test_names_that_look_like_sql(tmp_path: Path, text: str) -> None:
    with open_store(tmp_path / "runs.db") as store:
        name = text.replace("/", "|")
        run = store.create_run(RunSpec(project=name, run_id=text, name=text, owner=text))
        writer = store.open_writer(run.key)
        writer.log({text: 0.5}, step=1)
        writer.log({text: 1.0}, step=2)
        writer.log_event({f"{text} cell": text})
        writer.assign({f"{text} value": text})
        writer.change_set("sys/tags", add=[text])
        for _ in range(2):
            assert read_steps(store, run.key, text) == [1, 2]
            assert store.get_value(run.key, f"{text} value")[1] == text
            assert store.get_value(run.key, "sys/tags")[1] == frozenset([text])
            assert store.read_events(name).columns[f"{text} cell"] == [text]
            assert store.find_run(name, run_id=text) == run
            assert store.set_events(run.key, text, text, where=(f"{text} cell", text)) == 1
            store.compact(events=True)
        with pytest.raises(AlreadyExists):
            store.create_run(RunSpec(project=name, run_id=text))
        with pytest.raises(RunNotFound):
            store.get_runs([10**6])
        with pytest.raises(ProjectNotFound):
            store.query_runs(RunQuery(project=name + "?"))
        store.delete_runs([run.key])
        store.delete_project(name)
        assert store.list_projects() == []
        assert store.check().ok


@pytest.mark.parametrize(
    "name", ["", " ", "a/b/c", "/", "a/", "/a", "a\nb", "x" * 800, "\ud800", 1]
)
def test_a_project_or_run_id_that_cannot_be_one(tmp_path: Path, name: Any) -> None:
    with open_store(tmp_path / "runs.db") as store:
        with pytest.raises(InvalidName):
            store.create_run(RunSpec(project=name))
        if not isinstance(name, str) or "/" not in name:
            with pytest.raises(InvalidName):
                store.create_run(RunSpec(project="faults", run_id=name))
        with pytest.raises(InvalidName):
            store.ensure_project(name)
        assert store.query_runs(RunQuery()).total == 0


@pytest.mark.parametrize(
    ("steps", "values", "kind"),
    [
        ([1, 2], [1.0], InvalidInput),
        ([math.nan], [1.0], InvalidStep),
        ([10**13], [1.0], InvalidStep),
        (["a"], [1.0], InvalidStep),
        ([[1]], [1.0], InvalidStep),
        ([1], ["a"], InvalidValue),
        ([1], [[1.0]], InvalidValue),
        ([1], [object()], InvalidValue),
        ([1], [None], InvalidValue),
    ],
)
def test_columns_that_cannot_be_points(
    logged: Logged, steps: Any, values: Any, kind: type[Exception]
) -> None:
    logged.refuses(
        kind, lambda: logged.store.write_points(logged.key, "loss", steps=steps, values=values)
    )


def test_bytes_are_cells_and_nothing_else(logged: Logged) -> None:
    writer = logged.writer
    logged.refuses(InvalidValue, lambda: writer.log({"new": b"x"}), "new")
    logged.refuses(InvalidValue, lambda: writer.assign({"new": b"x"}), "new")
    writer.log_event({"new": b"x"})
    assert logged.store.read_events("faults", [logged.key], last=1).columns["new"] == [b"x"]


def test_everything_at_once_keeps_the_writer_going(logged: Logged) -> None:
    for value in BAD_VALUES:
        for path in ("loss", "new", "", 7):
            with pytest.raises(InvalidInput):
                logged.writer.log({path: value})  # type: ignore[dict-item]
    assert read_steps(logged.store, logged.key) == logged.steps
    names = logged.store.list_attributes([logged.key], PathSelector())
    assert [path for path, _ in names if not path.startswith("sys/")] == [
        "count",
        "loss",
        "lr",
        "name",
        "row",
    ]
