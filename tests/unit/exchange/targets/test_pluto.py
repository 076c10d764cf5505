"""What Pluto's client sends of a run, watched by a server that is not Pluto's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, TargetRefused, TargetUnreachable
from mooring.exchange.targets.pluto import PlutoSettings
from tests.conformance.targets.driving import FLOATS, NOON, Content, everything, load, series
from tests.conformance.targets.trackers import source_run
from tests.conformance.targets.watching import Watcher


def test_the_key_is_needed_and_not_shown() -> None:
    with pytest.raises(InvalidInput, match=r"--pluto-api-key \(or PLUTO_API_KEY\)"):
        PlutoSettings.read({})
    assert "secret" not in repr(PlutoSettings.read({}, api_key="secret"))


class TestWithTheClient:
    """What needs the package."""

    @pytest.fixture
    def watcher(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Watcher]:
        pytest.importorskip("pluto", reason="not installed; see tests/e2e/targets/test_peers.py")
        monkeypatch.setenv("HOME", str(tmp_path / "user"))
        monkeypatch.setenv("PLUTO_DISABLE_TELEMETRY", "1")
        watcher = Watcher()
        yield watcher
        watcher.close()

    def _load(self, watcher: Watcher, content: Content, folder: Path, **run: object) -> None:
        from mooring.exchange.targets.pluto import PlutoTarget

        settings = PlutoSettings(api_key="k", urls=watcher.urls(), timeout_s=20)
        target = PlutoTarget(settings)
        try:
            load(target, source_run(**run), content, folder)
        finally:
            target.close()

    def test_all_of_a_run_is_sent(self, watcher: Watcher, tmp_path: Path) -> None:
        self._load(watcher, everything(), tmp_path)
        (made,) = watcher.of_run("/api/runs/create", "1")
        assert (made["projectName"], made["externalId"]) == ("team/digits", "team/digits::run-1")
        assert {"best", "two words", "import:neptune"} <= set(made["tags"])
        assert (made["createdAt"], made["updatedAt"]) == (1_767_614_400_000, 1_767_618_000_000)
        assert json.loads(made["systemMetadata"]) == {}

        config: dict[str, object] = {}
        for told in watcher.of_run("/api/runs/config/update", "1"):
            config |= json.loads(told["config"])
        assert config["params/big"] == 2**60 + 1
        assert config["params/nan"] == "nan"
        assert config["params/set"] == ["x", "y,z"]
        assert config["mooring/complete"] is True

        points = [
            (line["step"], line["data"]["metrics/loss"], line["time"])
            for line in watcher.of_run("/ingest/metrics", "1")
            if "metrics/loss" in line["data"]
        ]
        assert points == [
            (0, 8.0, NOON // 1_000 + 1_000),
            (0, 7.5, NOON // 1_000 + 2_000),
            (3, 0.1, NOON // 1_000 + 6_000),
        ]
        data = watcher.of_run("/ingest/data", "1")
        assert [line["data"] for line in data if line["logName"] == "logs/out"] == [
            "first", "it's\ntwo \"lines\" ü", "",
        ]  # fmt: skip
        sent = {
            file["logName"]: watcher.files[file["fileName"]]
            for told in watcher.of_run("/files", "1")
            for file in told["files"]
        }
        assert sent["files/model.bin"] == b"\x00\x01model"
        histograms = json.loads(sent["hist/weights"])["histograms"]
        assert histograms[0]["edges"] == [0.0, 0.1, 2.0]

    def test_points_of_one_millisecond_are_kept_apart(
        self, watcher: Watcher, tmp_path: Path
    ) -> None:
        points = series(FLOATS, {"loss": [(step, float(step)) for step in range(3)]})
        column = points.schema.get_field_index("time")
        same = points.set_column(column, "time", [[NOON, NOON, NOON - 5_000]])
        self._load(watcher, Content(points={FLOATS: same}), tmp_path)
        times = [line["time"] for line in watcher.of_run("/ingest/metrics", "1")]
        assert times == [NOON // 1_000, NOON // 1_000 + 1, NOON // 1_000 + 2]

    def test_a_server_that_does_not_answer_is_told(self, watcher: Watcher, tmp_path: Path) -> None:
        from mooring.exchange.targets.pluto import PlutoTarget

        gone = Watcher()
        urls = gone.urls()
        gone.close()
        target = PlutoTarget(PlutoSettings(api_key="k", urls=urls))
        with pytest.raises((TargetUnreachable, TargetRefused), match="run-1"):
            target.open_run(source_run(), {}, parent=None, found=False)
        target.close()
