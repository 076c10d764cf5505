"""What an archive of Comet's offline mode holds of a run."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import pytest

from mooring.errors import InvalidInput
from mooring.exchange.targets.comet import CometSettings, CometTarget
from mooring.model import AttributeType
from tests.conformance.targets.driving import FLOATS, Content, everything, load, series
from tests.conformance.targets.trackers import source_run

pytest.importorskip("comet_ml", reason="comet_ml is not installed")


def _messages(folder: Path, kind: str) -> list[dict[str, object]]:
    (file,) = folder.glob("*.zip")
    with zipfile.ZipFile(file) as archive:
        lines = [json.loads(line) for line in archive.read("messages.json").splitlines()]
    return [line["payload"] for line in lines if line["type"] == kind]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    target = CometTarget(CometSettings(folder=tmp_path / "offline", workspace="team"))
    load(target, source_run(), everything(), tmp_path)
    target.close()
    return tmp_path / "offline"


def test_an_archive_holds_the_run(archive: Path) -> None:
    # One archive is asked all of it: making one takes a second or two.
    (file,) = archive.glob("*.zip")
    with zipfile.ZipFile(file) as zipped:
        about = json.loads(zipped.read("experiment.json"))
    assert (about["project_name"], about["workspace"]) == ("team_digits", "team")
    assert sorted(about["tags"]) == ["best", "two words"]
    assert about["start_time"], about["stop_time"] == (1_767_614_400_000, 1_767_618_000_000)

    points = [
        (told["metric"]["step"], float(told["metric"]["metricValue"]), told["local_timestamp"])
        for told in _messages(archive, "metric_msg")
        if told["metric"]["metricName"] == "metrics_loss"
    ]
    assert [step for step, _, _ in points] == [-1, 0, 0, 0, 1, 2, 3]
    assert points[0][1:] == (9.0, 1_767_614_400_123)
    assert math.isnan(points[3][1])
    assert [points[4][1], points[5][1]] == [math.inf, -math.inf]

    parameters = {
        told["param"]["paramName"]: told["param"]["paramValue"]
        for told in _messages(archive, "parameter_msg")
    }
    assert parameters["params_big"] == 2**60 + 1
    assert parameters["params_flag"] is True
    assert parameters["params_set"] == '["x", "y,z"]'
    assert {parameters[name] for name in parameters if name.startswith("params_a_b")} == {1, 2, 3}


def test_text_of_a_series_and_long_strings_are_whole(tmp_path: Path) -> None:
    content = everything()
    values = {"long": "ü" * 5_000}
    target = CometTarget(CometSettings(folder=tmp_path / "offline"))
    load(target, source_run(), Content(values, content.points), tmp_path)
    (file,) = (tmp_path / "offline").glob("*.zip")
    with zipfile.ZipFile(file) as zipped:
        files = {
            told["additional_params"]["fileName"]: zipped.read(told["file_path"]).decode()
            for told in _messages(tmp_path / "offline", "file_upload")
        }
    assert files["long.txt"] == "ü" * 5_000
    assert files["logs_out"].startswith("0; 2026-01-05T12:00:00.123456+00:00; first\n1; ")
    assert json.loads(files["hist_weights.json"])["histograms"][1]["edges"] == [0.0, 0.1, 2.0]


def test_a_torn_archive_is_no_run(tmp_path: Path) -> None:
    target = CometTarget(CometSettings(folder=tmp_path / "offline"))
    opened, _ = load(target, source_run(), Content(), tmp_path)
    file = tmp_path / "offline" / f"{opened.id}.zip"
    file.write_bytes(file.read_bytes()[:200])
    assert target.find_run(source_run()) is None
    points = {FLOATS: series(FLOATS, {"loss": [(0, 1.0)]})}
    again, _ = load(target, source_run(), Content(points=points), tmp_path)
    assert again.read_back().points == {again.name_of("loss", AttributeType.FLOAT_SERIES): 1}


def test_what_the_server_needs_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"--comet-workspace \(or COMET_WORKSPACE\)"):
        CometSettings.read({}, online=True)
    with pytest.raises(InvalidInput, match=r"--comet-api-key"):
        CometSettings.read({}, workspace="team", online=True)
    assert "secret" not in repr(CometSettings.read({}, workspace="team", api_key="secret"))
    assert CometSettings.read({"COMET_OFFLINE_DIRECTORY": "/x"}).folder == Path("/x")
