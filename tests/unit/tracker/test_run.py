"""A run: series, typed values, files, tags, forks, and how it ends."""

from __future__ import annotations

import gc
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    InvalidPath,
    InvalidStep,
    InvalidValue,
    ProjectNotFound,
    RunNotFound,
    StoreClosed,
    StoreReadOnly,
    TypeConflict,
)
from mooring.model import AttributeType, FileRef, Histogram
from mooring.store import open_store
from mooring.store.contract import PathSelector, SeriesQuery, Store
from mooring.tracker import File, Run


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store(":memory:")
    yield store
    store.close()


@pytest.fixture
def run(store: Store) -> Iterator[Run]:
    with Run("digits", store=store, on_error="raise") as run:
        yield run


def points(
    run: Run, path: str, type: AttributeType = AttributeType.FLOAT_SERIES, **query: Any
) -> list[tuple[float, Any]]:
    table = run.store.read_series(
        [run.info.key],
        PathSelector(paths=(path,), types=frozenset({type})),
        SeriesQuery(**query),
    )
    return [(row["step"] / 1e6, row["value"]) for row in table.to_pylist()]


def value(run: Run, path: str) -> Any:
    return run.store.get_value(run.info.key, path)[1]


def kind(run: Run, path: str) -> AttributeType:
    return run.store.get_value(run.info.key, path)[0]


# series


def test_log(run: Run) -> None:
    run.log({"loss": 0.5, "acc": 1}, step=1)
    run.log({"loss": 0.25}, step=2.5)
    run.log({"loss": math.nan})
    assert points(run, "loss")[:2] == [(1.0, 0.5), (2.5, 0.25)]
    assert points(run, "loss")[2][0] == 3.0
    assert math.isnan(points(run, "loss")[2][1])
    assert points(run, "acc") == [(1.0, 1.0)]


def test_log_nested_and_foreign(run: Run) -> None:
    @dataclass
    class Metrics:
        f1: float = 0.5

    run.log(
        {
            "train": {"loss": np.float32(0.5), "deep": {"x": Decimal("0.25")}},
            "val": Metrics(),
            "flag": True,
            "text": "hello",
        },
        step=1,
    )
    run.log(Metrics(f1=0.75), step=2)  # type: ignore[arg-type]
    assert points(run, "train/loss") == [(1.0, 0.5)]
    assert points(run, "train/deep/x") == [(1.0, 0.25)]
    assert points(run, "val/f1") == [(1.0, 0.5)]
    assert points(run, "f1") == [(2.0, 0.75)]
    assert points(run, "flag") == [(1.0, 1.0)]
    assert points(run, "text", AttributeType.STRING_SERIES) == [(1.0, "hello")]


def test_timestamps(run: Run) -> None:
    instant = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5)))
    run.log({"loss": 0.5}, step=1, timestamp=instant)
    run["loss"].append(0.25, step=2, timestamp=instant.timestamp() + 1)
    stats = run.store.get_stats(run.info.key, "loss")
    assert stats.last_time == round((instant.timestamp() + 1) * 1e6)
    with pytest.raises(InvalidValue, match="timestamp"):
        run.log({"loss": 1.0}, step=3, timestamp="now")  # type: ignore[arg-type]


def test_previews(run: Run) -> None:
    run.log({"loss": 0.5}, step=1, preview_completion=0.5)
    run["loss"].append(0.25, step=2, preview_completion=0.25)
    assert points(run, "loss") == []
    assert points(run, "loss", include_previews=True) == [(1.0, 0.5), (2.0, 0.25)]


def test_append_and_extend(run: Run) -> None:
    run["loss"].append(0.5)
    run["loss"].append(0.25, step=10)
    run["train"]["acc"].append(1)
    run["train"].append({"f1": 0.5}, step=20)
    assert points(run, "loss") == [(0.0, 0.5), (10.0, 0.25)]
    assert points(run, "train/acc") == [(11.0, 1.0)]
    assert points(run, "train/f1") == [(20.0, 0.5)]
    run["x"].extend([1, 2.5], steps=[1, 2])
    run["x"].extend(iter([3.0]))
    assert points(run, "x") == [(1.0, 1.0), (2.0, 2.5), (21.0, 3.0)]
    run["text"].extend(["a", "b"], steps=[1, 2], timestamps=[1.0, 2.0])
    assert points(run, "text", AttributeType.STRING_SERIES) == [(1.0, "a"), (2.0, "b")]


@pytest.mark.parametrize("make", [list, np.array])
def test_long_series_are_written_at_once(run: Run, make: Any) -> None:
    run["long"].extend(make([float(n) for n in range(5000)]), steps=make(range(5000)))
    assert points(run, "long")[-1] == (4999.0, 4999.0)
    assert run.store.get_stats(run.info.key, "long").count == 5000
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(1000)]
    run["timed"].extend(range(1000), steps=range(1000), timestamps=moments)
    assert run.store.get_stats(run.info.key, "timed").last_time == moments[-1].timestamp() * 1e6


def test_extend_wants_as_many_steps(run: Run) -> None:
    with pytest.raises(InvalidValue, match="3 values, but 2 steps"):
        run["x"].extend([1, 2, 3], steps=[1, 2])
    with pytest.raises(InvalidValue, match="1 values, but 2 timestamps"):
        run["x"].extend([1], timestamps=[1, 2])


def test_histograms(run: Run) -> None:
    histogram = Histogram(edges=(0.0, 1.0, 2.0), values=(3.0, 4.0))
    run.log_histogram("weights", histogram, step=1)
    run.log_histogram("weights", [0.5, 1.5, 1.6], step=2, bins=2)
    run.log_histograms({"weights": ([1, 2], [0.0, 1.0, 2.0])}, step=3)
    run.log({"weights": histogram}, step=4)
    found = points(run, "weights", AttributeType.HISTOGRAM_SERIES)
    assert [step for step, _ in found] == [1.0, 2.0, 3.0, 4.0]
    assert [list(one["values"]) for _, one in found] == [[3, 4], [1, 2], [1, 2], [3, 4]]
    assert value(run, "weights") == histogram


def test_file_series(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    run.log_file("samples", tmp_path / "a.png", step=1)
    run.log_files({"samples": b"bytes", "other": File(b"x", name="o.txt")}, step=2)
    run.log({"samples": File(io.BytesIO(b"opened"), mime_type="image/gif")}, step=3)
    found = points(run, "samples", AttributeType.FILE_SERIES)
    assert [one["name"] for _, one in found] == ["a.png", "samples", "samples"]
    assert [one["mime_type"] for _, one in found][::2] == ["image/png", "image/gif"]
    with run.store.open_blob(found[2][1]["digest"]) as blob:
        assert blob.read() == b"opened"


# single values


@pytest.mark.parametrize(
    ("given", "type", "held"),
    [
        (1, AttributeType.INT, 1),
        (2**60 + 1, AttributeType.INT, 2**60 + 1),
        (0.1, AttributeType.FLOAT, 0.1),
        (math.inf, AttributeType.FLOAT, math.inf),
        (True, AttributeType.BOOL, True),
        ("", AttributeType.STRING, ""),
        (np.int32(5), AttributeType.INT, 5),
        (np.bool_(False), AttributeType.BOOL, False),
        ({"a", "b"}, AttributeType.STRING_SET, {"a", "b"}),
        (["a", "b"], AttributeType.STRING_SET, {"a", "b"}),
        ((1, 2), AttributeType.STRING, "[1, 2]"),
        (Path("x"), AttributeType.STRING, "x"),
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            AttributeType.DATETIME,
            datetime(2026, 1, 1, 22, tzinfo=UTC),
        ),
    ],
)
def test_assign(run: Run, given: object, type: AttributeType, held: object) -> None:
    run["x"] = given
    assert (kind(run, "x"), value(run, "x")) == (type, held)


def test_assign_nested(run: Run) -> None:
    run["params"] = {"lr": 0.1, "none": None, "optimizer": {"name": "adam"}}
    run["params"]["extra"] = 5
    run["params"]["more"].assign({"a": 1})
    assert value(run, "params/lr") == 0.1
    assert value(run, "params/optimizer/name") == "adam"
    assert value(run, "params/extra") == 5
    assert value(run, "params/more/a") == 1
    del run["params"]["extra"]
    del run["params/lr"]
    columns = run.store.read_attributes([run.info.key], PathSelector(patterns=("^params/",)))
    assert [column.path for column in columns] == ["params/more/a", "params/optimizer/name"]
    run["params/lr"] = "another type"
    assert value(run, "params/lr") == "another type"


def test_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    run["model"].upload(tmp_path / "model.bin")
    run["notes"].upload(b"text", name="notes.txt")
    run["again"] = File(b"text", name="again.txt", mime_type="x/y")
    held = value(run, "model")
    assert isinstance(held, FileRef)
    assert (held.name, held.size_bytes) == ("model.bin", 7)
    assert value(run, "notes").mime_type == "text/plain"
    assert value(run, "again").digest == value(run, "notes").digest
    run["same"] = held
    assert value(run, "same") == held


def test_tags(store: Store) -> None:
    with Run(store=store, tags=["a", "b"]) as run:
        run.add_tags("word")
        run.remove_tags(["a"])
        run.add_tags(["g"], group_tags=True)
        run["words"].add(["x", "y"])
        run["words"].remove("x")
        assert value(run, "sys/tags") == {"b", "word"}
        assert value(run, "sys/group_tags") == {"g"}
        assert value(run, "words") == {"y"}
        run.add_tags([5])  # type: ignore[list-item]
        assert run.failures == {"InvalidValue": 1}


# identity


def test_names(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Run("digits", store=store, run_id="mine", name="exp", params={"a": {"b": 1}}) as run:
        assert (run.project, run.run_id) == ("local/digits", "mine")
        assert run.sys_id == value(run, "sys/id")
        assert value(run, "sys/name") == "exp"
        assert value(run, "params/a/b") == 1
        assert repr(run) == f"Run(project='local/digits', run_id='mine', store={store.address!r})"
        assert repr(run["a/b"]).endswith("['a/b']")
    with Run(store=store) as run:
        assert run.project == "local/digits"
    monkeypatch.setenv("NEPTUNE_PROJECT", "team/other")
    with Run(store=store) as run:
        assert run.project == "team/other"


def test_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Run():
        assert (tmp_path / "mooring.db").exists()
    monkeypatch.setenv("MOORING_STORE", "named.db")
    with Run():
        assert (tmp_path / "named.db").exists()


def test_resume(store: Store) -> None:
    with pytest.raises(ProjectNotFound):
        Run(store=store, run_id="mine", resume=True)
    assert store.list_projects() == []
    with Run(store=store, run_id="mine", resume="allow") as run:
        run.log({"loss": 1.0})
    with pytest.raises(AlreadyExists):
        Run(store=store, run_id="mine")
    with Run(store=store, run_id="mine", resume=True, name="renamed", tags=["t"]) as run:
        run.log({"loss": 0.5})
        assert points(run, "loss") == [(0.0, 1.0), (1.0, 0.5)]
        assert value(run, "sys/name") == "renamed"
    with pytest.raises(RunNotFound, match="closest: mine"):
        Run(store=store, run_id="min", resume=True)
    with pytest.raises(InvalidInput, match="run_id"):
        Run(store=store, resume=True)
    with pytest.raises(InvalidInput, match="resume"):
        Run(store=store, run_id="mine", resume="must")  # type: ignore[arg-type]
    store.trash_runs([run.info.key])
    with pytest.raises(InvalidInput, match="trash"):
        Run(store=store, run_id="mine", resume=True)


def test_fork(store: Store) -> None:
    with Run("p", store=store, run_id="parent") as parent:
        for step in range(4):
            parent.log({"loss": float(step)}, step=step)
        with parent.fork(step=1, run_id="child", name="c", params={"lr": 1}) as child:
            child.log({"loss": 10.0}, step=2)
            assert points(child, "loss") == [(0.0, 0.0), (1.0, 1.0), (2.0, 10.0)]
            assert child.info.parent == parent.info.key
            assert value(child, "params/lr") == 1
        with Run("p", store=store, parent="child") as grandchild:
            assert points(grandchild, "loss")[-1] == (2.0, 10.0)
        with Run("p", store=store, parent=parent, fork_step=0) as other:
            assert points(other, "loss") == [(0.0, 0.0)]
        with Run("p", store=store, parent=parent.sys_id, inherit_attributes=True) as other:
            assert len(points(other, "loss")) == 4
    with pytest.raises(RunNotFound):
        Run("p", store=store, parent="nobody")
    with pytest.raises(InvalidInput, match="fork_step"):
        Run("p", store=store, fork_step=1)


def test_a_fork_outlives_its_parent(tmp_path: Path) -> None:
    parent = Run(store=tmp_path / "runs.db")
    parent.log({"loss": 1.0}, step=1)
    child = parent.fork()
    parent.close()
    child.log({"loss": 0.5}, step=2)
    assert points(child, "loss") == [(1.0, 1.0), (2.0, 0.5)]
    assert child.failures == {}
    store = child.store
    child.close()
    with pytest.raises(StoreClosed):
        store.list_projects()


# failures


def test_one_value_does_not_cost_the_others(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with Run(store=store) as run:
        run.log({"loss": 1.0, "text": "a"}, step=1)
        run.log({"loss": 0.5, "bad": object(), "nan": None, "": 1, "text": 5}, step=2)
        run.log({"loss": "text", "text": "b", "bad\n": 1})
        run["params"] = {"good": 1, "bad": object()}
        run["sys"] = {"owner": "me", "description": "fine"}
        assert points(run, "loss") == [(1.0, 1.0), (2.0, 0.5)]
        assert points(run, "text", AttributeType.STRING_SERIES)[1:] == [(3.0, "b")]
        assert value(run, "params/good") == 1
        assert value(run, "sys/description") == "fine"
        assert run.failures == {"InvalidValue": 3, "InvalidPath": 3, "TypeConflict": 2}
        caplog.clear()
    assert len(caplog.messages) == 1
    assert "8 values were not written" in caplog.messages[0]


def test_a_whole_call_that_cannot_be(store: Store) -> None:
    with Run(store=store) as run:
        run.log({"a": 1.0, "b": 2.0}, step=math.nan)
        run.log({"a": 1.0}, step="x")
        run.log([1, 2])  # type: ignore[arg-type]
        run.log(5)  # type: ignore[arg-type]
        run["x"].extend([1, 2], steps=[1])
        run["none"] = None
        run["file"].upload("no/such/file")
        run["x"].extend(range(2000), steps=[math.nan] * 2000)
        assert run.failures["InvalidStep"] == 2003
        assert run.failures["InvalidInput"] == 2
        assert run.failures["InvalidValue"] == 4


def test_raise(run: Run) -> None:
    run.log({"loss": 1.0}, step=1)
    for data, error in (
        ({"ok": 1.0, "bad": object()}, InvalidValue),
        ({"ok": 1.0, "": 2.0}, InvalidPath),
        ({"ok": 1.0, "loss": "text"}, TypeConflict),
        ({"ok": 1.0, "nested": {"x": None}}, InvalidValue),
        (5, InvalidInput),
    ):
        with pytest.raises(error):
            run.log(data, step=2)  # type: ignore[arg-type]
    with pytest.raises(InvalidStep):
        run.log({"ok": 1.0}, step=math.inf)
    with pytest.raises(InvalidValue, match="del run"):
        run["x"] = None
    with pytest.raises(TypeConflict):
        run["loss"] = 5
    names = run.store.list_attributes([run.info.key], PathSelector(patterns=("^(?!sys/)",)))
    assert names == [("loss", AttributeType.FLOAT_SERIES)]


def test_opening_always_raises(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="on_error"):
        Run(store=store, on_error="never")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        Run("a/b/c", store=store)
    with Run("p", store=tmp_path / "runs.db"):
        pass
    read_only = open_store(str(tmp_path / "runs.db"), read_only=True)
    with pytest.raises(StoreReadOnly):
        Run("p", store=read_only)
    read_only.close()


def test_after_close(store: Store) -> None:
    run = Run(store=store)
    run.log({"loss": 1.0})
    run.close()
    run.close()
    run.log({"loss": 0.5, "acc": 1.0})
    run["x"] = 1
    assert run.failures == {"StoreClosed": 3}


# the end


def test_state(store: Store) -> None:
    run = Run(store=store)
    assert value(run, "sys/state") == "active"
    run.finish()
    assert value(run, "sys/state") == "inactive"
    assert value(run, "sys/failed") is False
    run = Run(store=store)
    run.finish(exit_code=1)
    assert value(run, "sys/failed") is True


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(2)])
def test_an_exception_marks_the_run_failed(store: Store, error: BaseException) -> None:
    with pytest.raises(type(error)), Run(store=store) as run:
        raise error
    assert value(run, "sys/failed") is True
    assert value(run, "sys/state") == "inactive"
    assert type(error).__name__ in value(run, "monitoring/traceback")
    assert "test_run.py" in value(run, "monitoring/traceback")


def test_a_clean_exit_is_no_failure(store: Store) -> None:
    with pytest.raises(SystemExit), Run(store=store) as run:
        raise SystemExit(0)
    assert value(run, "sys/failed") is False


def test_an_error_that_utf8_cannot_hold(store: Store) -> None:
    with pytest.raises(ValueError, match="name"), Run(store=store, on_error="raise") as run:
        raise ValueError("name \udcff")
    assert "\\udcff" in value(run, "monitoring/traceback")


def test_the_users_error_comes_first(store: Store) -> None:
    run = Run(store=store, on_error="raise")
    run.close()
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError
    assert run.failures == {"StoreClosed": 2}


def test_a_forgotten_run_is_closed(store: Store) -> None:
    run = Run(store=store, run_id="forgotten")
    run["x"] = 1
    info = run.info
    del run
    gc.collect()
    assert store.get_value(info.key, "sys/state")[1] == "inactive"
