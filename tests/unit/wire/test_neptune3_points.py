"""Updates that only append numbers are read as the messages say; ids tell what became of them."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.errors import InvalidValue
from mooring.wire.neptune3.ingest import decode_update
from mooring.wire.neptune3.points import Layouts
from mooring.wire.neptune3.requests import (
    Code,
    decode_operation,
    make_request_id,
    verdict_of,
)
from mooring.wire.neptune3.schema import message


def _update(values: dict[str, float]) -> bytes:
    update = message("UpdateRunSnapshot")()
    update.step.whole, update.step.micro = 2**40, 5
    update.timestamp.seconds, update.timestamp.nanos = 1_700_000_000, 99_999_904
    for path, value in values.items():
        update.append[path].float64 = value
    made: bytes = update.SerializeToString()
    return made


@pytest.mark.parametrize(
    "values",
    [
        {"a": 1.5},
        {"loss": 0.0, "": -0.0, "wörld" * 40: math.inf},
        {f"metric/{i}": float(i) for i in range(3_000)},
    ],
)
def test_points_are_those_of_the_message(values: dict[str, float]) -> None:
    layouts = Layouts()
    for change in (0.0, 1.0):
        body = _update({path: value + change for path, value in values.items()})
        found, expected = layouts.read(body), decode_update(body)
        assert found is not None
        assert dict(zip(found.layout.paths, found.values.tolist(), strict=True)) == expected.append
        assert found.step == (2**40, 5)
        assert found.time == expected.time == 1_700_000_000_100_000


def test_other_updates_are_left_to_the_messages() -> None:
    layouts = Layouts()
    update = message("UpdateRunSnapshot")()
    assert layouts.read(update.SerializeToString()) is None
    update.append["a"].float64 = 1.0
    assert layouts.read(update.SerializeToString()) is not None
    update.append["b"].string = "text"
    assert layouts.read(update.SerializeToString()) is None
    del update.append["b"]
    update.preview.is_preview = True
    assert layouts.read(update.SerializeToString()) is None


def test_every_cut_of_a_request_is_read_or_refused() -> None:
    operation = message("RunOperation")(project="team/digits", run_id="r")
    operation.update_batch.snapshots.add().ParseFromString(_update({"a": 1.0, "b": 2.0}))
    body = operation.SerializeToString()
    assert len(decode_operation(body, Layouts()).updates) == 1
    for end in range(len(body)):
        try:
            found = decode_operation(body[:end], Layouts())
        except InvalidValue:
            continue
        assert not found.updates


def test_an_id_tells_what_became_of_its_request() -> None:
    verdict = {Code.OK: 2**40, Code.SERIES_POINT_DUPLICATE: 1}
    assert verdict_of(make_request_id("ab", verdict)) == verdict
    for other in ("", "n3", "n3:ab:", "n3:ab:x*y,9999*1", "n3:" + "9" * 10_000, "é:é:0*-5"):
        assert verdict_of(other) == {Code.OK: 1}
