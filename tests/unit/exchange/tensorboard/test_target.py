"""Runs as event files: what TensorBoard's own readers find, resuming, and what is told as lost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mooring.errors import TargetRefused
from mooring.exchange.loading import LoadReport, RunStatus, load_runs
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.sources.tensorboard import TensorBoardSource
from mooring.exchange.target import LoadSettings, Target, TargetRun
from mooring.exchange.targets.tensorboard import TensorBoardTarget
from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.store import open_store
from mooring.store.contract import RunWriter, Store
from tests.unit.exchange.tensorboard.conftest import png, wav


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


def start(
    store: Store, run_id: str = "run", project: str = "team/digits", **spec: Any
) -> RunWriter:
    return store.open_writer(store.create_run(RunSpec(project=project, run_id=run_id, **spec)).key)


def put(store: Store, content: bytes, name: str, mime_type: str) -> FileRef:
    digest, size = store.put_blob(content)
    return FileRef(digest, size, mime_type, name)


def load(store: Store, folder: Path, **options: Any) -> LoadReport:
    settings = LoadSettings(**options)
    with closing(TensorBoardTarget(folder, settings=settings)) as target:
        return load_runs(
            StoreSource(store),
            target,
            settings=settings,
            journal=folder.parent / "journal.jsonl",
        )


def events_of(folder: Path) -> Any:
    """What TensorBoard reads in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def numbers(events: Any, tag: str) -> list[tuple[int, float, Any]]:
    from tensorboard.util.tensor_util import make_ndarray

    return [
        (event.step, event.wall_time, make_ndarray(event.tensor_proto))
        for event in events.Tensors(tag)
    ]


def test_it_is_a_target(tmp_path: Path) -> None:
    target: Target = TensorBoardTarget(tmp_path / "logs")
    run: TargetRun = target.open_run(
        SourceRun(project="a/b", run_id="c"), {}, parent=None, found=False
    )
    assert target.capabilities.types == frozenset(AttributeType)
    assert run.id == "a/b/c"
    target.close()


def test_tensorboard_reads_everything(store: Store, tmp_path: Path) -> None:
    writer = start(store)
    for step in range(5):
        values = {"loss": 0.1 * step, "note": f"step {step}\nü"}
        writer.log(values, step=step - 2, time=1_700_000_000_000_001 + step)
    writer.log({"odd": math.nan}, step=0)
    writer.log({"odd": math.inf}, step=1)
    writer.log({"odd": -math.inf}, step=2)
    writer.log({"weights": Histogram((0.0, 1.0, 2.0), (3.0, 4.0))}, step=7)
    writer.close()
    (run,) = load(store, tmp_path / "logs").runs
    assert (run.status, run.id, run.lost) == (RunStatus.LOADED, "team/digits/run", ())
    assert run.checked
    events = events_of(tmp_path / "logs" / run.id)
    steps, walls, values = zip(*numbers(events, "loss"), strict=True)
    assert steps == (-2, -1, 0, 1, 2)
    assert [round(wall * 1e6) for wall in walls] == [
        1_700_000_000_000_001 + step for step in range(5)
    ]
    assert np.array_equal(values, np.float32([0.1 * step for step in range(5)]))
    assert [value.item().decode() for _, _, value in numbers(events, "note")] == [
        f"step {step}\nü" for step in range(5)
    ]
    odd = [float(value) for _, _, value in numbers(events, "odd")]
    assert np.array_equal(odd, [math.nan, math.inf, -math.inf], equal_nan=True)
    ((step, _, bins),) = numbers(events, "weights")
    assert (step, bins.tolist()) == (7, [[0.0, 1.0, 3.0], [1.0, 2.0, 4.0]])


def test_our_own_source_gets_exact_numbers_back(store: Store, tmp_path: Path) -> None:
    writer = start(store)
    values = [0.1, 1e300, -1e-320, math.pi, math.nan, math.inf]
    for step, value in enumerate(values):
        writer.log({"loss": value}, step=step)
    writer.close()
    (run,) = load(store, tmp_path / "logs").runs
    (lost,) = run.lost
    assert (lost.path, lost.count) == ("loss", 1)
    assert "infinite" in lost.why
    source = TensorBoardSource(tmp_path / "logs")
    (found,) = source.list_runs("local/logs")
    assert found.run_id == "team/digits/run"
    points = source.read_points(found, AttributeType.FLOAT_SERIES)
    assert np.array_equal(points["value"].to_numpy(), values, equal_nan=True)


def test_values_are_hyperparameters(store: Store, tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    writer = start(store)
    writer.assign(
        {
            "lr": 0.1,
            "layers": 3,
            "large": 2**60 + 1,
            "none": math.nan,
            "on": True,
            "name": "adam",
            "when": datetime(2025, 1, 1, tzinfo=UTC),
            "sys/tags": frozenset({"b", "a"}),
        }
    )
    writer.close()
    (run,) = load(store, tmp_path / "logs").runs
    assert {lost.path for lost in run.lost} == {"large", "none"}
    events = events_of(tmp_path / "logs" / run.id)
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    hparams = metadata.parse_session_start_info_plugin_data(content).hparams
    assert hparams["lr"].number_value == 0.1
    assert hparams["layers"].number_value == 3
    assert hparams["large"].string_value == str(2**60 + 1)
    assert hparams["none"].string_value == "nan"
    assert hparams["on"].bool_value is True
    assert hparams["name"].string_value == "adam"
    assert hparams["when"].string_value == "2025-01-01T00:00:00+00:00"
    assert hparams["sys/tags"].string_value == '["a", "b"]'


def test_images_and_clips_are_shown_and_other_files_lie_beside(
    store: Store, tmp_path: Path
) -> None:
    writer = start(store)
    writer.log({"image": put(store, png(), "x.png", "image/png")}, step=3)
    writer.log({"clip": put(store, wav(), "x.wav", "audio/wav")}, step=4)
    writer.log({"data": put(store, b"bytes", "x.weights", "")}, step=1.5)
    writer.log({"fake": put(store, b"no png", "../x.png", "image/png")}, step=1)
    writer.assign({"notes": put(store, b"text", "a/../notes.txt", "text/plain")})
    writer.close()
    (run,) = load(store, tmp_path / "logs").runs
    assert (run.status, run.files) == (RunStatus.LOADED, 5)
    assert [lost.why for lost in run.lost] == ["times of files in series"]
    folder = tmp_path / "logs" / run.id
    events = events_of(folder)
    ((step, _, image),) = numbers(events, "image")
    assert (step, image.tolist()) == (3, [b"2", b"2", png()])
    ((step, _, clip),) = numbers(events, "clip")
    assert (step, clip.tolist()) == (4, [wav()])
    mark = json.loads((folder / "mooring.json").read_bytes())
    beside = {
        about["path"]: (about["step"], about["name"], (folder / name).read_bytes())
        for name, about in mark["files"].items()
    }
    assert beside == {
        "data": (1.5, "x.weights", b"bytes"),
        "fake": (1.0, "../x.png", b"no png"),
        "notes": (None, "a/../notes.txt", b"text"),
    }
    assert {file.parent for file in (tmp_path / "logs").rglob("*.*")} == {folder, folder / "files"}


def test_decimal_steps_are_cut_and_told(store: Store, tmp_path: Path) -> None:
    writer = start(store)
    for step in (0.29, 0.5, 1, -1.5):
        writer.log({"loss": float(step)}, step=step)
    writer.close()
    (run,) = load(store, tmp_path / "whole").runs
    assert run.status is RunStatus.LOADED
    assert [(lost.path, lost.count) for lost in run.lost] == [("loss", 3)]
    steps = [step for step, _, _ in numbers(events_of(tmp_path / "whole" / run.id), "loss")]
    assert sorted(steps) == [-1, 0, 0, 1]
    (tmp_path / "again").mkdir()
    (run,) = load(store, tmp_path / "again" / "logs", step_multiplier=100).runs
    assert run.lost == ()
    steps = [step for step, _, _ in numbers(events_of(tmp_path / "again/logs" / run.id), "loss")]
    assert steps == [-150, 29, 50, 100]


def test_densities_are_told(store: Store, tmp_path: Path) -> None:
    writer = start(store)
    writer.log({"h": Histogram((0.0, 1.0), (0.5,), "DENSITY")}, step=0)
    writer.log({"h": Histogram((0.0, 1.0), (5.0,))}, step=1)
    writer.close()
    (run,) = load(store, tmp_path / "logs").runs
    assert [(lost.path, lost.count) for lost in run.lost] == [("h", 1)]


@pytest.mark.parametrize(
    ("project", "run_id"),
    [
        ("team/digits", ".."),
        ("team/digits", "a/b"),
        ("team/digits", "/etc"),
        ("team/digits", "con.txt"),
        ("team/digits", "x" * 700),
        ("team/digits", "ünï 😀"),
        ("../..", "run"),
        (".hidden/..", "run"),
        ("team/digits", "run.mooring-partial"),
    ],
)
def test_names_stay_in_the_log_directory(
    store: Store, tmp_path: Path, project: str, run_id: str
) -> None:
    start(store, run_id, project).close()
    (run,) = load(store, tmp_path / "logs").runs
    assert run.status is RunStatus.LOADED
    folder = tmp_path / "logs" / run.id
    assert folder.resolve().is_relative_to(tmp_path / "logs")
    assert len(Path(run.id).parts) == 3
    assert json.loads((folder / "mooring.json").read_bytes())["run_id"] == run_id
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "journal.jsonl"} | {
        path.name for path in tmp_path.glob("journal*")
    }


def test_ids_that_look_alike_are_kept_apart(store: Store, tmp_path: Path) -> None:
    for run_id in ("a b", "a_b", "a/b"):
        start(store, run_id).close()
    report = load(store, tmp_path / "logs")
    assert len({run.id for run in report.runs}) == 3


def test_a_second_load_finds_what_is_complete(store: Store, tmp_path: Path) -> None:
    writer = start(store)
    writer.log({"loss": 1.0}, step=0)
    load(store, tmp_path / "logs")
    (tmp_path / "journal.jsonl").unlink()
    (run,) = load(store, tmp_path / "logs").runs
    assert run.status is RunStatus.PRESENT
    writer.log({"loss": 2.0}, step=1)
    writer.close()
    (run,) = load(store, tmp_path / "logs").runs
    assert run.status is RunStatus.CHANGED


def test_a_load_that_was_cut_goes_on(store: Store, tmp_path: Path) -> None:
    writer = start(store)
    for step in range(3):
        writer.log({"loss": 1.0 + step, "acc": 2.0, "note": f"text {step}"}, step=step)
    writer.log({"image": put(store, png(), "x.png", "image/png")}, step=3)
    writer.close()
    source, target = StoreSource(store), TensorBoardTarget(tmp_path / "logs")
    (described,) = source.list_runs("team/digits")
    floats = source.read_points(described, AttributeType.FLOAT_SERIES)
    (tmp_path / "x.png").write_bytes(png())
    image = source.read_points(described, AttributeType.FILE_SERIES)["value"].to_pylist()[0]

    def fill(run: TargetRun) -> None:
        run.write_values({"lr": 0.1})
        run.write_points(AttributeType.FLOAT_SERIES, floats)
        run.write_file(
            "image", AttributeType.FILE_SERIES, 3_000_000, SourceFile(**image), tmp_path / "x.png"
        )

    fill(target.open_run(described, {}, parent=None, found=False))
    found = target.find_run(described)
    assert found is not None
    assert not found.complete
    partial = tmp_path / "logs/team/digits/run.mooring-partial"
    (events,) = partial.glob("*tfevents*")
    with events.open("ab") as file:
        file.write(b"half an event")
    with (partial / "mooring-written.jsonl").open("ab") as file:
        file.write(b'["points", "half')
    again = target.open_run(described, {}, parent=None, found=False)
    fill(again)
    held = again.read_back()
    assert held is not None
    assert dict(held.points) == {"acc": 3, "loss": 3}
    assert dict(held.files) == {"image#3": len(png())}
    (rewritten,) = partial.glob("*tfevents*")
    assert rewritten != events
    again.finish(complete=False, content="")
    found = target.find_run(described)
    assert found is not None
    assert (found.id, found.complete) == ("team/digits/run", False)
    target.close()
    (run,) = load(store, tmp_path / "logs").runs
    assert (run.status, run.points, run.files) == (RunStatus.LOADED, 9, 1)
    folder = tmp_path / "logs" / run.id
    read = events_of(folder)
    assert [len(numbers(read, tag)) for tag in ("loss", "acc", "note", "image")] == [3, 3, 3, 1]
    assert sorted(path.name for path in folder.iterdir())[-1] == "mooring.json"
    assert len(list(folder.iterdir())) == 2
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_a_kill_between_the_two_renames_loses_nothing(store: Store, tmp_path: Path) -> None:
    start(store).close()
    load(store, tmp_path / "logs")
    folder = tmp_path / "logs/team/digits/run"
    folder.rename(folder.with_name("run.mooring-replaced"))
    (run,) = load(store, tmp_path / "logs").runs
    assert run.status is RunStatus.PRESENT
    assert folder.is_dir()


def test_folders_of_others_are_left_alone(store: Store, tmp_path: Path) -> None:
    start(store).close()
    for name in ("run", "run.mooring-partial"):
        folder = tmp_path / name / "logs/team/digits" / name
        folder.mkdir(parents=True)
        (folder / "mine.txt").write_text("mine")
        (run,) = load(store, tmp_path / name / "logs").runs
        if name == "run":  # the name is taken: the run gets one with a digest
            assert run.status is RunStatus.LOADED
            assert run.id != "team/digits/run"
        else:
            assert run.status is RunStatus.FAILED
            assert "move it away" in str(run.problems)
        assert (folder / "mine.txt").read_text() == "mine"


def test_forks_are_noted(store: Store, tmp_path: Path) -> None:
    parent = store.create_run(RunSpec(project="team/digits", run_id="parent"))
    start(store, "child", parent=parent.key, fork_step=2_500_000).close()
    report = load(store, tmp_path / "logs")
    assert all(run.lost == () for run in report.runs)
    source = TensorBoardSource(tmp_path / "logs")
    (child,) = (r for r in source.list_runs("local/logs") if r.run_id.endswith("child"))
    values = source.read_values(child)
    assert values["hparams/mooring/forked_from"] == "team/digits/parent"
    assert values["hparams/mooring/fork_step"] == 2.5


def test_an_attribute_with_a_name_of_the_plugin(store: Store, tmp_path: Path) -> None:
    writer = start(store)
    writer.log({"_hparams_/session_start_info": 1.0}, step=0)
    writer.assign({"lr": 0.1})
    writer.close()
    (run,) = load(store, tmp_path / "logs").runs
    assert run.status is RunStatus.LOADED
    source = TensorBoardSource(tmp_path / "logs")
    (found,) = source.list_runs("local/logs")
    assert source.read_values(found)["hparams/lr"] == 0.1
    (series,) = source.list_series(found)
    assert series.path.startswith("_hparams_/session_start_info_")


def test_a_log_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetRefused, match="no folder"):
        TensorBoardTarget(tmp_path / "file")


def test_a_dry_run_makes_nothing(store: Store, tmp_path: Path) -> None:
    start(store).close()
    target = TensorBoardTarget(tmp_path / "logs")
    (run,) = load_runs(StoreSource(store), target, dry_run=True).runs
    assert run.status is RunStatus.WOULD_LOAD
    assert not any(tmp_path.iterdir())
