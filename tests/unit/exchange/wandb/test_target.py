"""Loading into the real wandb, offline: what its logs hold afterwards."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mooring.errors import InvalidInput, TargetRefused, TargetUnreachable
from mooring.exchange.loading import LoadReport, RunStatus, load_runs
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.sources.wandb import WandbSource
from mooring.exchange.target import LoadSettings, Target
from mooring.exchange.targets.wandb import WandbTarget
from mooring.exchange.targets.wandb.target import WandbSettings
from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.store import open_store
from mooring.store.contract import RunWriter, Store

FLOATS, HISTOGRAMS = AttributeType.FLOAT_SERIES, AttributeType.HISTOGRAM_SERIES


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


def start(
    store: Store, run_id: str = "run", project: str = "team/digits", **spec: Any
) -> RunWriter:
    return store.open_writer(store.create_run(RunSpec(project=project, run_id=run_id, **spec)).key)


def load(store: Store, folder: Path, **options: Any) -> LoadReport:
    settings = LoadSettings(**options)
    return load_runs(
        StoreSource(store),
        WandbTarget(WandbSettings(folder=folder), settings=settings),
        settings=settings,
        journal=folder.parent / "journal.jsonl",
    )


def read_one(folder: Path) -> tuple[WandbSource, SourceRun]:
    source = WandbSource(folder)
    (project,) = source.list_projects()
    (run,) = source.list_runs(project)
    return source, run


def points_of(
    source: WandbSource, run: SourceRun, type: AttributeType, path: str
) -> list[tuple[float, int, Any]]:
    points = source.read_points(run, type, [path])
    return [(row["step"] / 1e6, row["time"], row["value"]) for row in points.to_pylist()]


def test_everything_arrives_as_what_it_is(store: Store, folder: Path) -> None:
    writer = start(store, "my run", name="exp")
    writer.assign(
        {
            "params/lr": 0.1,
            "params/large": 2**60 + 1,
            "params/none": math.nan,
            "on": True,
            "when": datetime(2025, 1, 1, 12, tzinfo=UTC),
            "sys/tags": frozenset({"b", "a", "x" * 65}),
            "sys/description": "what it is",
        }
    )
    losses = [0.1, math.nan, math.inf, -math.inf, 1e300]
    for number, value in enumerate(losses):
        step = [5, -3, 0.25, 7, 6][number]
        writer.log({"train/loss": value}, step=step, time=1_700_000_000_000_001 + number)
        writer.log({"other": number}, step=step, time=1_700_000_000_000_001 + number)
        writer.log({"weights": Histogram((0.0, 1.0, 2.0), (3.0, float(number)))}, step=number)
    writer.close()
    (run,) = load(store, folder).runs
    assert (run.status, run.checked) == (RunStatus.LOADED, True)
    assert [lost.path for lost in run.lost] == ["params/none"]
    source, found = read_one(folder)
    assert (found.project, found.name, found.incomplete) == ("local/team_digits", "my run", "")
    assert found.run_id == run.id
    values = source.read_values(found)
    assert values["wandb/group"] == "exp"
    assert values["sys/tags"] == frozenset({"a", "b"})
    assert json.loads(str(values["config/sys_tags"])) == ["a", "b", "x" * 65]
    assert values["sys/description"] == "what it is"
    assert values["config/params_lr"] == 0.1
    assert values["config/params_large"] == 2**60 + 1
    assert values["config/params_none"] == "nan"
    assert values["config/on"] is True
    assert values["config/when"] == "2025-01-01 12:00:00+00:00"
    assert values["config/_mooring/complete"] is True
    assert values["config/_mooring/run_id"] == "my run"
    assert values["config/_mooring/project"] == "team/digits"
    assert values["config/_mooring/content"] == run.content
    assert values["wandb/exit_code"] == 0
    steps, times, found_losses = zip(*points_of(source, found, FLOATS, "train_loss"), strict=True)
    assert steps == (-3, 0.25, 5, 6, 7)
    assert [time - 1_700_000_000_000_001 for time in times] == [1, 2, 0, 4, 3]
    assert np.array_equal(found_losses, [math.nan, math.inf, 0.1, 1e300, -math.inf], equal_nan=True)
    assert [step for step, _, _ in points_of(source, found, FLOATS, "other")] == list(steps)
    assert [value for _, _, value in points_of(source, found, HISTOGRAMS, "weights")] == [
        {"kind": "COUNTING", "edges": [0.0, 1.0, 2.0], "values": [3.0, float(number)]}
        for number in range(5)
    ]


def test_texts_and_files_are_artifacts_with_content(store: Store, folder: Path) -> None:
    def put(content: bytes, name: str) -> FileRef:
        return FileRef(*store.put_blob(content), "text/plain", name)

    writer = start(store)
    for step in (0, 1.5):
        writer.log({"my/note": f"line\nof {step}"}, step=step, time=1_700_000_000_000_000)
    writer.log({"pictures": put(b"one", "a.png")}, step=1)
    writer.log({"pictures": put(b"two", "../b.png")}, step=2.5)
    writer.assign({"model": put(b"model", "..")})
    writer.close()
    (run,) = load(store, folder).runs
    assert (run.status, run.files) == (RunStatus.LOADED, 3)
    assert [lost.why for lost in run.lost] == ["times of files in series"]
    source, found = read_one(folder)
    content = {}
    for path, value in source.read_values(found).items():
        if isinstance(value, SourceFile):
            with source.open_file(value) as file:
                content[path] = file.read()
            assert Path(value.location).is_relative_to(folder)
    artifacts = {path: data for path, data in content.items() if path.startswith("artifacts/")}
    instant = "2023-11-14T22:13:20+00:00"
    exact = [{"step": step, "time": instant, "value": f"line\nof {step}"} for step in ("0", "1.5")]
    lines = artifacts.pop("artifacts/my_note/v0/series.jsonl").splitlines()
    assert [json.loads(line) for line in lines] == exact
    assert artifacts == {
        "artifacts/my_note/v0/series.txt": (
            f"0; {instant}; line\nof 0\n1.5; {instant}; line\nof 1.5\n".encode()
        ),
        "artifacts/pictures_step_1/v0/a.png": b"one",
        "artifacts/pictures_step_2.5/v0/.._b.png": b"two",
        "artifacts/model/v0/content": b"model",
    }


def test_names_that_meet_are_kept_apart(store: Store, folder: Path) -> None:
    writer = start(store)
    for number, path in enumerate(("a/b", "a_b", "a.b", "mooring_step", "_step", "1st", "_1st")):
        writer.log({path: float(number)}, step=0)
    writer.assign({"_mooring": "x", "a b": 1})
    writer.close()
    (run,) = load(store, folder).runs
    assert (run.status, run.lost) == (RunStatus.LOADED, ())
    source, found = read_one(folder)
    values = sorted(
        value
        for series in source.list_series(found)
        if series.path != "mooring_step"
        for _, _, value in points_of(source, found, FLOATS, series.path)
    )
    assert values == [0, 1, 2, 3, 4, 5, 6]


def test_a_multiplier_makes_steps_whole(store: Store, folder: Path) -> None:
    writer = start(store)
    for step in (0.29, 1.15, 1.155):
        writer.log({"loss": step}, step=step)
    writer.close()
    (run,) = load(store, folder, step_multiplier=100).runs
    assert [(lost.path, lost.count) for lost in run.lost] == [("loss", 1)]
    assert run.status is RunStatus.LOADED
    source, found = read_one(folder)
    # Two points are at step 115 now. Our source gives them W&B's own steps; none is lost.
    assert len(points_of(source, found, FLOATS, "loss")) == 3
    columns = [value for _, _, value in points_of(source, found, FLOATS, "mooring_step")]
    assert columns == [29, 115, 115]


def test_wide_histograms_are_joined_and_told(store: Store, folder: Path) -> None:
    writer = start(store)
    edges = tuple(float(edge) for edge in range(1_001))
    writer.log({"h": Histogram(edges, (1.0,) * 1_000)}, step=0)
    writer.log({"h": Histogram((0.0, 1.0), (0.5,), "DENSITY")}, step=1)
    writer.close()
    (run,) = load(store, folder).runs
    assert sorted((lost.path, lost.count) for lost in run.lost) == [("h", 1), ("h", 1)]
    source, found = read_one(folder)
    wide = points_of(source, found, HISTOGRAMS, "h")[0][2]
    assert len(wide["values"]) == 512
    assert sum(wide["values"]) == 1_000
    assert (wide["edges"][0], wide["edges"][-1]) == (0.0, 1_000.0)


def test_a_second_load_finds_what_is_complete(store: Store, folder: Path) -> None:
    writer = start(store)
    writer.log({"loss": 1.0}, step=0)
    (first,) = load(store, folder).runs
    (folder.parent / "journal.jsonl").unlink()
    (run,) = load(store, folder).runs
    assert (run.status, run.id) == (RunStatus.PRESENT, first.id)
    writer.log({"loss": 2.0}, step=1)
    writer.close()
    (run,) = load(store, folder).runs
    assert run.status is RunStatus.CHANGED
    assert len(list((folder / "wandb").glob("offline-run-*"))) == 1


def test_what_a_cut_load_left_is_made_anew(store: Store, folder: Path) -> None:
    writer = start(store)
    writer.log({"loss": 1.0}, step=0)
    writer.close()
    source = StoreSource(store)
    target = WandbTarget(WandbSettings(folder=folder))
    (described,) = source.list_runs("team/digits")
    cut = target.open_run(described, {}, parent=None, found=False)
    cut.write_points(FLOATS, source.read_points(described, FLOATS))
    found = target.find_run(described)
    assert found is not None
    assert (found.id, found.complete) == (cut.id, False)
    cut.finish(complete=False, content="")
    (run,) = load(store, folder).runs
    assert (run.status, run.id) == (RunStatus.LOADED, cut.id)
    again, read = read_one(folder)
    assert points_of(again, read, FLOATS, "loss")[0][2] == 1.0
    assert len(list((folder / "wandb").glob("offline-run-*"))) == 1
    whole = target.open_run(described, {}, parent=None, found=True)
    held = whole.read_back()
    assert held is not None
    assert dict(held.points) == {"loss": 1, "mooring_step": 1}
    with pytest.raises(TargetRefused, match="complete"):
        whole.write_values({"lr": 0.1})


def test_forks_are_noted(store: Store, folder: Path) -> None:
    parent = store.create_run(RunSpec(project="team/digits", run_id="parent"))
    start(store, "child", parent=parent.key, fork_step=2_500_000).close()
    first, second = load(store, folder).runs
    assert second.lost == ()
    source = WandbSource(folder)
    (child,) = (r for r in source.list_runs("local/team_digits") if r.run_id == second.id)
    values = source.read_values(child)
    assert values["config/_mooring/parent"] == "parent"
    assert values["config/_mooring/parent_id"] == first.id
    assert values["config/_mooring/fork_step"] == 2.5


@pytest.mark.parametrize(
    ("project", "run_id"), [("team/" + "x" * 300, "y" * 700), ("te:am/?#%", "a/b:;'#?")]
)
def test_names_that_wandb_refuses(store: Store, folder: Path, project: str, run_id: str) -> None:
    start(store, run_id, project, name="z" * 300).close()
    (run,) = load(store, folder).runs
    assert run.status is RunStatus.LOADED
    source, found = read_one(folder)
    assert found.name == run_id[:128]
    assert source.read_values(found)["config/_mooring/run_id"] == run_id


def test_it_is_a_target_and_never_tells_the_key(folder: Path) -> None:
    settings = WandbSettings(
        folder=folder, online=True, base_url="https://wandb.example", api_key="k" * 40, entity="me"
    )
    target: Target = WandbTarget(settings)
    assert target.address == "https://wandb.example/me"
    assert "kkk" not in repr(settings)
    assert not target.capabilities.reads_back
    assert WandbTarget(WandbSettings(folder=folder)).capabilities.reads_back


def test_without_a_key_it_tells_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--api-key, set WANDB_API_KEY"):
        WandbTarget(WandbSettings(folder=folder, online=True))
    (tmp_path / "home").mkdir()
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text("machine wandb.example login user password " + "k" * 40)
    netrc.chmod(0o600)
    WandbTarget(WandbSettings(folder=folder, online=True, base_url="https://wandb.example"))


def test_a_server_that_does_not_answer(folder: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = WandbSettings(folder=folder, online=True, base_url=base_url, api_key="k" * 40)
        target, run = WandbTarget(settings), SourceRun(project="a/b", run_id="c")
        with pytest.raises(TargetUnreachable, match="does not answer"):
            target.find_run(run)
        with pytest.raises(TargetUnreachable, match="does not answer"):
            target.open_run(run, {}, parent=None, found=False)


def test_a_dry_run_makes_nothing(store: Store, folder: Path) -> None:
    start(store).close()
    target = WandbTarget(WandbSettings(folder=folder / "new"))
    (run,) = load_runs(StoreSource(store), target, dry_run=True).runs
    assert run.status is RunStatus.WOULD_LOAD
    assert not any(folder.iterdir())
