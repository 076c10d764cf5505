"""Updates that only append numbers are read as the messages say; ids tell what became of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

import numpy as np

from mooring.errors import InvalidValue
from mooring.wire.neptune3 import points
from mooring.wire.neptune3.ingest import Update, decode_update
from mooring.wire.neptune3.points import FloatPoints, Layouts
from mooring.wire.neptune3.requests import (
    Code,
    decode_operation,
    make_request_id,
    verdict_of,
)
from mooring.wire.neptune3.schema import message


def _message(
    values: dict[str, float],
    step: int = 2**40,
    seconds: int = 1_700_000_000,
    nanos: int = 99_999_904,
) -> Any:
    update = message("UpdateRunSnapshot")()
    update.step.whole, update.step.micro = step, step % 7
    update.timestamp.seconds, update.timestamp.nanos = seconds, nanos
    for path, value in values.items():
        update.append[path].float64 = value
    return update


def _update(values: dict[str, float], **numbers: int) -> bytes:
    made: bytes = _message(values, **numbers).SerializeToString()
    return made


def _read(*updates: bytes, layouts: Layouts | None = None) -> list[FloatPoints | bytes]:
    """Read updates that lie behind each other."""
    ends = list(accumulate(map(len, updates)))
    spans = list(zip([0, *ends], ends, strict=False))
    return list((layouts or Layouts()).read(b"".join(updates), spans))


def _decoded(body: bytes) -> Update:
    return replace(decode_update(body), refused=())


def _plain(found: Iterable[FloatPoints | bytes]) -> list[Update]:
    """Return what was read as if each update had been read as a message."""
    plain: list[Update] = []
    for each in found:
        if isinstance(each, bytes):
            plain.append(_decoded(each))
            continue
        for row, values in enumerate(each.values.tolist()):
            step = None
            if each.whole is not None and each.micro is not None:
                step = int(each.whole[row]) * 1_000_000 + int(each.micro[row])
            time = None if each.times is None else int(each.times[row])
            append = dict(zip(each.layout.paths, values, strict=True))
            plain.append(Update(step=step, time=time, append=append))
    return plain


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
        found = _read(body, layouts=layouts)
        assert isinstance(found[0], FloatPoints)
        assert _plain(found) == [_decoded(body)]
        assert found[0].times is not None
        assert found[0].times.tolist() == [1_700_000_000_100_000]


def test_updates_of_one_layout_are_read_at_once() -> None:
    # Steps and times of different lengths in bytes, the longest and the shortest.
    numbers = [
        {"step": step, "seconds": second, "nanos": nano}
        for step, second, nano in zip(
            (0, 1, 127, 128, 16_384, 2**40, 2**62),
            (0, 1, 1_700_000_000, 1_700_000_000, 127, 128, 9_000_000_000_000),
            (0, 5, 268_435_456, 999_999_999, 127, 128, 1),
            strict=True,
        )
    ]
    updates = [
        _update({"a": row + 0.5, "b": math.pi}, **given) for row, given in enumerate(numbers)
    ]
    found = _read(*updates)
    assert len(found) == 1
    assert _plain(found) == [_decoded(update) for update in updates]


def test_the_order_of_updates_stays() -> None:
    text = message("UpdateRunSnapshot")()
    text.append["t"].string = "text"
    one, two = {"a": 1.0}, {"b": 1.0, "c": 2.0}
    updates = [
        *(_update(one, step=step) for step in (1, 2, 300)),
        text.SerializeToString(),
        *(_update(one if step % 2 else two, step=step) for step in range(4, 9)),
        text.SerializeToString(),
        text.SerializeToString(),
    ]
    found = _read(*updates)
    assert [len(each.values) for each in found if isinstance(each, FloatPoints)] == [3] + 5 * [1]
    assert _plain(found) == [_decoded(update) for update in updates]


def test_many_layouts_of_one_length() -> None:
    updates = [_update({f"m{number % 40:02d}": number}, step=number) for number in range(100, 180)]
    found = _read(*updates)
    assert not any(isinstance(each, bytes) for each in found)
    assert _plain(found) == [_decoded(update) for update in updates]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["a", "b", "loss"]), st.floats(allow_nan=False)),
            st.integers(0, 2**62),
            st.integers(0, 2_000_000_000),
            st.integers(0, 999_999_999),
            st.sampled_from(["", "step", "timestamp", "preview", "text"]),
        ),
        max_size=12,
    )
)
def test_any_updates_are_read_as_their_messages(
    made: list[tuple[dict[str, float], int, int, int, str]],
) -> None:
    updates = []
    for values, step, seconds, nanos, other in made:
        update = _message(values, step, seconds, nanos)
        if other in ("step", "timestamp"):
            update.ClearField(other)
        elif other == "preview":
            update.preview.is_preview = True
        elif other == "text":
            update.append["text"].string = "text"
        updates.append(update.SerializeToString())
    assert _plain(_read(*updates)) == [_decoded(update) for update in updates]


@pytest.mark.parametrize(("layouts", "steps"), [(4_000, 1), (100, 40), (300, 13)])
def test_each_update_is_looked_at_a_few_times(
    monkeypatch: pytest.MonkeyPatch, layouts: int, steps: int
) -> None:
    """Metrics that are logged one by one have a layout each, and their names are as long."""
    looked = []
    alike = points._alike

    def count(rows: np.ndarray, *rest: Any) -> np.ndarray:
        looked.append(len(rows))
        return alike(rows, *rest)

    monkeypatch.setattr(points, "_alike", count)
    sent = [
        _update({f"metric-{layout:04}": step / 2}, step=step + 1)
        for step in range(steps)
        for layout in range(layouts)
    ]
    found = _read(*sent)
    assert _plain(found) == [_decoded(each) for each in sent]
    assert sum(looked) <= 100 * len(sent)


def test_updates_without_operations_are_left_out() -> None:
    operation = message("RunOperation")(project="a/b", run_id="r")
    for step in range(3):
        operation.update_batch.snapshots.add().step.whole = step
        operation.update_batch.snapshots.add()
    operation.update_batch.snapshots.append(_message({"a": 1.0}))
    found = decode_operation(operation.SerializeToString(), Layouts())
    assert _plain(found.updates) == [_decoded(_update({"a": 1.0}))]  # type: ignore[arg-type]
    del operation.update_batch.snapshots[-1]
    assert decode_operation(operation.SerializeToString(), Layouts()).updates == ()


def test_other_updates_are_left_to_the_messages() -> None:
    update = message("UpdateRunSnapshot")()
    nothing = update.SerializeToString()
    update.append["a"].float64 = 1.0
    numbers = update.SerializeToString()
    update.append["b"].string = "text"
    text = update.SerializeToString()
    del update.append["b"]
    update.preview.is_preview = True
    preview = update.SerializeToString()
    found = _read(nothing, numbers, text, preview)
    assert [each for each in found if isinstance(each, bytes)] == [nothing, text, preview]
    assert isinstance(found[1], FloatPoints)
    assert _read() == []


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
