"""`init`, `log`, `finish`, config and summary, as hands know them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring.errors import AlreadyExists, InvalidInput, RunNotFound
from mooring.model import AttributeType
from mooring.store import open_store
from mooring.store.contract import PathSelector, SeriesQuery, Store
from mooring.tracker import InitRun, dialect, finish, init, log


@pytest.fixture
def store() -> Iterator[Store]:
    finish()
    store = open_store(":memory:")
    yield store
    finish()
    store.close()


def value(run: InitRun, path: str) -> Any:
    return run.store.get_value(run.info.key, path)[1]


def points(run: InitRun, path: str) -> list[tuple[float, float]]:
    select = PathSelector(paths=(path,), types=frozenset({AttributeType.FLOAT_SERIES}))
    table = run.store.read_series([run.info.key], select, SeriesQuery())
    return [(row["step"] / 1e6, row["value"]) for row in table.to_pylist()]


def test_init_log_finish(store: Store) -> None:
    run = init(
        "digits",
        entity="team",
        name="exp",
        id="mine",
        tags=["a"],
        notes="what it is",
        group="g",
        config={"lr": 0.1, "model": {"layers": [64, 32]}},
        store=store,
    )
    assert (run.project, run.id) == ("team/digits", "mine")
    log({"loss": 0.5, "val": {"acc": 0.9}})
    log({"loss": 0.25})
    log({"loss": 0.1}, step=10)
    assert points(run, "loss") == [(0.0, 0.5), (1.0, 0.25), (10.0, 0.1)]
    assert points(run, "val/acc") == [(0.0, 0.9)]
    assert value(run, "config/lr") == 0.1
    assert value(run, "config/model/layers") == "[64, 32]"
    assert value(run, "sys/description") == "what it is"
    assert value(run, "sys/tags") == {"a"}
    assert value(run, "sys/group_tags") == {"g"}
    finish()
    assert value(run, "sys/state") == "inactive"
    finish()
    with pytest.raises(InvalidInput, match="init"):
        log({"loss": 1.0})


def test_config(store: Store) -> None:
    with init("p", store=store, config=Namespace(lr=0.1)) as run:
        config = run.config
        assert config is run.config
        assert config.lr == config["lr"] == 0.1
        config["batch"] = 32
        config.epochs = 5
        config.update({"nested": {"a": 1}, "none": None}, allow_val_change=True)
        assert dict(config) == {
            "lr": 0.1,
            "batch": 32,
            "epochs": 5,
            "nested": {"a": 1},
            "none": None,
        }
        assert value(run, "config/nested/a") == 1
        config["batch"] = None
        assert config.batch is None
        config["none"] = 5
        assert value(run, "config/none") == 5
        del config["nested"]
        assert "nested" not in config
        names = store.list_attributes([run.info.key], PathSelector(patterns=("^config/",)))
        assert [name for name, _ in names] == ["config/epochs", "config/lr", "config/none"]
        with pytest.raises(AttributeError, match="config has no 'missing'"):
            _ = config.missing
        assert config.get("missing", 7) == 7
        assert "'lr': 0.1" in repr(config)


def test_summary(store: Store) -> None:
    with init("p", store=store) as run:
        run.log({"acc": 0.5})
        run.log({"acc": 0.75})
        run.summary["best"] = 0.75
        run.summary.update({"note": "fine"})
        assert run.summary["acc"] == 0.75
        assert run.summary.best == 0.75
        assert run.summary.get("missing") is None
        assert value(run, "summary/best") == 0.75
        assert dict(run.summary) == {"best": 0.75, "note": "fine"}


def test_commit(store: Store) -> None:
    run = init("p", store=store)
    log({"a": 1.0}, commit=False)
    log({"b": 2.0}, commit=False)
    assert store.list_attributes([run.info.key], PathSelector(paths=("a", "b"))) == []
    log({"c": 3.0})
    log({"a": 4.0}, step=5, commit=False)
    log({"a": 5.0}, step=6)
    log({"b": 6.0}, step=7, commit=False)
    run.log({"n": {"x": 1.0}}, commit=False)
    run.finish()
    assert points(run, "a") == [(0.0, 1.0), (5.0, 4.0), (6.0, 5.0)]
    assert points(run, "b") == [(0.0, 2.0), (7.0, 6.0)]
    assert points(run, "c") == [(0.0, 3.0)]
    assert points(run, "n/x") == [(7.0, 1.0)]


def test_resume(store: Store) -> None:
    with init("p", id="a", store=store, config={"lr": 0.1, "model": {"name": "m"}}) as run:
        run.summary["best"] = 1.0
    for no in (None, False, "never"):
        with pytest.raises(AlreadyExists):
            init("p", id="a", resume=no, store=store)
    for yes in (True, "allow", "must", "auto"):
        with init("p", id="a", resume=yes, store=store) as run:
            assert dict(run.config) == {"lr": 0.1, "model/name": "m"}
            assert run.summary["best"] == 1.0
    with pytest.raises(RunNotFound):
        init("p", id="b", resume="must", store=store)
    with pytest.raises(InvalidInput, match="run_id"):
        init("p", resume="must", store=store)
    with pytest.raises(InvalidInput, match="resume"):
        init("p", id="b", resume="maybe", store=store)
    with init("p", resume="allow", store=store) as run:
        assert run.id != "a"


def test_fork_keeps_the_dialect(store: Store) -> None:
    with init("p", store=store) as run:
        run.log({"loss": 1.0}, step=1)
        with run.fork(step=1) as child:
            child.config["lr"] = 0.5
            assert value(child, "config/lr") == 0.5
            assert isinstance(child, InitRun)


def test_dir(tmp_path: Path) -> None:
    with init("p", dir=tmp_path):
        assert (tmp_path / "mooring.db").exists()


def test_disabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = init("p", mode="disabled", config={"lr": 0.1}, tags=["a"], notes="n", name="x")
    log({"loss": 0.5}, step=1)
    run["model"].upload(b"weights")
    run["x"].extend(range(2000), steps=range(2000))
    run.log_histogram("h", [1.0, 2.0])
    run.summary["best"] = 1
    run.add_tags("more")
    del run["x"]
    with run.fork(step=1) as child:
        child.log({"loss": 1.0})
    assert run.config.lr == 0.1
    assert run.summary.get("loss") is None
    assert run.failures == {}
    run.finish(exit_code=1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInput, match="mode"):
        init("p", mode="sometimes")  # type: ignore[arg-type]


def test_a_failing_config_closes_the_run(store: Store) -> None:
    with pytest.raises(InvalidInput):
        init("p", id="a", store=store, config={"bad": object()}, on_error="raise")
    found = store.find_run("local/p", run_id="a")
    assert found is not None
    assert store.get_value(found.key, "sys/state")[1] == "inactive"
    assert dialect._current is None
