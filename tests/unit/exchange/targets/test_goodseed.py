"""What a file of GoodSeed holds of a run, read with its own package."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mooring.exchange.targets.goodseed import GoodSeedSettings, GoodSeedTarget
from mooring.model import AttributeType
from tests.conformance.targets.driving import Content, everything, load, open_run, write
from tests.conformance.targets.trackers import source_run

storage = pytest.importorskip("goodseed.storage", reason="goodseed is not installed")


def _target(folder: Path, project: str = "") -> GoodSeedTarget:
    return GoodSeedTarget(GoodSeedSettings(home=folder / "home", project=project))


def _file(folder: Path) -> Path:
    (file,) = (folder / "home" / "projects").glob("**/runs/*.sqlite")
    return file


def test_values_keep_their_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(_target(tmp_path), source_run(), everything(), tmp_path)
    held = storage.read_configs(_file(tmp_path))
    sent = everything().values
    for path in ("params/lr", "params/big", "params/flag", "params/text", "params/empty"):
        assert held[path] == sent[path]
        assert type(held[path]) is type(sent[path])
    assert math.isnan(held["params/nan"])
    assert held["params/when"] == sent["params/when"]
    assert held["params/set"] == {"x", "y,z"}
    assert held["sys/tags"] == {"best", "two words"}
    assert held["neptune/sys/id"] == "DIG-1"
    assert held["source_code/git"] == '{"commit_id": "abc", "dirty": true}'
    assert capsys.readouterr().out == ""


def test_points_keep_steps_times_and_infinities_and_nan_is_told(tmp_path: Path) -> None:
    _, lost = load(_target(tmp_path), source_run(), everything(), tmp_path)
    points = storage.read_metrics(_file(tmp_path), "metrics/loss")
    assert [(point["step"], point["value"]) for point in points] == [
        (-1.5, 9.0),
        (0.0, 8.0),
        (0.29, 7.5),
        (1.15, math.inf),
        (2.0, -math.inf),
        (3.0, 0.1),
    ]
    assert points[0]["logged_at"] == "2026-01-05T12:00:00+00:00"
    assert [(entry.path, entry.count) for entry in lost if entry.path == "metrics/loss"] == [
        ("metrics/loss", 1)
    ]


def test_histograms_are_text_with_exact_numbers(tmp_path: Path) -> None:
    load(_target(tmp_path), source_run(), everything(), tmp_path)
    points = storage.read_string_series(_file(tmp_path), "hist/weights")["points"]
    assert [point["step"] for point in points] == [0.0, 10.0]
    assert points[0]["value"] == (
        '{"type": "COUNTING", "edges": [0.0, 0.1, 2.0], "values": [3.0, 4.0]}'
    )


def test_the_run_has_the_times_and_the_state_of_the_source(tmp_path: Path) -> None:
    created = int(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()) * 1_000_000
    load(_target(tmp_path), source_run(created=created), everything(), tmp_path)
    about = storage.read_run_meta(_file(tmp_path))
    assert about["created_at"] == "2026-01-05T12:00:00+00:00"
    assert about["closed_at"] == about["modified_at"] == "2026-01-05T13:00:00+00:00"
    assert about["status"] == "finished"
    failed = Content(values={"sys/failed": True})
    load(_target(tmp_path / "other"), source_run(), failed, tmp_path)
    assert storage.read_run_meta(_file(tmp_path / "other"))["status"] == "failed"


def test_runs_of_two_projects_in_one_are_kept_apart(tmp_path: Path) -> None:
    target = _target(tmp_path, project="all/of-them")
    first, _ = load(target, source_run(), everything(), tmp_path)
    second, _ = load(target, source_run(project="team/other"), everything(), tmp_path)
    assert first.id == "all/of-them/run-1"
    assert second.id.startswith("all/of-them/run-1-")


def test_a_file_that_another_program_made_is_left_alone(tmp_path: Path) -> None:
    import goodseed

    other = goodseed.Run(
        project="team/digits", run_id="run-1", goodseed_home=tmp_path / "home", storage="local",
        git_ref=False, capture_hardware_metrics=False, capture_stdout=False, capture_stderr=False,
        capture_traceback=False,
    )  # fmt: skip
    other.log_metrics({"loss": 1.0}, step=0)
    other.close()
    target = _target(tmp_path)
    assert target.find_run(source_run()) is None
    opened, _ = load(target, source_run(), Content(), tmp_path)
    assert opened.id != "team/digits/run-1"
    file = tmp_path / "home" / "projects" / "team" / "digits" / "runs" / "run-1.sqlite"
    assert [point["value"] for point in storage.read_metrics(file)] == [1.0]


def test_names_given_before_a_kill_are_given_again(tmp_path: Path) -> None:
    content = Content(values={"/a": 1, "a": 2, "neptune/run_id": "x"})
    run = source_run()
    opened = open_run(_target(tmp_path), run, content)
    names = {path: opened.name_of(path, AttributeType.INT) for path in content.values}
    write(opened, content, tmp_path)
    target = _target(tmp_path)
    again = target.open_run(run, {}, parent=None, found=True)
    assert {path: again.name_of(path, AttributeType.INT) for path in reversed(names)} == names
    assert len(set(names.values())) == 3
    assert target.find_run(run) is not None


def test_settings_come_from_options_before_the_environment() -> None:
    environment = {"GOODSEED_HOME": "/one", "GOODSEED_PROJECT": "p"}
    assert GoodSeedSettings.read(environment) == GoodSeedSettings(home=Path("/one"), project="p")
    settings = GoodSeedSettings.read(environment, home="/two", project="q")
    assert settings == GoodSeedSettings(home=Path("/two"), project="q")
