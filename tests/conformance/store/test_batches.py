"""Numbered batches of updates from writers elsewhere: each update is applied once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mooring.errors import (
    InvalidInput,
    InvalidPath,
    InvalidStep,
    InvalidValue,
    RunNotFound,
    StoreReadOnly,
    TypeConflict,
)
from mooring.model import AttributeType, FileRef, Histogram, RunInfo, RunSpec, Typed
from mooring.store import RunWriter, Store
from mooring.store.appending import (
    AppendsBatches,
    Assign,
    ChangeSet,
    Delete,
    LogPoints,
    LogRows,
    LogSteps,
    Update,
)
from tests.conformance.store.conftest import BackEnd, Place, taking_batches
from tests.conformance.store.reading import (
    FILES,
    HISTOGRAMS,
    STRINGS,
    attributes,
    in_every_state,
    points,
    table,
)

ANN, BOB = uuid.uuid4().hex, uuid.uuid4().hex
NOON = 1_767_614_400_000_000
FILE = FileRef("ab" * 32, 3, "text/plain", "a.txt")


def loss(number: int, value: float | None = None) -> LogPoints:
    """A point whose step is the number of its update."""
    return LogPoints(
        {"loss": number / 2 if value is None else value}, number * 10**6, NOON + number
    )


def losses(first: int, last: int) -> list[Update]:
    return [loss(number) for number in range(first, last + 1)]


def steps(
    paths: tuple[str, ...],
    values: list[list[float]],
    numbers: list[int],
    times: list[int] | None = None,
) -> LogSteps:
    """Points of whole steps."""
    moments = [NOON + number for number in numbers] if times is None else times
    return LogSteps(
        paths,
        np.array(values, np.float64).reshape(-1, len(paths)),
        np.array(numbers, np.int64) * 10**6,
        np.array(moments, np.int64),
    )


def logged(store: Store, run: RunInfo) -> list[int]:
    return [int(step) for step, _ in points(store, run.key, "loss")]


# what is applied


def test_every_kind_of_update(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    file = FileRef(*store.put_blob(b"abc"), "text/plain", "a.txt")
    updates = [
        LogPoints({"loss": 0.5, "text": "a"}, 0, NOON),
        LogPoints({"loss": 0.25}, None, NOON + 1),
        LogPoints({"hist": Histogram((0.0, 1.0), (2.0,)), "file": file}, 2_500_000, NOON + 2),
        LogPoints({"loss": 0.1}, 9_000_000, NOON + 3, 0.5),
        LogRows([({"n": 1, "name": "é"}, NOON + 4), ({"n": None}, NOON + 5)]),
        Assign({"lr": 0.1, "n layers": 3, "when": datetime(2026, 1, 2, tzinfo=UTC)}),
        Assign({"sys/name": "exp", "sys/failed": True}, NOON + 6),
        ChangeSet("sys/tags", add=["a", "b"]),
        ChangeSet("sys/tags", remove=["a"], time=NOON + 7),
        Assign({"gone": 1}),
        Delete("gone"),
    ]
    receipt = afar.append_batch(run.key, ANN, 1, updates)
    assert (receipt.last, list(receipt.refused)) == (len(updates), [])

    def check() -> None:
        assert points(store, run.key, "loss") == [(0.0, 0.5), (1.0, 0.25)]
        assert points(store, run.key, "loss", include_previews=True)[2:] == [(9.0, 0.1)]
        assert points(store, run.key, "text", STRINGS) == [(0.0, "a")]
        assert [step for step, _ in points(store, run.key, "hist", HISTOGRAMS)] == [2.5]
        assert points(store, run.key, "file", FILES)[0][1]["digest"] == file.digest
        rows = store.read_events("p")
        assert rows.columns == {"n": [1, None], "name": ["é", None]}
        assert rows.times.tolist() == [NOON + 4, NOON + 5]
        assert attributes(store, run.key)["lr"] == 0.1
        assert store.get_value(run.key, "sys/name")[1] == "exp"
        assert store.get_value(run.key, "sys/tags")[1] == {"b"}
        assert "gone" not in attributes(store, run.key)

    in_every_state(store, check)


def test_many_steps_at_once_are_as_one_by_one(
    store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    one_by_one = store.create_run(RunSpec(project="p", run_id="b"))
    values = [[0.5, float("nan")], [float("-inf"), -0.0], [1e300, 5e-324]]
    numbers = [-1, 0, 7]
    update = steps(("loss", "é/acc"), values, numbers)
    batch = [loss(-3), update, Assign({"lr": 0.5}), loss(9)]
    receipt = afar.append_batch(run.key, ANN, 1, batch)
    assert (receipt.last, list(receipt.refused)) == (4, [])
    single = [
        LogPoints(dict(zip(update.paths, row, strict=True)), number * 10**6, NOON + number)
        for row, number in zip(values, numbers, strict=True)
    ]
    afar.append_batch(one_by_one.key, ANN, 1, [loss(-3), *single, Assign({"lr": 0.5}), loss(9)])
    assert afar.append_batch(run.key, ANN, 1, batch).last == 4  # again

    def check() -> None:
        for path in update.paths:
            found, expected = (table(store, [key.key], path) for key in (run, one_by_one))
            for column in ("step", "time", "value"):
                np.testing.assert_array_equal(found[column], expected[column])
        assert attributes(store, run.key)["lr"] == 0.5

    in_every_state(store, check)
    assert not afar.append_batch(run.key, ANN, 5, [steps(("x",), [], [])]).refused


def test_times_are_kept_as_given(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    afar.append_batch(run.key, ANN, 1, [loss(2), loss(1)])
    assert table(store, [run.key], "loss")["time"].to_pylist() == [NOON + 1, NOON + 2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Typed(AttributeType.FLOAT, 3), 3.0),
        (Typed(AttributeType.INT, 3), 3),
        (Typed(AttributeType.FILE_SET, FILE), FILE),
        (Typed(AttributeType.ARTIFACT, FILE), FILE),
        (Typed(AttributeType.GIT_REF, {"commit": "abc"}), {"commit": "abc"}),
        (Typed(AttributeType.RUN_STATE, "idle"), "idle"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, Typed) else "",
)
def test_values_with_their_type(
    store: Store, afar: AppendsBatches, run: RunInfo, given: Typed, expected: Any
) -> None:
    assert not afar.append_batch(run.key, ANN, 1, [Assign({"v": given})]).refused
    assert store.get_value(run.key, "v") == (given.type, expected)
    (refused,) = afar.append_batch(run.key, ANN, 2, [Assign({"v": True})]).refused
    assert isinstance(refused[1], TypeConflict)


# each once


def test_a_repeated_batch_changes_nothing(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    batch: list[Update] = [*losses(1, 3), LogRows([({"row": 1}, NOON)])]
    for _ in range(3):
        assert afar.append_batch(run.key, ANN, 1, batch).last == 4
    assert afar.append_batch(run.key, ANN, 2, batch[1:3]).last == 4
    assert logged(store, run) == [1, 2, 3]
    assert store.count_events("p") == 1
    assert afar.last_applied(run.key, ANN) == 4


def test_of_a_batch_that_came_in_part_the_rest_is_applied(
    store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    rows: list[Update] = [LogRows([({"row": n}, NOON + n)]) for n in range(1, 8)]
    afar.append_batch(run.key, ANN, 1, rows[:3])
    assert afar.append_batch(run.key, ANN, 2, rows[1:6]).last == 6
    assert afar.append_batch(run.key, ANN, 1, rows).last == 7
    assert store.read_events("p").columns["row"] == [1, 2, 3, 4, 5, 6, 7]


def test_a_gap_is_refused_whole(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    afar.append_batch(run.key, ANN, 1, losses(1, 2))
    for first in (4, 2**40):
        with pytest.raises(InvalidInput, match="from 3 on"):
            afar.append_batch(run.key, ANN, first, [loss(4)])
    assert (logged(store, run), afar.last_applied(run.key, ANN)) == ([1, 2], 2)
    assert afar.append_batch(run.key, ANN, 3, []).last == 2
    assert afar.append_batch(run.key, ANN, 3, losses(3, 4)).last == 4


def test_each_writer_counts_for_itself(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    other = store.create_run(RunSpec(project="p", run_id="b"))
    afar.append_batch(run.key, ANN, 1, losses(1, 3))
    assert afar.last_applied(run.key, BOB) == 0
    assert afar.append_batch(run.key, BOB, 1, [loss(7)]).last == 1
    assert afar.append_batch(other.key, ANN, 1, [loss(1)]).last == 1
    assert (logged(store, run), logged(store, other)) == ([1, 2, 3, 7], [1])
    assert afar.last_applied(run.key, ANN) == 3


# what cannot be taken

REFUSED: list[tuple[Update, Callable[[RunWriter], None], type[InvalidInput]]] = [
    (LogPoints({"": 1.0}, 0, NOON), lambda w: w.log({"": 1.0}, step=0), InvalidPath),
    (LogPoints({"sys/x": 1.0}, 0, NOON), lambda w: w.log({"sys/x": 1.0}), InvalidPath),
    (LogPoints({"loss": "text"}, 0, NOON), lambda w: w.log({"loss": "text"}), TypeConflict),
    (LogPoints({"x": None}, 0, NOON), lambda w: w.log({"x": None}), InvalidValue),
    (LogPoints({"x": 10**400}, 0, NOON), lambda w: w.log({"x": 10**400}), InvalidValue),
    (LogPoints({"x": 1.0}, 0, 2**62), lambda w: w.log({"x": 1.0}, time=2**62), InvalidValue),
    (
        LogPoints({"text": "a"}, 0, NOON, 0.5),
        lambda w: w.log({"text": "a"}, preview_completion=0.5),
        InvalidValue,
    ),
    (steps(("",), [[1.0]], [0]), lambda w: w.log({"": 1.0}, step=0), InvalidPath),
    (steps(("sys/x",), [[1.0]], [0]), lambda w: w.log({"sys/x": 1.0}), InvalidPath),
    (steps(("x",), [[1.0]], [0], [2**62]), lambda w: w.log({"x": 1.0}, time=2**62), InvalidValue),
    (Assign({"v": 1, "loss": 1}), lambda w: w.assign({"v": 1, "loss": 1}), TypeConflict),
    (Assign({"sys/id": "A-1"}), lambda w: w.assign({"sys/id": "A-1"}), InvalidPath),
    (Assign({"v": [1]}), lambda w: w.assign({"v": [1]}), InvalidValue),  # type: ignore[dict-item]
    (Assign({"v": 2**63}), lambda w: w.assign({"v": 2**63}), InvalidValue),
    (Assign({"v": "\ud800"}), lambda w: w.assign({"v": "\ud800"}), InvalidValue),
    (ChangeSet("loss", add=["a"]), lambda w: w.change_set("loss", add=["a"]), TypeConflict),
    (Delete("sys/state"), lambda w: w.delete("sys/state"), InvalidPath),
    (
        LogRows([({"good": 1}, NOON), ({"bad": object()}, NOON)]),
        lambda w: w.log_events([({"good": 1}, NOON), ({"bad": object()}, NOON)]),
        InvalidValue,
    ),
]


def _can_be_sent(back_end: BackEnd, call: Callable[[], object]) -> bool:
    """Return whether a batch gets to where it is refused: a hub's client sends no such thing."""
    if back_end.here:
        return True
    try:
        call()
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize(("update", "call", "kind"), REFUSED, ids=lambda v: repr(v)[:40])
def test_what_a_writer_would_refuse(
    back_end: BackEnd,
    store: Store,
    afar: AppendsBatches,
    run: RunInfo,
    update: Update,
    call: Callable[[RunWriter], None],
    kind: type[InvalidInput],
) -> None:
    other = store.create_run(RunSpec(project="other"))
    writer = store.open_writer(other.key)
    writer.log({"loss": 0.5}, step=0)
    with pytest.raises(InvalidInput) as raised:
        call(writer)
    assert type(raised.value) is kind
    batch = [loss(1), update, loss(3)]
    if not _can_be_sent(back_end, lambda: afar.append_batch(other.key, BOB, 1, [update])):
        assert logged(store, run) == []
        return
    for _ in range(2):  # told again when the answer was lost
        receipt = afar.append_batch(run.key, ANN, 1, batch)
        assert receipt.last == 3
        assert [(number, type(error)) for number, error in receipt.refused] == [(2, kind)]
        assert str(receipt.refused[0][1]) == str(raised.value)
        assert vars(receipt.refused[0][1]) == vars(raised.value)
    assert logged(store, run) == [1, 3]
    assert set(attributes(store, run.key)) == {"loss"}
    assert store.count_events("p") == 0


@pytest.mark.parametrize("step", [10**18 + 1, -(10**18) - 1, 0.5, "1"])
def test_a_step_that_is_none(
    back_end: BackEnd, afar: AppendsBatches, run: RunInfo, step: Any
) -> None:
    update = LogPoints({"x": 1.0}, step, NOON)
    if not _can_be_sent(back_end, lambda: afar.append_batch(run.key, BOB, 1, [update])):
        return
    (refused,) = afar.append_batch(run.key, ANN, 1, [LogPoints({"x": 1.0}, step, NOON)]).refused
    assert (refused[0], type(refused[1])) == (1, InvalidStep)


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        (steps(("x",), [[1.0]], [10**12 + 1]), InvalidStep),
        (steps(("x",), [[1.0]], [-(10**12) - 1]), InvalidStep),
        (steps(("x", "x"), [[1.0, 2.0]], [0]), InvalidInput),
        (steps(("x",), [[1.0], [2.0]], [0]), InvalidInput),
        (steps(("x",), [[1.0]], [0], [NOON, NOON]), InvalidInput),
        (steps(("x", "lr"), [[1.0, 2.0]], [0]), TypeConflict),
    ],
    ids=["high", "low", "twice", "values", "times", "type"],
)
def test_many_steps_that_cannot_be(
    store: Store, afar: AppendsBatches, run: RunInfo, update: LogSteps, kind: type[InvalidInput]
) -> None:
    receipt = afar.append_batch(run.key, ANN, 1, [Assign({"lr": 1}), update, loss(3)])
    assert [(number, type(error)) for number, error in receipt.refused] == [(2, kind)]
    assert set(attributes(store, run.key)) == {"lr", "loss"}
    assert logged(store, run) == [3]


@pytest.mark.parametrize(
    "value",
    [
        Typed(AttributeType.FLOAT, "1"),
        Typed(AttributeType.INT, 0.5),
        Typed(AttributeType.FLOAT, 10**400),
        Typed(AttributeType.BOOL, 1),
        Typed(AttributeType.FILE, "ab"),
        Typed(AttributeType.DATETIME, 5),
        Typed(AttributeType.GIT_REF, {"a": object()}),
        Typed(AttributeType.FLOAT_SERIES, 1.0),
    ],
    ids=str,
)
def test_a_value_that_is_not_of_its_type(
    back_end: BackEnd, afar: AppendsBatches, run: RunInfo, value: Typed
) -> None:
    update = Assign({"v": value})
    if not _can_be_sent(back_end, lambda: afar.append_batch(run.key, BOB, 1, [update])):
        return
    (refused,) = afar.append_batch(run.key, ANN, 1, [Assign({"v": value})]).refused
    assert isinstance(refused[1], InvalidValue)
    assert "'v'" in str(refused[1])


def test_refused_updates_of_earlier_batches_are_told_too(
    afar: AppendsBatches, run: RunInfo
) -> None:
    batch: list[Update] = [Assign({"a": 1}), Assign({"a": "x"}), Assign({"b": 1})]
    afar.append_batch(run.key, ANN, 1, batch)
    longer = [*batch, Assign({"b": "x"}), Assign({"c": 1})]
    receipt = afar.append_batch(run.key, ANN, 1, longer)
    assert [number for number, _ in receipt.refused] == [2, 4]
    assert [number for number, _ in afar.append_batch(run.key, ANN, 3, longer[2:]).refused] == [4]
    assert not afar.append_batch(run.key, ANN, 3, longer[2:3]).refused


def test_types_are_those_of_the_updates_before(
    store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    receipt = afar.append_batch(
        run.key,
        ANN,
        1,
        [
            Assign({"v": 1}),
            LogPoints({"v": 1.0}, 0, NOON),  # refused
            Delete("v"),
            LogPoints({"v": 2.0}, 0, NOON),
            Assign({"v": 3}),  # refused
            Assign({"f": 0.5}),
            Assign({"f": 2}),  # an integer is taken as a float
        ],
    )
    assert [number for number, _ in receipt.refused] == [2, 5]
    assert points(store, run.key, "v") == [(0.0, 2.0)]
    assert store.get_value(run.key, "f") == (AttributeType.FLOAT, 2.0)


@pytest.mark.parametrize("writer", ["", "a b", "x" * 65, "../x", None, 3])
def test_a_name_that_is_none(afar: AppendsBatches, run: RunInfo, writer: Any) -> None:
    with pytest.raises(InvalidInput, match="name"):
        afar.append_batch(run.key, writer, 1, [loss(1)])
    with pytest.raises(InvalidInput, match="name"):
        afar.hold_run(run.key, writer, seconds=1)
    with pytest.raises(InvalidInput, match="name"):
        afar.write_table_once(run.key, some_points(), request=writer)


@pytest.mark.parametrize("first", [0, -1, 2**63, True, 1.0, "1"])
def test_a_number_that_is_none(afar: AppendsBatches, run: RunInfo, first: Any) -> None:
    with pytest.raises(InvalidInput, match="numbered"):
        afar.append_batch(run.key, ANN, first, [loss(1)])


def test_a_run_that_is_gone(
    back_end: BackEnd, store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    afar.append_batch(run.key, ANN, 1, [loss(1)])
    afar.hold_run(run.key, ANN, seconds=60)
    store.delete_runs([run.key])
    for key in (run.key, 10**9):
        with pytest.raises(RunNotFound):
            afar.append_batch(key, ANN, 2, [loss(2)])
        with pytest.raises(RunNotFound):
            afar.last_applied(key, ANN)
        with pytest.raises(RunNotFound):
            afar.hold_run(key, ANN, seconds=1)
        with pytest.raises(RunNotFound):
            afar.attribute_types(key)
        if back_end.here:  # a hub tells nobody of runs that they do not see
            afar.release_run(key, ANN)
    assert store.list_attributes(None, everything_selected(), project="p") == []


def everything_selected() -> Any:
    from mooring.store import PathSelector

    return PathSelector()


# several at once


def test_several_store_objects(place: Place) -> None:
    one, two = (taking_batches(place.open()) for _ in range(2))
    store: Store = place.opened[0]
    run = store.create_run(RunSpec(project="p", run_id="a"))
    one.append_batch(run.key, ANN, 1, [Assign({"v": 1, "w": 1})])
    assert two.last_applied(run.key, ANN) == 1
    two.append_batch(run.key, ANN, 1, [Assign({"v": 1}), loss(2)])
    assert two.append_batch(run.key, ANN, 3, [Delete("v"), Assign({"v": "text"})]).last == 4
    # What the other object did to the types is known here, as if one writer had done it.
    receipt = one.append_batch(run.key, ANN, 5, [Assign({"v": "more"}), Assign({"loss": 1})])
    assert [number for number, _ in receipt.refused] == [6]
    receipt = two.append_batch(run.key, BOB, 1, [Assign({"v": 2}), Assign({"x": 1})])
    assert [number for number, _ in receipt.refused] == [1]
    receipt = one.append_batch(run.key, ANN, 7, [Assign({"x": "text"})])
    assert [number for number, _ in receipt.refused] == [7]
    assert attributes(store, run.key) == {"v": "more", "w": 1, "x": 1, "loss": 1.0}
    assert store.check().findings == ()


def test_a_batch_that_comes_twice_at_once_is_applied_once(place: Place) -> None:
    stores = [taking_batches(place.open()) for _ in range(2)]
    store = place.opened[0]
    run = store.create_run(RunSpec(project="p", run_id="a"))
    batches = [(1 + 20 * i, 20 * (i + 1)) for i in range(15)]
    failures: list[Exception] = []

    def send(afar: AppendsBatches) -> None:
        try:
            for first, last in batches:
                rows = [LogRows([({"row": n}, NOON + n)]) for n in range(first, last)]
                bad = Assign({"sys/id": "x"})
                receipt = afar.append_batch(run.key, ANN, first, [*rows, bad])
                assert receipt.last >= last
                assert [number for number, _ in receipt.refused] == [last]
        except Exception as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=send, args=(afar,)) for afar in stores * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    wanted = [n for first, last in batches for n in range(first, last)]
    assert store.read_events("p").columns["row"] == wanted


def test_what_was_applied_is_known_after_opening_again(place: Place) -> None:
    afar = taking_batches(place.open())
    run = place.opened[0].create_run(RunSpec(project="p", run_id="a"))
    afar.append_batch(run.key, ANN, 1, losses(1, 5))
    afar.release_run(run.key, ANN)
    place.opened[0].close()
    afar, store = taking_batches(place.open()), place.opened[1]
    store.compact(events=True)
    assert afar.last_applied(run.key, ANN) == 5
    assert afar.append_batch(run.key, ANN, 1, losses(1, 6)).last == 6
    assert logged(store, run) == [1, 2, 3, 4, 5, 6]


def test_a_store_that_is_only_read(place: Place) -> None:
    afar = taking_batches(place.open())
    run = place.opened[0].create_run(RunSpec(project="p", run_id="a"))
    afar.append_batch(run.key, ANN, 1, [loss(1)])
    read_only = taking_batches(place.open(read_only=True))
    assert read_only.last_applied(run.key, ANN) == 1
    assert read_only.attribute_types(run.key)["loss"] is AttributeType.FLOAT_SERIES
    for write in (
        lambda: read_only.append_batch(run.key, ANN, 2, [loss(2)]),
        lambda: read_only.hold_run(run.key, ANN, seconds=1),
        lambda: read_only.release_run(run.key, ANN),
        lambda: read_only.write_table_once(run.key, some_points(), request=BOB),
        lambda: read_only.set_events_once(run.key, "a", 1, request=BOB),
    ):
        with pytest.raises(StoreReadOnly):
            write()


# types


def test_attribute_types(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    writable = afar.attribute_types(run.key)
    assert writable["sys/tags"] is AttributeType.STRING_SET
    assert "sys/id" not in writable
    afar.append_batch(run.key, ANN, 1, [loss(1), Assign({"v": "a"}), ChangeSet("s", add=["x"])])
    new = {path: str(type) for path, type in afar.attribute_types(run.key).items()}
    assert {path: type for path, type in new.items() if path not in writable} == {
        "loss": "float_series",
        "v": "string",
        "s": "string_set",
    }


# requests


def some_points() -> pa.Table:
    return pa.table({"path": ["x", "x", "y"], "step": [1, 2, 1], "value": [0.5, 1.0, 2.0]})


def test_points_of_a_request_are_written_once(
    store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    for _ in range(2):
        assert afar.write_table_once(run.key, some_points(), request=ANN) == 3
    store.open_writer(run.key).log({"x": 9.0}, step=1)
    store.compact()
    assert afar.write_table_once(run.key, some_points(), request=ANN) == 3
    assert points(store, run.key, "x") == [(1.0, 9.0), (2.0, 1.0)]
    assert afar.write_table_once(run.key, some_points(), request=BOB) == 3
    assert points(store, run.key, "x") == [(1.0, 0.5), (2.0, 1.0)]


def test_a_request_that_failed_can_come_again(
    store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    writer = store.open_writer(run.key)
    writer.assign({"y": 1})
    with pytest.raises(TypeConflict):
        afar.write_table_once(run.key, some_points(), request=ANN)
    writer.delete("y")
    assert afar.write_table_once(run.key, some_points(), request=ANN) == 3


def test_cells_are_set_once(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log_events([({"n": n}, NOON) for n in range(3)])
    change = {"where": ("n", 1), "request": ANN}
    assert afar.set_events_once(run.key, "done", True, **change) == 1  # type: ignore[arg-type]
    assert store.set_events(run.key, "done", False) == 3
    assert afar.set_events_once(run.key, "done", True, **change) == 1  # type: ignore[arg-type]
    assert store.read_events("p").columns["done"] == [False, False, False]


def test_a_request_that_comes_twice_at_once(place: Place) -> None:
    stores = [taking_batches(place.open()) for _ in range(2)]
    store = place.opened[0]
    run = store.create_run(RunSpec(project="p", run_id="a"))
    answers: list[int] = []

    def write(afar: AppendsBatches) -> None:
        answers.append(afar.write_table_once(run.key, some_points(), request=ANN))

    for _ in range(5):
        threads = [threading.Thread(target=write, args=(afar,)) for afar in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [3] * 10
    assert store.get_stats(run.key, "x").count == 2
    assert store.check().ok
