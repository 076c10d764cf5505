"""Neptune 3's messages: bytes to model."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from mooring.errors import InvalidValue
from mooring.model import Histogram

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.wire.neptune3.ingest import (
    ADD,
    REMOVE,
    CreateRun,
    Update,
    WireFile,
    decode_create,
    decode_update,
)
from mooring.wire.neptune3.schema import message


def test_creation() -> None:
    run = message("Run")(family="run-1", experiment_id="exp", inherit_configs=True)
    run.creation_time.seconds = 1_700_000_000
    run.creation_time.nanos = 99_999_904
    assert decode_create(run.SerializeToString()) == CreateRun(
        family="run-1", experiment="exp", created=1_700_000_000_100_000, inherit_configs=True
    )
    assert decode_create(b"") == CreateRun()


def test_fork_at_step_zero_is_not_one_without_a_step() -> None:
    run = message("Run")()
    run.fork_point.parent_run_id = "parent"
    run.fork_point.parent_project = "team/other"
    assert decode_create(run.SerializeToString()).fork_step is None
    run.fork_point.step.SetInParent()
    created = decode_create(run.SerializeToString())
    assert (created.parent, created.parent_project, created.fork_step) == (
        "parent",
        "team/other",
        0,
    )


def test_update_with_a_value_of_each_type() -> None:
    update = message("UpdateRunSnapshot")()
    update.step.whole, update.step.micro = 3, 250_000
    update.timestamp.seconds = 10
    update.assign["int"].int64 = -(2**63)
    update.assign["bool"].bool = False
    update.assign["text"].string = "wörld"
    update.assign["time"].timestamp.seconds = 0
    update.assign["empty set"].string_set.SetInParent()
    update.assign["file"].file_ref.MergeFrom(
        message("FileRef")(path="a/b", size_bytes=3, mime_type="text/plain")
    )
    update.append["nan"].float64 = math.nan
    update.append["counts"].histogram.bin_edges[:] = [0, 1, 2]
    update.append["counts"].histogram.counts.values[:] = [3, 4]
    update.append["densities"].histogram.bin_edges[:] = [0, 1]
    update.append["densities"].histogram.densities.values[:] = [1.0]
    changes = update.modify_sets["sys/tags"].string.values
    changes["in"], changes["out"], changes["same"] = ADD, REMOVE, 0
    read = decode_update(update.SerializeToString())
    assert (read.step, read.time, read.preview) == (3_250_000, 10_000_000, None)
    assert read.assign == {
        "int": -(2**63),
        "bool": False,
        "text": "wörld",
        "time": datetime(1970, 1, 1, tzinfo=UTC),
        "empty set": frozenset(),
        "file": WireFile("a/b", 3, "text/plain"),
    }
    nan = read.append["nan"]
    assert isinstance(nan, float)
    assert math.isnan(nan)
    assert read.append["counts"] == Histogram((0.0, 1.0, 2.0), (3.0, 4.0))
    assert read.append["densities"] == Histogram((0.0, 1.0), (1.0,), kind="DENSITY")
    assert (read.add, read.remove) == (
        {"sys/tags": frozenset({"in"})},
        {"sys/tags": frozenset({"out"})},
    )
    assert read.refused == []


def test_step_zero_and_no_step() -> None:
    update = message("UpdateRunSnapshot")()
    assert decode_update(update.SerializeToString()) == Update(refused=[])
    update.step.SetInParent()
    assert decode_update(update.SerializeToString()).step == 0


@pytest.mark.parametrize(
    ("ratio", "read"), [(0.25, 0.25), (7.0, 1.0), (-1.0, 0.0), (math.nan, 0.0)]
)
def test_preview(ratio: float, read: float) -> None:
    update = message("UpdateRunSnapshot")()
    update.preview.is_preview, update.preview.completion_ratio = True, ratio
    assert decode_update(update.SerializeToString()).preview == read
    update.preview.is_preview = False
    assert decode_update(update.SerializeToString()).preview is None


def test_one_bad_value_does_not_cost_the_others() -> None:
    update = message("UpdateRunSnapshot")()
    update.assign["good"].int64 = 1
    update.assign["year 10000"].timestamp.seconds = 253_402_300_800
    update.assign["none"].SetInParent()
    update.append["steps back"].histogram.bin_edges[:] = [1, 0]
    update.append["steps back"].histogram.counts.values[:] = [1]
    update.append["bare"].histogram.bin_edges[:] = [0, 1]
    read = decode_update(update.SerializeToString())
    assert (read.assign, read.append) == ({"good": 1}, {})
    assert {path for path, _ in read.refused} == {"year 10000", "none", "steps back", "bare"}


def test_bytes_that_are_no_message() -> None:
    with pytest.raises(InvalidValue, match="no message UpdateRunSnapshot"):
        decode_update(b"\xff\xff\xff")
    with pytest.raises(InvalidValue, match="no message Run"):
        decode_create(b"\x0a\xff")
