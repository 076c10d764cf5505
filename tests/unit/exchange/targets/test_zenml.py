"""What a model version of ZenML holds of a run, asked with its own client."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mooring.exchange.target import LoadSettings, Target
from mooring.model import AttributeType, Typed
from tests.conformance.targets.driving import FLOATS, Content, everything, load, series
from tests.conformance.targets.trackers import TRACKERS, source_run

pytest.importorskip("zenml", reason="zenml is not installed; see tests/e2e/targets/test_peers.py")

ZENML = next(peer for peer in TRACKERS if peer.name == "zenml")


def _target(folder: Path) -> Target:
    return ZENML.make(folder, LoadSettings())


def _version(opened: Any) -> Any:
    from zenml.client import Client

    return Client().get_model_version(model_version_name_or_number_or_id=_uuid(opened))


def _uuid(opened: Any) -> Any:
    from uuid import UUID

    return UUID(opened.id)


def test_metadata_keep_types_and_tags_and_description_are_native(tmp_path: Path) -> None:
    opened, _ = load(_target(tmp_path), source_run(), everything(), tmp_path)
    version = _version(opened)
    params = version.run_metadata["params"]
    assert params["lr"] == 0.1
    assert params["big"] == 2**60 + 1
    assert params["flag"] is True
    assert params["empty"] == ""
    assert params["set"] == ["x", "y,z"]
    assert params["text"] == everything().values["params/text"]
    assert params["when"] == str(datetime(2026, 1, 5, 12, 0, 0, 123_456, tzinfo=UTC))
    assert math.isnan(params["nan"])
    assert sorted(tag.name for tag in version.tags) == ["best", "two words"]
    assert version.description == "what it is for"
    assert version.run_metadata["series/neptune-metrics-whole"] == {
        "count": 5, "min": 0.0, "max": 0.4, "final": 0.4,
    }  # fmt: skip


def test_points_are_whole_with_exact_steps_and_times(tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    from zenml.client import Client

    opened, lost = load(_target(tmp_path), source_run(), everything(), tmp_path)
    assert not lost
    (artifact,) = Client().list_artifact_versions(
        model_version_id=opened.id, artifact="neptune-metrics-loss", hydrate=True
    )
    table = pq.read_table(artifact.load())
    assert table["step"].to_pylist()[:4] == [
        Decimal("-1.5"), Decimal("0"), Decimal("0.29"), Decimal("0.5"),
    ]  # fmt: skip
    values = table["value"].to_pylist()
    assert math.isnan(values[3])
    assert values[4:6] == [math.inf, -math.inf]
    assert table["timestamp"].to_pylist()[0] == datetime(2026, 1, 5, 12, 0, 0, 123_456, tzinfo=UTC)
    assert artifact.run_metadata["attribute_path"] == "metrics/loss"


def test_histograms_and_text_are_whole(tmp_path: Path) -> None:
    opened, _ = load(_target(tmp_path), source_run(), everything(), tmp_path)
    held = ZENML.read(tmp_path, opened.id)
    histograms = json.loads(held.files["neptune-hist-weights"])["histograms"]
    assert histograms[1]["edges"] == [0.0, 0.1, 2.0]
    assert histograms[1]["values"] == [3.0, 4.0]
    assert [value for _, value in held.points["neptune-logs-out"]] == [
        "first", "it's\ntwo \"lines\" ü", "",
    ]  # fmt: skip


def test_groups_too_large_for_one_key_are_whole(tmp_path: Path) -> None:
    values = {f"params/{number:04}": "x" * 100 for number in range(1_000)}
    values |= {"params": "a group too", "long": "ü" * 100_000}
    values |= {"many": frozenset(f"{number}-😀" for number in range(10_000))}
    opened, lost = load(_target(tmp_path), source_run(), Content(values=values), tmp_path)
    assert not lost
    held = opened.read_back()
    assert held is not None
    assert {opened.name_of(path, AttributeType.STRING) for path in values} <= held.values
    assert ZENML.read(tmp_path, opened.id).files["neptune-long"].decode() == "ü" * 100_000
    assert len(json.loads(ZENML.read(tmp_path, opened.id).files["neptune-many"])) == 10_000


def test_a_run_is_gone_on_with_and_other_content_replaces(tmp_path: Path) -> None:
    first = Content(points={FLOATS: series(FLOATS, {"loss": [(0, 1.0)]})})
    second = Content(points={FLOATS: series(FLOATS, {"loss": [(0, 1.0), (1, 2.0)]})})
    one, _ = load(_target(tmp_path), source_run(), first, tmp_path)
    two, _ = load(_target(tmp_path), source_run(), second, tmp_path)
    assert one.id == two.id
    assert two.read_back().points == {"neptune-loss": 2}


def test_ids_that_mean_something_to_zenml_are_names(tmp_path: Path) -> None:
    target = _target(tmp_path)
    content = Content(values={"a": Typed(AttributeType.RUN_STATE, "inactive")})
    for run_id in ("7", "latest", "production", " "):
        load(target, source_run(run_id), content, tmp_path, digest=run_id)
        assert target.find_run(source_run(run_id)).content == run_id
