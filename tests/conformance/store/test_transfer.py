"""Runs that come in whole, and the files that hold a run alone: `mooring.store.transfer`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    InvalidPath,
    InvalidStep,
    InvalidValue,
    ProjectNotFound,
    SourceUnreadable,
    StoreClosed,
    TypeConflict,
)
from mooring.model import AttributeType, FileRef, RunInfo, RunSpec, Typed
from mooring.store import Lineage, PathSelector, RunQuery, SeriesQuery, Store
from mooring.store.transfer import RunImport, SealedSeries, TransfersRuns
from mooring.wire.exporter import SCHEMA
from tests.conformance.store.conftest import BackEnd, Place

FLOAT, STRING = AttributeType.FLOAT_SERIES, AttributeType.STRING_SERIES
PROJECT = "team/digits"


def begin(store: Store, run_id: str = "in", **spec: Any) -> RunImport:
    assert isinstance(store, TransfersRuns)
    return store.import_run(RunSpec(project=PROJECT, run_id=run_id, **spec))


def floats(path: str, values: Sequence[float], first: int = 0, time: int = 1_000) -> pa.Table:
    """Return points at whole steps from `first` on."""
    steps = [(first + i) * 1_000_000 for i in range(len(values))]
    return pa.table(
        {
            "path": pa.array([path] * len(steps)).dictionary_encode(),
            "step": pa.array(steps, pa.int64()),
            "time": pa.array([time + i for i in range(len(steps))], pa.int64()),
            "value": pa.array(list(values), pa.float64()),
        }
    )


def read(
    store: Store,
    key: int,
    path: str,
    lineage: Lineage = Lineage.FULL,
    type: AttributeType = FLOAT,
) -> list[tuple[int, Any]]:
    select = PathSelector(paths=(path,), types=frozenset({type}))
    table = store.read_series([key], select, SeriesQuery(lineage=lineage))
    steps = [step // 1_000_000 for step in table["step"].to_pylist()]
    return list(zip(steps, table["value"].to_pylist(), strict=True))


def runs(store: Store) -> list[str]:
    with suppress(ProjectNotFound):
        found = store.query_runs(RunQuery(project=PROJECT, trashed=None)).runs
        return sorted(run.run_id for run in found)
    return []


# whole or not at all


def test_nothing_is_seen_before_the_commit_and_all_of_it_afterwards(store: Store) -> None:
    with begin(store, name="baseline", created=5_000_000) as incoming:
        assert incoming.write_points(FLOAT, floats("loss", [1.0, 0.5])) == 2
        incoming.set_values({"params/lr": 0.1, "tags": frozenset({"a"})})
        assert runs(store) == []
        info = incoming.commit()
    assert (info.project, info.run_id, info.created) == (PROJECT, "in", 5_000_000)
    assert runs(store) == ["in"]
    assert read(store, info.key, "loss") == [(0, 1.0), (1, 0.5)]
    assert store.get_value(info.key, "params/lr")[1] == 0.1
    assert store.get_value(info.key, "sys/name")[1] == "baseline"
    assert store.get_value(info.key, "sys/custom_run_id")[1] == "in"
    stats = store.get_stats(info.key, "loss")
    assert (stats.count, stats.sum, stats.last) == (2, 1.5, 0.5)
    assert store.check().ok


def test_leaving_without_a_commit_drops_everything(place: Place) -> None:
    store = place.open()
    store.ensure_project(PROJECT)
    before = {name for name in place.files if "segments" in name or "blobs" in name}
    with begin(store) as incoming:
        incoming.write_points(FLOAT, floats("loss", [0.5] * 10))
        incoming.set_values({"a": 1})
    with pytest.raises(InvalidPath), begin(store) as incoming:
        incoming.write_points(FLOAT, floats("sys/loss", [0.5] * 10))
    assert runs(store) == []
    assert {name for name in place.files if "segments" in name or "blobs" in name} == before
    assert store.check().ok


def test_an_import_that_is_finished_takes_no_more(store: Store) -> None:
    with begin(store) as incoming:
        incoming.commit()
        for act in (
            lambda: incoming.set_values({"a": 1}),
            lambda: incoming.write_points(FLOAT, floats("loss", [1.0])),
            lambda: incoming.do_not_inherit(["a"]),
            incoming.commit,
        ):
            with pytest.raises(StoreClosed):
                act()


def test_a_taken_id_is_refused_and_leaves_nothing(place: Place) -> None:
    store = place.open()
    store.create_run(RunSpec(project=PROJECT, run_id="in"))
    with begin(store) as incoming:
        incoming.write_points(FLOAT, floats("loss", [1.0]))
        with pytest.raises(AlreadyExists):
            incoming.commit()
    assert runs(store) == ["in"]
    assert not [name for name in place.files if "segments" in name]
    with begin(store, "other") as incoming:  # taken while it comes in
        store.create_run(RunSpec(project=PROJECT, run_id="other"))
        with pytest.raises(AlreadyExists):
            incoming.commit()
    assert store.check().ok


def test_another_object_sees_all_or_nothing(place: Place) -> None:
    store, other = place.open(), place.open()
    reader = place.open(read_only=True)
    with begin(store) as incoming:
        incoming.write_points(FLOAT, floats("loss", [1.0, 0.5]))
        incoming.set_values({"a": 1})
        assert runs(other) == runs(reader) == []
        info = incoming.commit()
    for one in (other, reader):
        assert runs(one) == ["in"]
        assert read(one, info.key, "loss") == [(0, 1.0), (1, 0.5)]
        assert one.get_value(info.key, "a")[1] == 1


def test_logging_goes_on_meanwhile_and_afterwards(store: Store) -> None:
    other = store.create_run(RunSpec(project=PROJECT, run_id="live"))
    with closing(store.open_writer(other.key)) as writer, begin(store) as incoming:
        writer.log({"loss": 1.0}, step=1)
        incoming.write_points(FLOAT, floats("loss", [9.0]))
        writer.log({"loss": 0.5}, step=2)
        info = incoming.commit()
        writer.log({"loss": 0.25}, step=3)
    with closing(store.open_writer(info.key)) as writer:
        writer.log({"loss": 8.0})  # the step after the last one
    assert read(store, other.key, "loss") == [(1, 1.0), (2, 0.5), (3, 0.25)]
    assert read(store, info.key, "loss") == [(0, 9.0), (1, 8.0)]


# identity


def test_short_ids_are_kept_where_they_are_free(store: Store) -> None:
    with begin(store, "x", sys_id="DIG-7") as incoming:
        assert incoming.commit().sys_id == "DIG-7"
    with begin(store, "y", sys_id="DIG-7") as incoming:
        replaced = incoming.commit().sys_id
    assert replaced != "DIG-7"
    with begin(store, "z") as incoming:
        assert incoming.commit().sys_id not in ("DIG-7", replaced)
    assert store.create_run(RunSpec(project=PROJECT)).sys_id not in ("DIG-7", replaced)


def test_system_attributes_come_in_and_identity_is_that_of_the_run(store: Store) -> None:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    with begin(store, sys_id="DIG-3", created=1_000_000) as incoming:
        incoming.set_values(
            {
                "sys/custom_run_id": "something else",
                "sys/id": "XXX-9",
                "sys/owner": "ada",
                "sys/tags": frozenset({"best"}),
                "sys/modification_time": moment,
                "sys/state": Typed(AttributeType.RUN_STATE, "active"),
                "sys/failed": True,
            }
        )
        info = incoming.commit()
    values = {
        path: store.get_value(info.key, path)[1]
        for path in ("sys/custom_run_id", "sys/id", "sys/owner", "sys/tags", "sys/state",
                     "sys/modification_time", "sys/failed")
    }  # fmt: skip
    assert (values["sys/custom_run_id"], values["sys/id"]) == ("in", "DIG-3")
    assert (values["sys/owner"], values["sys/tags"]) == ("ada", {"best"})
    assert values["sys/modification_time"] == moment
    assert values["sys/state"] == "inactive"  # nobody writes to it here
    assert bool(values["sys/failed"])


def test_a_run_of_the_trash_comes_in_there(store: Store) -> None:
    with begin(store) as incoming:
        incoming.set_values({"sys/trashed": True})
        info = incoming.commit()
    assert store.get_runs([info.key])[0].trashed
    assert not store.query_runs(RunQuery(project=PROJECT)).runs


def test_the_last_run_of_a_name_is_its_head(store: Store) -> None:
    for id, head in (("first", False), ("second", True)):
        with begin(store, id, name="exp") as incoming:
            incoming.set_values({"sys/name": "exp", "sys/experiment/is_head": head})
            incoming.commit()
    query = RunQuery(project=PROJECT, trashed=None)
    heads = {
        run.run_id: bool(store.get_value(run.key, "sys/experiment/is_head")[1])
        for run in store.query_runs(query).runs
    }
    assert heads == {"first": False, "second": True}


# values and points


VALUES: dict[str, Any] = {
    "int": 2**53 + 1,
    "float": -0.0,
    "text": "é\n",
    "bool": True,
    "set": frozenset({"a", "b"}),
    "time": datetime(2024, 5, 1, 0, 0, 0, 1, tzinfo=UTC),
}


def test_values_of_every_type(store: Store) -> None:
    with begin(store) as incoming:
        incoming.set_values(VALUES)
        incoming.set_values({"git": Typed(AttributeType.GIT_REF, {"commit": "abc"})})
        info = incoming.commit()
    for path, value in VALUES.items():
        found = store.get_value(info.key, path)[1]
        assert repr(found) == repr(value) or found == value
    assert store.get_value(info.key, "git")[1] == {"commit": "abc"}


def test_points_of_every_type(store: Store) -> None:
    digest, size = store.put_blob(b"x")
    files = [{"digest": digest, "size_bytes": size, "mime_type": "image/png", "name": "i.png"}]
    histograms = [{"kind": "COUNTING", "edges": [0.0, 1.0], "values": [2.0]}]
    given = {
        FLOAT: [math.nan],
        STRING: ["é"],
        AttributeType.HISTOGRAM_SERIES: histograms,
        AttributeType.FILE_SERIES: files,
    }
    with begin(store) as incoming:
        for type, values in given.items():
            table = floats(str(type), [0.0], 5)
            kind = None if type is not FLOAT else pa.float64()
            incoming.write_points(type, table.set_column(3, "value", pa.array(values, kind)))
        info = incoming.commit()
    assert isinstance(store, TransfersRuns)
    assert sorted(store.count_points(info.key)) == sorted((str(type), type, 1) for type in given)
    for type, values in given.items():
        ((step, value),) = read(store, info.key, str(type), type=type)
        assert step == 5
        if type is FLOAT:
            assert math.isnan(value)
        else:
            assert value == values[0]
    assert isinstance(store.get_stats(info.key, str(FLOAT)).count, int)


def test_at_equal_steps_the_later_row_wins_and_order_does_not_matter(store: Store) -> None:
    table = pa.concat_tables(
        [floats("b", [1.0, 2.0], 3), floats("a", [7.0], 0), floats("b", [9.0], 3)]
    )
    with begin(store) as incoming:
        incoming.write_points(FLOAT, table)
        info = incoming.commit()
    assert read(store, info.key, "b") == [(3, 9.0), (4, 2.0)]
    assert read(store, info.key, "a") == [(0, 7.0)]


BAD_POINTS = {
    "step beyond": (floats("m", [1.0], 10**12 + 1), InvalidStep),
    "time beyond": (floats("m", [1.0], time=2**62), InvalidValue),
    "below sys": (floats("sys/m", [1.0]), InvalidPath),
    "no path": (floats("", [1.0]), InvalidPath),
    "control": (floats("a\x01", [1.0]), InvalidPath),
    "no column": (floats("m", [1.0]).drop_columns(["time"]), InvalidInput),
    "null step": (
        floats("m", [1.0]).set_column(1, "step", pa.array([None], pa.int64())),
        InvalidInput,
    ),
    "text": (floats("m", [1.0]).set_column(3, "value", pa.array(["x"])), InvalidValue),
}


@pytest.mark.parametrize("what", BAD_POINTS)
def test_points_that_cannot_be(store: Store, what: str) -> None:
    table, error = BAD_POINTS[what]
    with begin(store) as incoming, pytest.raises(error):
        incoming.write_points(FLOAT, table)
    assert runs(store) == []


def test_a_path_has_one_type_and_comes_once(store: Store) -> None:
    with begin(store) as incoming:
        incoming.write_points(FLOAT, floats("m", [1.0]))
        with pytest.raises(InvalidInput, match="twice"):
            incoming.write_points(FLOAT, floats("m", [2.0], 1))
        with pytest.raises(TypeConflict):
            incoming.set_values({"m": 1})
        incoming.set_values({"v": 1})
        with pytest.raises(TypeConflict):
            incoming.write_points(FLOAT, floats("v", [1.0]))
        with pytest.raises(InvalidValue):
            incoming.set_values({"w": Typed(FLOAT, 1.0)})


# forks


def parent_of(store: Store) -> RunInfo:
    with begin(store, "parent") as incoming:
        incoming.write_points(
            FLOAT, pa.concat_tables([floats("m", [0.0, 1.0, 2.0, 3.0]), floats("only", [5.0, 6.0])])
        )
        incoming.set_values({"params/lr": 0.1})
        return incoming.commit()


def test_a_fork_inherits_and_has_points_of_its_own(store: Store) -> None:
    parent = parent_of(store)
    with begin(store, "fork", parent=parent.key, fork_step=1_000_000) as incoming:
        incoming.write_points(
            FLOAT, pa.concat_tables([floats("m", [9.0], 2), floats("new", [4.0], 2)])
        )
        info = incoming.commit()
    assert (info.parent, info.fork_step) == (parent.key, 1_000_000)
    assert read(store, info.key, "m") == [(0, 0.0), (1, 1.0), (2, 9.0)]
    assert read(store, info.key, "m", Lineage.OWN) == [(2, 9.0)]
    assert read(store, info.key, "only") == [(0, 5.0), (1, 6.0)]
    stats = store.get_stats(info.key, "m")
    assert (stats.count, stats.sum, stats.last) == (3, 10.0, 9.0)
    assert store.get_value(info.key, "sys/forking/parent")[1] == "parent"
    assert isinstance(store, TransfersRuns)
    assert store.count_points(info.key) == [("m", FLOAT, 1), ("new", FLOAT, 1)]


def test_own_points_before_the_fork_are_kept_and_hidden(store: Store) -> None:
    parent = parent_of(store)
    with begin(store, "fork", parent=parent.key, fork_step=2_000_000) as incoming:
        incoming.write_points(FLOAT, floats("m", [70.0, 80.0, 90.0, 100.0], 1))
        info = incoming.commit()
    own = read(store, info.key, "m", Lineage.OWN)
    assert [value for _, value in own][-2:] == [90.0, 100.0]
    stats = store.get_stats(info.key, "m")
    full = read(store, info.key, "m")
    assert (stats.count, stats.sum) == (len(full), sum(value for _, value in full))


def test_what_a_fork_deleted_is_not_inherited(store: Store) -> None:
    parent = parent_of(store)
    with begin(store, "fork", parent=parent.key, fork_step=1_000_000) as incoming:
        incoming.do_not_inherit(["only"])
        incoming.write_points(FLOAT, floats("m", [9.0], 2))
        info = incoming.commit()
    assert read(store, info.key, "only") == []
    assert read(store, info.key, "m")[-1] == (2, 9.0)
    assert isinstance(store, TransfersRuns)
    assert store.list_not_inherited(info.key) == ["only"]
    assert store.list_not_inherited(parent.key) == []


# files as they are


def write_part(path: Path, *, scattered: bool) -> list[SealedSeries]:
    """Write two series as the exporter does: by attribute, or by step."""
    rows = [(name, step) for name in ("a", "b") for step in range(5)]
    if scattered:
        rows.sort(key=lambda row: row[1])
        rows.remove(("b", 2))
    table = pa.table(
        [
            pa.array(values, field.type)
            for field, values in zip(
                list(SCHEMA)[:14],
                [
                    [PROJECT] * len(rows),
                    ["in"] * len(rows),
                    [name for name, _ in rows],
                    ["float_series"] * len(rows),
                    [Decimal(step) for _, step in rows],
                    [1000 + step for _, step in rows],
                    [None] * len(rows),
                    [step + (10.0 if name == "b" else 0.0) for name, step in rows],
                    *[[None] * len(rows)] * 6,
                ],
                strict=True,
            )
        ],
        schema=pa.schema(list(SCHEMA)[:14]),
    )
    pq.write_table(table, path)
    found = []
    for name in ("a", "b"):
        at = [i for i, row in enumerate(rows) if row[0] == name]
        found.append(SealedSeries(name, FLOAT, at[0], len(at), at[-1] - at[0] + 1))
    return found


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("scattered", [False, True])
@pytest.mark.parametrize("how", ["copy", "link", "refer"])
def test_a_file_is_taken_as_it_is(place: Place, tmp_path: Path, how: str, scattered: bool) -> None:
    store = place.open()
    part = tmp_path / "outside.parquet"
    series = write_part(part, scattered=scattered)
    before = part.read_bytes()
    with begin(store) as incoming:
        assert incoming.attach(part, series, digest=digest_of(part), how=how) == (
            9 if scattered else 10
        )
        incoming.write_points(FLOAT, floats("c", [1.0]))
        info = incoming.commit()
    (attached,) = (
        p for p in tmp_path.glob("runs.db-data/segments/*") if digest_of(p) == digest_of(part)
    )
    if place.back_end.here:  # else it is a copy in any case
        assert attached.is_symlink() == (how == "refer")
        assert attached.samefile(part) == (how != "copy")
    missing = {2} if scattered else set()
    assert read(store, info.key, "a") == [(i, float(i)) for i in range(5)]
    assert read(store, info.key, "b") == [(i, i + 10.0) for i in range(5) if i not in missing]
    assert store.get_stats(info.key, "b").count == 5 - len(missing)
    assert store.check().ok
    with closing(store.open_writer(info.key)) as writer:  # and it goes on as any other
        writer.log({"a": 7.0}, step=2)
    assert read(store, info.key, "a")[2] == (2, 7.0)
    store.compact()
    assert read(store, info.key, "a")[2] == (2, 7.0)
    store.delete_runs([info.key])
    store.compact()
    assert part.read_bytes() == before


def test_a_file_that_is_not_as_told_is_refused_and_its_series_can_come_otherwise(
    place: Place, tmp_path: Path
) -> None:
    store = place.open()
    part = tmp_path / "outside.parquet"
    series = write_part(part, scattered=False)
    wrong = [
        [SealedSeries("a", FLOAT, 0, 7, 7)],  # goes on into another series: steps fall
        [SealedSeries("a", FLOAT, 0, 3, 5)],
        [SealedSeries("a", FLOAT, 8, 5, 5)],
        [SealedSeries("a", STRING, 0, 5, 5)],
    ]
    with begin(store) as incoming:
        for lie in wrong:
            with pytest.raises((SourceUnreadable, TypeConflict)):
                incoming.attach(part, lie, digest=digest_of(part), how="copy")
        with pytest.raises(InvalidInput):
            incoming.attach(part, series, digest=digest_of(part), how="steal")
        garbage = tmp_path / "garbage.parquet"
        garbage.write_bytes(b"PAR1 no parquet PAR1")
        with pytest.raises(SourceUnreadable):
            incoming.attach(garbage, series, digest=digest_of(garbage), how="copy")
        assert not [name for name in place.files if "segments" in name]
        incoming.write_points(FLOAT, floats("a", [1.0, 2.0]))
        info = incoming.commit()
    assert read(store, info.key, "a") == [(0, 1.0), (1, 2.0)]
    assert store.get_stats(info.key, "a").count == 2
    assert store.check().ok


def test_an_aborted_import_removes_what_it_attached_and_nothing_else(
    place: Place, tmp_path: Path
) -> None:
    store = place.open()
    part = tmp_path / "outside.parquet"
    series = write_part(part, scattered=False)
    for how in ("copy", "link", "refer"):
        with begin(store) as incoming:
            incoming.attach(part, series, digest=digest_of(part), how=how)
    assert part.exists()
    assert not [name for name in place.files if "segments" in name]


# what a store gives away


@pytest.fixture
def sealed(place: Place) -> tuple[Store, RunInfo]:
    store = place.open()
    info = store.create_run(RunSpec(project=PROJECT, run_id="a"))
    with closing(store.open_writer(info.key)) as writer:
        for step in range(20):
            writer.log({"x": step * 0.5, "t": f"at {step}"}, step=step)
    store.compact()
    return store, info


def test_a_run_alone_in_its_segments_is_listed(
    sealed: tuple[Store, RunInfo], back_end: BackEnd
) -> None:
    store, info = sealed
    assert isinstance(store, TransfersRuns)
    files = store.list_sealed(info.key)
    if not back_end.here:
        assert files is None
        return
    assert files is not None
    (file,) = files
    assert (file.rows, file.size_bytes) == (40, file.file.stat().st_size)
    assert file.digest == digest_of(file.file)
    assert {(one.path, one.type, one.count) for one in file.series} == {
        ("x", FLOAT, 20), ("t", STRING, 20)
    }  # fmt: skip


def _logs_more(store: Store, info: RunInfo) -> None:
    with closing(store.open_writer(info.key)) as writer:
        writer.log({"x": 1.0}, step=100)


def _twice(store: Store, info: RunInfo) -> None:
    _logs_more(store, info)
    with closing(store.open_writer(info.key)) as writer:
        writer.log({"x": 2.0}, step=3)


def _deletes(store: Store, info: RunInfo) -> None:
    with closing(store.open_writer(info.key)) as writer:
        writer.delete("t")


def _files(store: Store, info: RunInfo) -> None:
    digest, size = store.put_blob(b"x")
    with closing(store.open_writer(info.key)) as writer:
        writer.log({"img": FileRef(digest, size, "", "i")}, step=1)
    store.compact()


def _rows(store: Store, info: RunInfo) -> None:
    with closing(store.open_writer(info.key)) as writer:
        writer.log_event({"row": 1.0})
    store.compact(events=True)


@pytest.mark.parametrize("act", [_logs_more, _twice, _deletes, _files, _rows])
def test_a_run_with_points_elsewhere_is_not_listed(sealed: tuple[Store, RunInfo], act: Any) -> None:
    store, info = sealed
    act(store, info)
    assert isinstance(store, TransfersRuns)
    assert store.list_sealed(info.key) is None


def test_runs_that_share_a_segment_are_not_listed(store: Store) -> None:
    keys = []
    for id in "ab":
        info = store.create_run(RunSpec(project=PROJECT, run_id=id))
        with closing(store.open_writer(info.key)) as writer:
            for step in range(5):
                writer.log({"x": 1.0}, step=step)
        keys.append(info.key)
    store.compact()
    assert isinstance(store, TransfersRuns)
    assert [store.list_sealed(key) for key in keys] == [None, None]


def test_rows_of_a_table_go_out_and_come_in(store: Store) -> None:
    info = store.create_run(RunSpec(project=PROJECT, run_id="a"))
    given: list[dict[str, Any]] = [
        {"acc": 0.5, "note": "é", "n": 2**53 + 1},
        {"acc": math.nan, "ok": True},
        {"acc": 1, "note": None, "raw": "x"},
    ]
    with closing(store.open_writer(info.key)) as writer:
        for row in given:
            writer.log_event(row)
    assert isinstance(store, TransfersRuns)
    rows = store.read_rows(info.key)
    assert rows is not None
    with begin(store, "copy") as incoming:
        assert incoming.write_rows(rows) == 3
        copy = incoming.commit()
    again = store.read_rows(copy.key)
    assert again is not None
    names = [name for name in rows.column_names if name != "mooring:sequence"]
    assert repr(rows.select(names).to_pylist()) == repr(again.select(names).to_pylist())
    assert read(store, copy.key, "acc")[0] == (0, 0.5)
    ours, theirs = (store.read_events(PROJECT, [key]).columns for key in (info.key, copy.key))
    for name in ("acc", "note", "n", "ok", "raw"):
        assert repr(ours[name]) == repr(theirs[name])
    assert store.read_rows(store.create_run(RunSpec(project=PROJECT)).key) is None


def test_previews_go_out_and_come_in(store: Store) -> None:
    info = store.create_run(RunSpec(project=PROJECT, run_id="a"))
    with closing(store.open_writer(info.key)) as writer:
        writer.log({"soon": 0.5}, step=1, preview_completion=0.25)
        writer.log({"soon": math.inf}, step=2, preview_completion=0.5)
    assert isinstance(store, TransfersRuns)
    store.list_attributes(None, PathSelector(paths=()))
    previews = store.read_previews(info.key)
    assert previews is not None
    with begin(store, "copy") as incoming:
        assert incoming.write_previews(previews) == 2
        copy = incoming.commit()
    store.list_attributes(None, PathSelector(paths=()))
    again = store.read_previews(copy.key)
    assert again is not None
    assert again.to_pylist() == previews.to_pylist()
    assert store.read_previews(store.create_run(RunSpec(project=PROJECT)).key) is None


def test_an_import_of_a_name_is_entered_once(store: Store) -> None:
    assert isinstance(store, TransfersRuns)
    spec = RunSpec(project=PROJECT, run_id="once")
    runs = []
    for value in (1.0, 2.0):  # as if the answer to the first one had got lost
        with store.import_run(spec, request="a" * 32) as incoming:
            incoming.write_points(FLOAT, floats("x", [value]))
            runs.append(incoming.commit())
    assert runs[0] == runs[1]
    assert read(store, runs[0].key, "x") == [(0, 1.0)]
    with store.import_run(spec, request="b" * 32) as incoming, pytest.raises(AlreadyExists):
        incoming.commit()
    other = RunSpec(project=PROJECT, run_id="other")
    with (
        store.import_run(other, request="a" * 32) as incoming,
        pytest.raises(InvalidInput, match="was another one"),
    ):
        incoming.commit()
    assert store.find_run(PROJECT, run_id="other") is None
    assert store.check().ok
