"""Exports that are damaged or foreign: what cannot be read is told, and the rest comes in."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mooring import File, Run
from mooring.exchange import export_runs
from mooring.exchange.moving import MISSING
from mooring.exchange.reports import Outcome
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.summary import summarize
from mooring.model import AttributeType
from mooring.store import RunWriter, Store, open_store
from mooring.wire.exporter.manifest import sign_manifest
from tests.unit.exchange.parquet.exporter_files import (
    NOON,
    PROJECT,
    SCHEMA,
    export_run,
    identity,
    make_table,
    points,
    row,
    sanitized,
    write_part,
)
from tests.unit.exchange.parquet.importing import (
    bring_in,
    missing_of,
    outcomes,
    points_of,
    told,
    values_of,
)

Damage = Callable[[Path], None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "runs.db") as opened:
        yield opened


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Run `a`, in two parts, with a file; and run `b`, which nothing happens to."""
    folder = tmp_path / "exports"
    first = [
        [*identity("a"), row("params/lr", "float", 0.5), row("model", "file", "a/model.bin")],
        points("loss", [3.0, 2.0, 1.0]),
    ]
    second = [points("accuracy", [0.1, 0.2]), points("log", ["x", "y"], "string_series")]
    export_run(folder, "a", first, second, files={"a/model.bin": b"weights"})
    export_run(folder, "b", [[*identity("b"), row("params/lr", "float", 0.25)]])
    return folder


def part(folder: Path, number: int, run: str = "a") -> Path:
    return folder / "data" / sanitized(PROJECT) / f"{sanitized(run)}_part_{number}.parquet"


def assert_told(report: Any, *words: str) -> None:
    text = told(report)
    for word in words:
        assert word in text, text


def assert_completed_by(
    store: Store, damaged: Path, repaired: Path, *, words: tuple[str, ...] = ()
) -> None:
    """What is damaged comes in marked, stays so, and is completed from the repaired export."""
    report = bring_in(damaged, store)
    assert not report.is_complete
    assert outcomes(report)["a"] is Outcome.PARTLY, told(report)
    assert outcomes(report)["b"] is Outcome.DONE
    assert_told(report, *words)
    assert missing_of(store, "a")
    again = bring_in(damaged, store)
    assert not again.is_complete, told(again)
    assert outcomes(again)["a"] is not Outcome.DONE
    whole = bring_in(repaired, store)
    assert whole.is_complete, told(whole)
    assert outcomes(whole) == {"a": Outcome.DONE, "b": Outcome.PRESENT}
    assert missing_of(store, "a") == frozenset()
    assert outcomes(bring_in(repaired, store))["a"] is Outcome.PRESENT
    assert store.check().ok


# parts


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _garble(path: Path) -> None:
    path.write_bytes(b"\x00garbage" * 200)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncate, _garble, _empty, Path.unlink])
def test_a_later_part_is_lost(exports: Path, store: Store, damage: Damage, tmp_path: Path) -> None:
    whole = shutil.copytree(exports, tmp_path / "whole")
    if damage is Path.unlink:  # else nothing tells that there was a part 1
        export_run(whole, "a", *[[identity("a")]], [points("more", [1.0])], [points("last", [1.0])])
        shutil.rmtree(exports)
        shutil.copytree(whole, exports)
    damage(part(exports, 1))
    assert_completed_by(
        store,
        exports,
        whole,
        words=("part 1", "'a'")
        if damage is Path.unlink
        else (part(exports, 1).name, "cannot be read"),
    )


@pytest.mark.parametrize("damage", [_truncate, _garble, _empty, Path.unlink])
def test_part_0_is_lost(exports: Path, store: Store, damage: Damage) -> None:
    damage(part(exports, 0))
    report = bring_in(exports, store)
    assert not report.is_complete
    assert outcomes(report)["b"] is Outcome.DONE
    assert_told(report, sanitized("a"))
    if damage is Path.unlink:  # the export was never finished: no reader takes it for a run
        assert "a" not in outcomes(report)
    else:
        assert outcomes(report)["a"] is Outcome.PARTLY
        assert points_of(store, "a", "accuracy") == [(0, 0.1), (1, 0.2)]
        assert missing_of(store, "a")


@pytest.mark.parametrize("damage", [_truncate, _garble])
def test_opened_in_place_it_tells_the_same(exports: Path, damage: Damage) -> None:
    damage(part(exports, 1))
    with open_store(exports) as store:
        check = store.check()
        assert not check.ok
        assert any(part(exports, 1).name in one.what for one in check.findings)
        assert values_of(store, "a")["params/lr"] == 0.5
        assert points_of(store, "a", "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]


def test_a_summary_tells_what_is_incomplete(exports: Path) -> None:
    _truncate(part(exports, 1))
    found = summarize(ParquetSource(exports))
    assert [one.what for one in found.incomplete] == ["run 'a' of team/digits"]
    assert found.projects[0].incomplete == 1
    assert found.projects[0].runs == 2


def test_a_page_that_cannot_be_read_costs_its_row_group_only(
    exports: Path, store: Store, tmp_path: Path
) -> None:
    whole = shutil.copytree(exports, tmp_path / "whole")
    damaged = part(exports, 0)
    _break_column(damaged, group=1, column="float_value")
    assert_completed_by(store, exports, whole, words=("loss",))
    shutil.rmtree(exports)
    shutil.copytree(whole, exports)
    _break_column(damaged, group=0, column="float_value")
    with open_store(tmp_path / "other.db") as other:
        report = bring_in(exports, other)
        assert outcomes(report) == {"a": Outcome.PARTLY, "b": Outcome.DONE}, told(report)
        assert_told(report, damaged.name)
        assert points_of(other, "a", "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
        assert missing_of(other, "a")


def _break_column(path: Path, *, group: int, column: str) -> None:
    """Overwrite the pages of a column with what is no page."""
    metadata = pq.read_metadata(path)
    at = metadata.schema.names.index(column)
    chunk = metadata.row_group(group).column(at)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)


@pytest.mark.parametrize("group", [0, 1])
def test_texts_that_are_no_utf_8(exports: Path, store: Store, group: int) -> None:
    said = "0123456789 this is said"
    rows = [[*identity("c"), row("said", "string", said), row("fine", "int", 3)]]
    rows.append(points("log", [said], "string_series") + points("m", [1.0]))
    (path,) = export_run(exports, "c", rows)
    data = path.read_bytes()
    places = [at for at in range(len(data)) if data.startswith(said[4:].encode(), at)]
    start = pq.read_metadata(path).row_group(1).column(0).file_offset or 0
    first = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset or start
    changed = bytearray(data)
    for at in places:
        if (at >= first) == bool(group) and at < len(data) - 4_000:
            changed[at + 3] = 0xFF
    path.write_bytes(changed)
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.PARTLY, told(report)
    assert values_of(store, "c")["fine"] == 3
    assert points_of(store, "c", "m") == [(0, 1.0)]
    assert missing_of(store, "c") >= ({"log"} if group else {"said"})
    with open_store(exports) as in_place:
        assert values_of(in_place, "c")["fine"] == 3


# foreign files


def test_parquet_that_is_no_export(exports: Path, store: Store) -> None:
    foreign = exports / "data" / sanitized(PROJECT) / "table_part_0.parquet"
    pq.write_table(pa.table({"x": [1, 2]}), foreign)
    report = bring_in(exports, store)
    assert outcomes(report) == {"a": Outcome.DONE, "b": Outcome.DONE}
    assert not report.is_complete
    assert_told(report, str(foreign), "lacks the column 'attribute_path'")


@pytest.mark.parametrize(
    ("column", "type", "value"),
    [
        ("attribute_path", pa.int64(), 1),
        ("step", pa.string(), "one"),
        ("timestamp", pa.string(), "noon"),
        ("float_value", pa.string(), "half"),
        ("int_value", pa.float64(), 1.5),
        ("string_value", pa.binary(), b"\xff\xfe"),
        ("bool_value", pa.string(), "yes"),
        ("datetime_value", pa.int64(), 5),
        ("string_set_value", pa.string(), "a"),
        ("string_set_value", pa.list_(pa.int64()), [1]),
        ("file_value", pa.string(), "x"),
        ("file_value", pa.struct([("place", pa.string())]), {"place": "x"}),
        ("file_value", pa.struct([("path", pa.int64())]), {"path": 1}),
        ("histogram_value", pa.struct([("edges", pa.list_(pa.float64()))]), {"edges": [1.0]}),
        (
            "histogram_value",
            pa.struct([("type", pa.string()), ("edges", pa.string()), ("values", pa.string())]),
            {"type": "x", "edges": "y", "values": "z"},
        ),
    ],
)
def test_a_column_of_another_type(
    exports: Path, store: Store, column: str, type: pa.DataType, value: object
) -> None:
    at = SCHEMA.get_field_index(column)
    schema = SCHEMA.set(at, pa.field(column, type))
    kinds = {name: kind for kind, name in reversed(list(_VALUE_OF.items()))}
    cells: dict[str, Any] = {"attribute_path": "p", "attribute_type": kinds.get(column, "int")}
    if column == "histogram_value":
        cells |= {"step": Decimal(1), "timestamp": NOON}
    rows = [{**cells, column: value}, {**cells, column: value}]
    foreign = part(exports, 0, "c")
    write_part(foreign, [make_table(rows, run="c", schema=schema)])
    report = bring_in(exports, store)
    assert outcomes(report)["a"] is outcomes(report)["b"] is Outcome.DONE
    assert not report.is_complete
    assert_told(report, foreign.name, column)
    with open_store(exports) as in_place:
        assert not in_place.check().ok
        assert points_of(in_place, "a", "loss")


_VALUE_OF = {
    "string": "string_value",
    "float": "float_value",
    "int": "int_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
    "file": "file_value",
    "histogram_series": "histogram_value",
}


def test_an_unknown_type_of_attribute(exports: Path, store: Store) -> None:
    rows = [*identity("c"), row("odd", "tensor", "1"), row("none", None, "2"), row(None, "int", 1)]
    rows += points("odder", ["1"], "tensor_series")
    export_run(exports, "c", [rows])
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.PARTLY
    assert_told(report, "odd", "'tensor'", "odder", part(exports, 0, "c").name)
    assert {"odd", "odder"} <= missing_of(store, "c")


def test_folders_that_only_look_like_parts(exports: Path, store: Store) -> None:
    (exports / "data" / sanitized(PROJECT) / "x_part_0.parquet").mkdir()
    (exports / "data" / "notes.txt").write_text("loose files are ignored")
    report = bring_in(exports, store)
    assert outcomes(report) == {"a": Outcome.DONE, "b": Outcome.DONE}


# files


def test_a_file_is_missing(exports: Path, store: Store, tmp_path: Path) -> None:
    whole = shutil.copytree(exports, tmp_path / "whole")
    (exports / "files" / sanitized(PROJECT) / "a/model.bin").unlink()
    assert_completed_by(store, exports, whole, words=("model", "a/model.bin is missing"))


def test_all_files_are_missing(exports: Path, store: Store, tmp_path: Path) -> None:
    whole = shutil.copytree(exports, tmp_path / "whole")
    shutil.rmtree(exports / "files")
    assert_completed_by(store, exports, whole, words=("model", "a/model.bin is missing"))


def test_a_file_of_a_series_is_missing(exports: Path, store: Store, tmp_path: Path) -> None:
    rows = points("img", ["a/0.png", "a/1.png"], "file_series")
    whole = tmp_path / "whole"
    for folder in (exports, whole):
        files = {"a/0.png": b"0", "a/1.png": b"1"}
        export_run(folder, "a", [identity("a"), rows], files=files)
        export_run(folder, "b", [[*identity("b"), row("params/lr", "float", 0.25)]])
    part(exports, 1).unlink()
    (exports / "files" / sanitized(PROJECT) / "a/1.png").unlink()
    assert_completed_by(store, exports, whole, words=("img", "a/1.png is missing"))


@pytest.mark.parametrize(
    "place",
    ["../../secret", "/etc/hostname", "a/../../../secret", "link/secret", "..", "a\x00b",
     "n" * 5000, "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "", "a"],
)  # fmt: skip
def test_a_file_path_cannot_lead_out_of_the_folder(exports: Path, store: Store, place: str) -> None:
    root = exports / "files" / sanitized(PROJECT)
    (exports / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(exports)
    rows = [*identity("c"), row("ok", "int", 1)]
    rows += [row("out", "file", place), row("set", "file_set", place)]
    rows += points("img", [place], "file_series")
    export_run(exports, "c", [rows])
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.PARTLY, told(report)
    assert not report.is_complete
    found = values_of(store, "c")
    assert found["ok"] == 1
    assert "out" not in found
    assert "out" in missing_of(store, "c")
    source = StoreSource(store)
    for digest in store.list_blobs() if hasattr(store, "list_blobs") else []:
        with store.open_blob(digest) as stream:
            assert stream.read() != b"secret"
    with open_store(exports) as in_place:
        assert values_of(in_place, "c")["ok"] == 1
        assert "out" not in values_of(in_place, "c")
    source.close()


# values, steps, times


def test_duplicate_steps_are_told_and_the_later_one_stays(exports: Path, store: Store) -> None:
    rows = points("m", [1.0, 2.0]) + points("m", [9.0], first=1)
    export_run(exports, "c", [identity("c"), rows])
    report = bring_in(exports, store)
    assert points_of(store, "c", "m") == [(0, 1.0), (1, 9.0)]
    assert_told(report, "m", "1 points at the step of a later one")
    assert outcomes(report)["c"] is Outcome.PARTLY


def test_points_without_a_step_are_told(exports: Path, store: Store) -> None:
    rows = [*points("m", [1.0, 2.0]), row("m", "float_series", 7.0, timestamp=NOON)]
    export_run(exports, "c", [identity("c"), rows])
    report = bring_in(exports, store)
    assert points_of(store, "c", "m") == [(0, 1.0), (1, 2.0)]
    assert_told(report, "m", "1 points have no step", part(exports, 0, "c").name)
    assert missing_of(store, "c") == {"m"}


def test_nan_and_infinity(exports: Path, store: Store) -> None:
    rows = points("m", [1.0, None, math.nan, math.inf, -math.inf])
    rows[1] |= {"float_value": None}
    values = [row("p", "float", math.inf), row("q", "float", math.nan), row("r", "float")]
    export_run(exports, "c", [identity("c") + values, rows])
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.DONE, told(report)
    assert repr([value for _, value in points_of(store, "c", "m")]) == "[1.0, nan, nan, inf, -inf]"
    found = values_of(store, "c")
    assert (found["p"], repr(found["q"]), "r" in found) == (math.inf, "nan", False)


def test_a_path_of_two_types(exports: Path, store: Store) -> None:
    both = [row("x", "int", 1), row("x", "string", "one"), row("y", "int", 2)]
    series = points("y", [1.0, 2.0]) + points("z", [1.0]) + points("z", ["t"], "string_series")
    export_run(exports, "c", [identity("c") + both + [row("fine", "int", 3)], series])
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.PARTLY, told(report)
    assert values_of(store, "c")["fine"] == 3
    assert {"x", "y", "z"} <= missing_of(store, "c"), told(report)
    assert_told(report, part(exports, 0, "c").name)


BEYOND = [10.0**12 + 1, -(10.0**13), 1e300, math.nan, math.inf]


@pytest.mark.parametrize("step", BEYOND)
def test_steps_beyond_the_limits(exports: Path, store: Store, step: float) -> None:
    schema = SCHEMA.set(4, pa.field("step", pa.float64()))
    rows = [
        {**one, "step": None if (s := one.get("step")) is None else float(s)}
        for one in [*identity("c"), *points("m", [1.0, 2.0]), *points("n", [5.0])]
    ]
    rows.append({**points("m", [9.0])[0], "step": step})
    write_part(part(exports, 0, "c"), [make_table(rows, run="c", schema=schema)])
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.PARTLY, told(report)
    assert points_of(store, "c", "m") == [(0, 1.0), (1, 2.0)]
    assert points_of(store, "c", "n") == [(0, 5.0)]
    assert missing_of(store, "c") == {"m"}


@pytest.mark.parametrize("digits", ["1000000000001", "99999999999999999999"])
def test_decimal_steps_beyond_the_limits(exports: Path, store: Store, digits: str) -> None:
    schema = SCHEMA.set(4, pa.field("step", pa.decimal128(38, 10)))
    rows = [*identity("c"), *points("m", [1.0, 2.0])]
    rows.append({**points("m", [9.0])[0], "step": Decimal(digits)})
    write_part(part(exports, 0, "c"), [make_table(rows, run="c", schema=schema)])
    report = bring_in(exports, store)
    assert points_of(store, "c", "m") == [(0, 1.0), (1, 2.0)]
    assert missing_of(store, "c") == {"m"}, told(report)


@pytest.mark.parametrize("millis", [2**62, -(2**62), 253_402_300_800_000])
def test_times_beyond_the_years(exports: Path, store: Store, millis: int) -> None:
    late = pa.array([millis], pa.int64()).view(pa.timestamp("ms", "UTC"))
    rows = [*identity("c"), *points("m", [1.0, 2.0]), *points("n", [5.0])]
    table = make_table(rows, run="c")
    for column, place in (("timestamp", 3), ("datetime_value", 2)):
        at = table.schema.get_field_index(column)
        old = table[column].combine_chunks()
        new = pa.concat_arrays([old.slice(0, place), late, old.slice(place + 1)])
        table = table.set_column(at, column, new)
    write_part(part(exports, 0, "c"), [table])
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.PARTLY, told(report)
    assert points_of(store, "c", "n") == [(0, 5.0)]
    assert {"m", "sys/creation_time"} <= missing_of(store, "c")
    with open_store(exports) as in_place:
        assert points_of(in_place, "c", "n") == [(0, 5.0)]


# names


@pytest.mark.parametrize("project", ["a/b/c", "", "/", "a/", "bad\nname/x"])
def test_a_project_id_that_is_no_project(exports: Path, store: Store, project: str) -> None:
    export_run(exports, "c", [identity("c")], project=project)
    report = bring_in(exports, store)
    assert not report.is_complete
    assert outcomes(report)["a"] is outcomes(report)["b"] is Outcome.DONE
    assert outcomes(report).get("c", Outcome.FAILED) is Outcome.FAILED
    assert_told(report, "c", repr(project)[:20])
    with open_store(exports) as in_place:
        assert not in_place.check().ok
        assert points_of(in_place, "a", "loss")


@pytest.mark.parametrize("run", ["", " ", "bad\nname", "n" * 800])
def test_a_run_id_that_is_none(exports: Path, store: Store, run: str) -> None:
    folder = exports / "data" / sanitized(PROJECT)
    write_part(folder / "odd-0123456789abcdef_part_0.parquet", [make_table(identity(run), run=run)])
    report = bring_in(exports, store)
    assert outcomes(report)["a"] is outcomes(report)["b"] is Outcome.DONE
    assert outcomes(report).get(run, Outcome.FAILED) is Outcome.FAILED
    assert not report.is_complete
    with open_store(exports) as in_place:
        assert not in_place.check().ok
        assert points_of(in_place, "a", "loss")


@pytest.mark.parametrize("path", ["", "bad\x01path", "n" * 2000, "sys/series"])
def test_an_attribute_path_that_is_none(exports: Path, store: Store, path: str) -> None:
    rows = [*identity("c"), row("fine", "int", 3)]
    if path != "sys/series":
        rows.append(row(path, "int", 1))
    rows += points("m", [1.0]) + points(path if path == "sys/series" else f"{path}\x02", [1.0])
    export_run(exports, "c", [rows])
    report = bring_in(exports, store)
    assert outcomes(report)["c"] is Outcome.PARTLY, told(report)
    assert values_of(store, "c")["fine"] == 3
    assert points_of(store, "c", "m") == [(0, 1.0)]
    with open_store(exports) as in_place:
        assert values_of(in_place, "c")["fine"] == 3
        assert points_of(in_place, "c", "m") == [(0, 1.0)]


def test_rows_of_no_run(exports: Path, store: Store) -> None:
    folder = exports / "data" / sanitized(PROJECT)
    write_part(folder / "odd_part_0.parquet", [make_table(identity("x"), run=None)])
    report = bring_in(exports, store)
    assert outcomes(report) == {"a": Outcome.DONE, "b": Outcome.DONE}
    assert_told(report, "odd_part_0.parquet", "without a project or run")


@pytest.mark.parametrize("step", [math.nan, math.inf, 1e20])
def test_a_fork_step_that_is_no_step(exports: Path, store: Store, step: float) -> None:
    rows = [row("sys/forking/parent", "string", "a"), row("sys/forking/step", "float", step)]
    export_run(exports, "c", [identity("c") + rows, points("m", [1.0])])
    report = bring_in(exports, store)
    assert {"a", "b"} <= {id for id, one in outcomes(report).items() if one is Outcome.DONE}
    assert "c" in outcomes(report)


def test_forks_in_a_circle_and_of_themselves(exports: Path, store: Store) -> None:
    for run, parent in (("c", "d"), ("d", "c"), ("e", "e")):
        rows = [row("sys/forking/parent", "string", parent), row("sys/forking/step", "float", 1.0)]
        export_run(exports, run, [identity(run) + rows, points("m", [1.0])])
    report = bring_in(exports, store)
    assert len(outcomes(report)) == 5
    assert not report.is_complete
    assert points_of(store, "e", "m") == [(0, 1.0)]
    assert_told(report, "sys/forking/parent")
    with open_store(exports) as in_place:
        assert not in_place.check().ok


def test_a_run_that_is_completed_keeps_its_forks(
    exports: Path, store: Store, tmp_path: Path
) -> None:
    for run, parent in (("c", "a"), ("d", "c")):
        rows = [row("sys/forking/parent", "string", parent), row("sys/forking/step", "float", 1.0)]
        export_run(exports, run, [identity(run) + rows, points("loss", [0.5], first=2)])
    whole = shutil.copytree(exports, tmp_path / "whole")
    _truncate(part(exports, 1))
    assert outcomes(bring_in(exports, store))["d"] is Outcome.DONE
    report = bring_in(whole, store)
    assert report.is_complete, told(report)
    assert outcomes(report) == {
        "a": Outcome.DONE, "b": Outcome.PRESENT, "c": Outcome.DONE, "d": Outcome.DONE
    }  # fmt: skip
    (child,) = (run for run in StoreSource(store).list_runs(PROJECT) if run.run_id == "d")
    assert (child.parent, child.fork_step) == ("c", 1_000_000)
    stats = store.get_stats(child.handle, "accuracy")  # type: ignore[arg-type]
    assert stats.count == 2  # inherited over two forks, of the part that was lost
    assert bring_in(whole, store).count(Outcome.PRESENT) == 4


def test_a_run_whose_fork_went_on_is_not_completed(
    exports: Path, store: Store, tmp_path: Path
) -> None:
    rows = [row("sys/forking/parent", "string", "a"), row("sys/forking/step", "float", 1.0)]
    export_run(exports, "c", [identity("c") + rows, points("loss", [0.5], first=2)])
    whole = shutil.copytree(exports, tmp_path / "whole")
    _truncate(part(exports, 1))
    bring_in(exports, store)
    (child,) = (run for run in StoreSource(store).list_runs(PROJECT) if run.run_id == "c")
    with closing(store.open_writer(child.handle)) as writer:  # type: ignore[arg-type]
        writer.log({"loss": 0.25}, step=5)
    report = bring_in(whole, store)
    assert outcomes(report)["a"] is Outcome.CONFLICT
    assert_told(report, "'c', which inherits from it")
    assert points_of(store, "c", "loss") == [(2, 0.5), (5, 0.25)]


def _log_a_point(writer: RunWriter) -> None:
    writer.log({"accuracy": 0.75}, step=9)  # a series of the part that was lost


def _add_a_tag(writer: RunWriter) -> None:
    writer.change_set("sys/tags", add=["mine"])


def _describe(writer: RunWriter) -> None:
    writer.assign({"sys/description": "mine"})


@pytest.mark.parametrize("go_on", [_log_a_point, _add_a_tag, _describe])
def test_a_run_that_somebody_went_on_with_is_not_replaced(
    exports: Path, store: Store, tmp_path: Path, go_on: Callable[[RunWriter], None]
) -> None:
    whole = shutil.copytree(exports, tmp_path / "whole")
    _truncate(part(exports, 1))
    bring_in(exports, store)
    (run,) = (run for run in StoreSource(store).list_runs(PROJECT) if run.run_id == "a")
    with closing(store.open_writer(run.handle)) as writer:  # type: ignore[arg-type]
        go_on(writer)
    before = (values_of(store, "a"), points_of(store, "a", "accuracy"))
    report = bring_in(whole, store)
    assert outcomes(report)["a"] is Outcome.CONFLICT, told(report)
    assert (values_of(store, "a"), points_of(store, "a", "accuracy")) == before


# our own exports, whose manifest knows better


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """The same two runs, exported by Mooring; `a` has rows of a table too."""
    address = tmp_path / "ours.db"
    for id in "ab":
        with Run(PROJECT, store=str(address), run_id=id, on_error="raise") as run:
            run["params/lr"] = 0.5
            if id == "a":
                run["model"] = File(b"weights", mime_type="application/octet-stream")
                for step, value in enumerate([3.0, 2.0, 1.0]):
                    run.log({"loss": value, "log": "x"}, step=step)
    with open_store(address) as store:
        report = export_runs(StoreSource(store), tmp_path / "out")
    assert report.is_complete
    return tmp_path / "out"


def manifest(folder: Path, run: str = "a") -> Path:
    return folder / "data" / sanitized(PROJECT) / ".mooring" / f"{sanitized(run)}.json"


def write_manifest(folder: Path, record: dict[str, Any]) -> None:
    """Write a manifest of run `a` that is signed as ours are."""
    record.pop("checksum", None)
    manifest(folder).write_bytes(sign_manifest(json.dumps(record).encode()))


def _flip(path: Path, at: int = 60) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_one_bit_of_a_part_is_flipped(ours: Path, store: Store, tmp_path: Path) -> None:
    whole = shutil.copytree(ours, tmp_path / "whole")
    _flip(part(ours, 0))
    assert_completed_by(
        store, ours, whole, words=(part(ours, 0).name, "is not the file that its manifest tells of")
    )
    with open_store(ours) as in_place:
        assert not in_place.check().ok


def test_one_bit_of_a_file_is_flipped(ours: Path, store: Store, tmp_path: Path) -> None:
    whole = shutil.copytree(ours, tmp_path / "whole")
    (file,) = (ours / "files").rglob("*.bin")
    _flip(file, 1)
    assert_completed_by(store, ours, whole, words=("model", "digest"))


def test_a_part_that_the_manifest_names_is_missing(
    ours: Path, store: Store, tmp_path: Path
) -> None:
    record = json.loads(manifest(ours).read_bytes())
    record["parts"].append([f"{sanitized('a')}_part_1.parquet", 5, 100, "0" * 64])
    write_manifest(ours, record)
    report = bring_in(ours, store)
    assert outcomes(report) == {"a": Outcome.PARTLY, "b": Outcome.DONE}
    assert_told(report, "part_1.parquet is missing")
    assert missing_of(store, "a")
    assert not bring_in(ours, store).is_complete


def test_a_manifest_that_was_cut(ours: Path, store: Store) -> None:
    manifest(ours).write_bytes(manifest(ours).read_bytes()[:-20])
    report = bring_in(ours, store)
    assert_told(report, manifest(ours).name, "no manifest")
    assert not report.is_complete
    assert points_of(store, "a", "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]


def test_one_bit_of_a_manifest_is_flipped(ours: Path, store: Store) -> None:
    data = manifest(ours).read_bytes()
    for number, at in enumerate(range(1, len(data), len(data) // 8)):
        changed = bytearray(data)
        changed[at] ^= 1
        manifest(ours).write_bytes(changed)
        report = bring_in(ours, store, project=f"local/flip-{number}")
        assert not report.is_complete, at
        assert_told(report, manifest(ours).name)


def test_a_manifest_of_the_future(ours: Path, store: Store) -> None:
    record = json.loads(manifest(ours).read_bytes())
    write_manifest(ours, {**record, "format": 99})
    report = bring_in(ours, store)
    assert_told(report, "format 99", "Upgrade Mooring")
    assert not report.is_complete


def test_a_manifest_of_another_run_is_not_believed(ours: Path, store: Store) -> None:
    shutil.copy(manifest(ours, "b"), manifest(ours, "a"))
    report = bring_in(ours, store)
    assert_told(report, "not believed", "'a'", "'b'")
    assert points_of(store, "a", "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert not report.is_complete


def test_a_manifest_that_lies_about_series(ours: Path, tmp_path: Path) -> None:
    record = json.loads(manifest(ours).read_bytes())
    lies: list[list[Any]] = [
        ["loss", "float_series", 0, 10**9, 3],
        ["loss", "float_series", 0, -5, 3],
        ["loss", "float_series", 0, 0, 1],
        ["loss", "float_series", 7, 0, 3],
        ["loss", "float_series", -1, 0, 3],
        ["loss", "string_series", 0, 0, 3],
        ["nothing", "float_series", 0, 0, 3],
        ["loss", "float_series", 0, "0", 3],
        ["loss", "float", 0, 0, 3],
    ]
    for number, lie in enumerate(lies):
        write_manifest(ours, {**record, "series": [lie]})
        with open_store(tmp_path / f"lie-{number}.db") as store:
            report = bring_in(ours, store)
            assert outcomes(report)["b"] is Outcome.DONE
            if outcomes(report)["a"] is Outcome.DONE and lie[0] == "loss":
                assert points_of(store, "a", "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)], lie
            assert store.check().ok
        with open_store(ours) as in_place:
            assert values_of(in_place, "b")["params/lr"] == 0.5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("others", [["x", "no_such_type", 1]]),
        ("others", [[5, "git_ref", {}]]),
        ("kind", "zebra"),
        ("parts", [["../../secret.parquet", 1, 1, "0"]]),
        ("rows", ["../rows", 1, 1, "0"]),
        ("run_id", 5),
        ("created", "yesterday"),
        ("created", 10**30),
        ("fork_step", "x"),
        ("parent", ["a"]),
        ("series", 5),
        ("files", [[5, "x", None]]),
        ("not_inherited", "text"),
        ("missing", [["x"]]),
        ("options", 5),
        ("format", "new"),
        ("sys_id", 5),
        ("trashed", "no"),
    ],
)
def test_hostile_manifests(ours: Path, store: Store, key: str, value: object) -> None:
    record = json.loads(manifest(ours).read_bytes())
    write_manifest(ours, {**record, key: value})
    report = bring_in(ours, store)
    assert outcomes(report)["b"] is Outcome.DONE
    assert not report.is_complete
    with open_store(ours) as in_place:
        assert values_of(in_place, "b")["params/lr"] == 0.5
        assert not in_place.check().ok


def test_what_an_export_lacks_stays_missing_in_the_store(tmp_path: Path, ours: Path) -> None:
    (file,) = (tmp_path / "ours.db-data").rglob(_digest_of(b"weights"))
    hidden = file.rename(tmp_path / "hidden")
    out = tmp_path / "again"
    with open_store(tmp_path / "ours.db") as source:
        report = export_runs(StoreSource(source), out)
        assert outcomes(report) == {"a": Outcome.PARTLY, "b": Outcome.DONE}
        with open_store(tmp_path / "new.db") as store:
            brought = bring_in(out, store)
            assert outcomes(brought)["a"] is Outcome.PARTLY
            assert "model" in told(brought)
            assert missing_of(store, "a")
            assert not bring_in(out, store).is_complete  # not present as if it were whole
            hidden.rename(file)
            assert export_runs(StoreSource(source), out).is_complete
            assert outcomes(bring_in(out, store))["a"] is Outcome.DONE
            assert MISSING not in values_of(store, "a")


def _digest_of(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_rows_of_a_table_that_were_changed(tmp_path: Path) -> None:
    from mooring import Tracker

    with Tracker(str(tmp_path / "t.db"), track_id="rows", on_error="raise") as tracker:
        tracker.log({"accuracy": 0.5})
        tracker.log({"accuracy": 0.75})
    with closing(open_store(tmp_path / "t.db")) as source:
        export_runs(StoreSource(source), tmp_path / "out")
    (rows,) = (tmp_path / "out").rglob("*.rows")
    kept = rows.read_bytes()
    _flip(rows)
    with open_store(tmp_path / "n.db") as store:
        report = bring_in(tmp_path / "out", store)
        assert outcomes(report) == {"rows": Outcome.PARTLY}, told(report)
        assert_told(report, rows.name)
        (project,) = store.list_projects()
        assert points_of(store, "rows", "accuracy", project=project) == [(0, 0.5), (1, 0.75)]
        rows.write_bytes(kept)
        whole = bring_in(tmp_path / "out", store)
        assert outcomes(whole) == {"rows": Outcome.DONE}, told(whole)
    with open_store(tmp_path / "out") as in_place:
        assert in_place.check().ok
    _flip(rows)
    with open_store(tmp_path / "out") as in_place:
        assert not in_place.check().ok
        assert points_of(in_place, "rows", "accuracy", project=project)


def test_there_is_nothing(tmp_path: Path) -> None:
    from mooring.errors import StoreNotFound

    (tmp_path / "empty" / "data" / "project").mkdir(parents=True)
    for folder in ("empty", "none"):
        with pytest.raises(StoreNotFound, match=folder):
            ParquetSource(tmp_path / folder)


def test_series_types(store: Store) -> None:
    assert {str(type) for type in AttributeType if type.is_series} == {
        "float_series",
        "string_series",
        "histogram_series",
        "file_series",
    }
