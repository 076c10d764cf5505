"""What an offline run of Minfx's client holds, read with its own queue."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from mooring.errors import InvalidInput
from mooring.exchange.target import LoadSettings
from mooring.exchange.targets.minfx import MinfxSettings
from mooring.exchange.targets.minfx.offline import (
    container_folder,
    operations,
    unfinished_folder,
)
from mooring.model import AttributeType
from tests.conformance.targets.driving import (
    TEXTS,
    Content,
    everything,
    load,
    open_run,
    series,
    write,
)
from tests.conformance.targets.trackers import TRACKERS, source_run

MINFX = next(peer for peer in TRACKERS if peer.name == "minfx")


def test_the_project_is_needed() -> None:
    with pytest.raises(InvalidInput, match=r"--minfx-project .*MINFX_PROJECT"):
        MinfxSettings.read({})
    settings = MinfxSettings.read({"MINFX_PROJECT": "a/b"}, folder="/x")
    assert settings.sync_command == "minfx sync --path /x --project a/b --offline-only"


class TestWithTheClient:
    """What needs the package."""

    @pytest.fixture(autouse=True)
    def _needs_minfx(self) -> None:
        pytest.importorskip("minfx", reason="not installed; see tests/e2e/targets/test_peers.py")

    def test_values_have_types_and_what_the_client_would_drop_is_kept(self, tmp_path: Path) -> None:
        content = everything()
        values = {**content.values, "params/exact": 2**40, "params/long": "ü" * 20_000}
        target = MINFX.make(tmp_path, LoadSettings())
        opened, lost = load(target, source_run(), Content(values=values), tmp_path)
        held = MINFX.read(tmp_path, opened.id).values
        assert held["params/lr"] == 0.1
        assert held["params/flag"] is True
        assert held["params/text"] == values["params/text"]
        assert held["params/exact"] == 2.0**40
        assert held["params/big"] == str(2**60 + 1)
        assert math.isnan(held["params/nan"])
        assert held["import/sys/id"] == "DIG-1"
        assert held["sys/name"] == values["sys/name"]
        assert (held["import/original_run_id"], held["import/complete"]) == ("run-1", True)
        assert not lost
        assert opened.read_back().files["params/long"] == 40_000

    def test_points_have_steps_and_times(self, tmp_path: Path) -> None:
        opened, _ = load(MINFX.make(tmp_path, LoadSettings()), source_run(), everything(), tmp_path)
        folder = container_folder(tmp_path / "minfx", opened.id)
        (loss,) = [
            operation["values"]
            for operation in operations(folder)
            if operation["type"] == "LogFloats" and operation["path"] == ["metrics", "loss"]
        ]
        assert [point["step"] for point in loss] == [-1.5, 0.0, 0.29, 0.5, 1.15, 2.0, 3.0]
        assert loss[0]["ts"] == 1_767_614_400.123456
        assert math.isnan(loss[3]["value"])
        assert [loss[4]["value"], loss[5]["value"]] == [math.inf, -math.inf]
        held = MINFX.read(tmp_path, opened.id)
        assert json.loads(held.files["hist/weights"])["histograms"][0]["values"] == [3.0, 4.0]
        assert held.files["files/model.bin"] == b"\x00\x01model"

    def test_paths_that_cannot_be_side_by_side_are_kept_apart(self, tmp_path: Path) -> None:
        content = Content(values={"a": 1, "a/b": 2, "a/b/c": 3, "a//b": 4, "import": 5})
        opened, lost = load(MINFX.make(tmp_path, LoadSettings()), source_run(), content, tmp_path)
        held = MINFX.read(tmp_path, opened.id).values
        names = {path: opened.name_of(path, AttributeType.INT) for path in content.values}
        assert {path: held[name] for path, name in names.items()} == content.values
        assert not lost

    def test_a_series_with_a_long_text_is_a_file_of_lines(self, tmp_path: Path) -> None:
        points = {TEXTS: series(TEXTS, {"out": [(0, "a"), (1, "x" * 20_000)]})}
        opened, lost = load(
            MINFX.make(tmp_path, LoadSettings()), source_run(), Content(points=points), tmp_path
        )
        assert not lost
        assert MINFX.read(tmp_path, opened.id).files["out"].decode().count("x") == 20_000

    def test_a_run_that_was_synchronised_is_still_known(self, tmp_path: Path) -> None:
        target = MINFX.make(tmp_path, LoadSettings())
        opened, _ = load(target, source_run(), Content(), tmp_path, digest="d")
        container_folder(tmp_path / "minfx", opened.id).rename(tmp_path / "gone")
        found = MINFX.make(tmp_path, LoadSettings()).find_run(source_run())
        assert (found.id, found.complete, found.content) == (opened.id, True, "d")
        assert opened.read_back() is None

    def test_the_environment_is_as_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", "mine")
        load(MINFX.make(tmp_path, LoadSettings()), source_run(), Content(), tmp_path)
        assert os.environ["NEPTUNE_DATA_DIRECTORY"] == "mine"
        assert "OAUTHLIB_INSECURE_TRANSPORT" not in os.environ

    def test_a_run_that_is_not_whole_is_not_where_sync_looks(self, tmp_path: Path) -> None:
        target = MINFX.make(tmp_path, LoadSettings())
        opened = open_run(target, source_run(), everything())
        write(opened, everything(), tmp_path)
        assert not list((tmp_path / "minfx" / ".neptune").glob("**/run__*"))
        opened.finish(complete=False, content="d")
        assert not list((tmp_path / "minfx" / ".neptune").glob("**/run__*"))
        load(target, source_run(), everything(), tmp_path)
        assert len(list((tmp_path / "minfx" / ".neptune").glob("**/run__*"))) == 1
        assert not list((tmp_path / "minfx" / "unfinished").iterdir())

    def test_a_kill_before_the_run_is_moved_is_mended(self, tmp_path: Path) -> None:
        target = MINFX.make(tmp_path, LoadSettings())
        opened, _ = load(target, source_run(), Content(), tmp_path)
        there = container_folder(tmp_path / "minfx", opened.id)
        staging = unfinished_folder(tmp_path / "minfx", "team/digits", "run-1") / "offline"
        staging.mkdir(parents=True)
        there.rename(staging / there.name)
        assert MINFX.make(tmp_path, LoadSettings()).find_run(source_run()).complete
        assert there.exists()
