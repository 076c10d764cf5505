"""A store of every released format still opens, and holds what it held."""

from __future__ import annotations

import math
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import mooring
from mooring.errors import TypeConflict
from mooring.model import RunSpec
from mooring.store import RunQuery
from mooring.store.appending import AppendsBatches, Assign
from mooring.store.sqlite.schema import FORMAT

FOLDERS = sorted(Path(__file__).parent.glob("format-*"))


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.copytree(request.param, tmp_path / "old")
    return tmp_path / "old" / "runs.db"


def test_every_format_has_a_store() -> None:
    assert [folder.name for folder in FOLDERS] == [f"format-{n}" for n in range(1, FORMAT + 1)]


@pytest.mark.parametrize("compacted", [False, True])
def test_it_holds_what_it_held(path: Path, compacted: bool) -> None:
    with mooring.open_store(path) as store:
        if compacted:
            store.compact(events=True)
        assert store.check().ok
    with mooring.ReadOnlyProject("digits", store=path) as project:
        parent = mooring.ReadOnlyRun(project, custom_id="parent")
        assert parent["params/lr"].fetch() == 0.1
        assert parent["params/big"].fetch() == 2**60
        assert parent["params/amp"].fetch() is True
        assert parent["params/note"].fetch() == ""
        assert math.isnan(parent["params/nan"].fetch())
        assert parent["when"].fetch() == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        assert parent["sys/tags"].fetch() == {"a", "é"}
        assert parent["loss"].fetch_values()["value"].tolist() == [1 / n for n in range(1, 21)]
        odd = parent["odd"].fetch_values()["value"].tolist()
        assert math.isnan(odd[0])
        assert odd[1] == math.inf
        assert parent["text"].fetch_values()["step"].tolist() == [0.5]
        parent["file"].download(path.parent / "file.txt")
        assert (path.parent / "file.txt").read_bytes() == b"content"
        child = mooring.ReadOnlyRun(project, custom_id="child")
        assert child["loss"].fetch_values()["value"].tolist() == [
            *(1 / n for n in range(1, 11)),
            9.0,
        ]
        previews = child["loss"].fetch_values(include_point_previews=True)
        assert previews["value"].tolist()[-1] == 0.1
    rows = mooring.Reader(path).to_df()
    assert rows["accuracy"].tolist() == [0.5, 0.75, 1.0]
    assert rows["n"].tolist()[0] == 2**60
    assert rows["model"].tolist()[:2] == ["resnet18", "resnet18"]
    with mooring.Reader(path) as reader:
        found = reader.conn.execute("SELECT model, accuracy, n FROM db.events ORDER BY accuracy")
        assert found.fetchall() == [
            ("resnet18", 0.5, 2**60),
            ("resnet18", 0.75, None),
            (None, 1.0, None),
        ]


def test_it_knows_what_came_from_afar(path: Path, request: pytest.FixtureRequest) -> None:
    number = int(request.node.callspec.params["path"].name.removeprefix("format-"))
    with mooring.open_store(path) as store:
        assert isinstance(store, AppendsBatches)
        update = Assign({"lr": 0.1})
        if number < 4:  # which knew no such writers
            run = store.create_run(RunSpec(project="afar", run_id="afar"))
            assert store.append_batch(run.key, "writer", 1, [update]).last == 1
            return
        (run,) = store.query_runs(RunQuery(project="afar")).runs
        assert store.last_applied(run.key, "writer") == 3
        receipt = store.append_batch(run.key, "writer", 2, [Assign({"loss": 1}), update, update])
        assert receipt.last == 4
        ((refused, error),) = receipt.refused
        assert (refused, type(error)) == (2, TypeConflict)
        assert store.set_events_once(run.key, "done", False, request="request") == 0
        assert store.get_value(run.key, "sys/state")[1] == "inactive"


def test_it_can_be_gone_on_with(path: Path) -> None:
    with mooring.Run("digits", store=path, run_id="child", resume=True, on_error="raise") as run:
        run.log({"loss": 10.0}, step=12)
        assert run.store.get_stats(run.info.key, "loss").last == 10.0
