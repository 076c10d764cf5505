"""Layouts and encodings that exports came in over time, and habits of Neptune 2."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mooring.exchange.reports import Outcome
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.summary import summarize
from mooring.model import AttributeType, RunKind
from mooring.store import Store, open_store
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
    table_of,
    told,
    values_of,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "runs.db") as opened:
        yield opened


def rows_of(run: str, number: float) -> list[list[dict[str, Any]]]:
    return [
        [*identity(run), row("params/lr", "float", number), row("params/absent", "int")],
        points("loss", [number, number / 2, None]),
        points("log", [f"{run} says", "more"], "string_series"),
        [row("model", "file", f"{run}/model.bin")],
    ]


def assert_whole(store: Store, run: str, number: float) -> None:
    values = values_of(store, run)
    assert values["params/lr"] == number
    assert "params/absent" not in values
    assert values["model"].name == "model.bin"
    found = points_of(store, run, "loss")
    assert repr(found) == repr([(0.0, number), (1.0, number / 2), (2.0, float("nan"))])
    text = points_of(store, run, "log", AttributeType.STRING_SERIES)
    assert text == [(0, f"{run} says"), (1, "more")]


def plain(name: str) -> str:
    return sanitized(name)[:-17]


def _layout_a(root: Path, folder: str, first: int, *, cut: bool) -> None:
    """All runs in common parts; `cut`: the last run goes on in the next part."""
    one = [make_table(rows, run="a") for rows in rows_of("a", 1.0)]
    two = [make_table(rows, run="b") for rows in rows_of("b", 2.0)]
    three = [make_table(rows, run="c") for rows in rows_of("c", 4.0)]
    data = root / "data" / folder
    if cut:  # in the middle of a series
        halves = [two[1].slice(0, 1), two[1].slice(1)]
        write_part(data / f"part_{first}.parquet", [*one, two[0], halves[0]])
        write_part(data / f"part_{first + 1}.parquet", [halves[1], *two[2:], *three])
    else:
        write_part(data / f"part_{first}.parquet", [*one, *two])
        write_part(data / f"part_{first + 1}.parquet", three)


def _layout_b(root: Path) -> None:
    for run, number in (("a", 1.0), ("b", 2.0), ("c", 4.0)):
        tables = [make_table(rows, run=run) for rows in rows_of(run, number)]
        for part, batches in enumerate((tables[:2], tables[2:])):
            write_part(root / "data" / plain(PROJECT) / f"{run}_part_{part}.parquet", batches)


def _layout_c(root: Path) -> None:
    for run, number in (("a", 1.0), ("b", 2.0), ("c", 4.0)):
        batches = rows_of(run, number)
        export_run(root, run, batches[:2], batches[2:])


LAYOUTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "A0": (lambda root: _layout_a(root, PROJECT, 1, cut=False), plain(PROJECT)),
    "A0 from 0": (lambda root: _layout_a(root, PROJECT, 0, cut=True), plain(PROJECT)),
    "A": (lambda root: _layout_a(root, plain(PROJECT), 0, cut=False), plain(PROJECT)),
    "A cut": (lambda root: _layout_a(root, plain(PROJECT), 0, cut=True), plain(PROJECT)),
    "B": (_layout_b, plain(PROJECT)),
    "C": (_layout_c, sanitized(PROJECT)),
    "C, files without digest": (_layout_c, plain(PROJECT)),
}


@pytest.fixture(params=LAYOUTS)
def exports(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    root = tmp_path / "exports"
    make, folder = LAYOUTS[request.param]
    make(root)
    for run in "abc":
        path = root / "files" / folder / run / "model.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(run.encode())
    return root


def test_each_layout_comes_in(exports: Path, store: Store) -> None:
    report = bring_in(exports, store)
    assert report.is_complete, told(report)
    assert outcomes(report) == dict.fromkeys("abc", Outcome.DONE)
    for run, number in (("a", 1.0), ("b", 2.0), ("c", 4.0)):
        assert_whole(store, run, number)
    assert bring_in(exports, store).count(Outcome.PRESENT) == 3


def test_each_layout_opens_in_place(exports: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in exports.rglob("*")}
    with open_store(exports) as store:
        assert store.check().ok, store.check()
        for run, number in (("a", 1.0), ("b", 2.0), ("c", 4.0)):
            assert_whole(store, run, number)
    assert {path: path.stat().st_mtime_ns for path in exports.rglob("*")} == before


def test_each_layout_is_summarised(exports: Path) -> None:
    (project,) = summarize(ParquetSource(exports)).projects
    assert (project.runs, project.points, project.files, project.incomplete) == (3, 15, 3, 0)


def test_the_data_folder_alone_finds_its_files(exports: Path, store: Store) -> None:
    report = bring_in(exports / "data", store)
    assert report.is_complete, told(report)
    assert_whole(store, "b", 2.0)


def test_files_elsewhere(exports: Path, store: Store, tmp_path: Path) -> None:
    moved = shutil.move(exports / "files", tmp_path / "elsewhere")
    from mooring.exchange import import_runs

    report = import_runs(ParquetSource(exports, files=Path(moved)), store)
    assert report.is_complete, told(report)


def test_a_common_part_that_is_missing(store: Store, tmp_path: Path) -> None:
    _layout_a(tmp_path / "e", plain(PROJECT), 0, cut=True)
    folder = tmp_path / "e" / "data" / plain(PROJECT)
    shutil.copy(folder / "part_1.parquet", folder / "part_2.parquet")
    (folder / "part_1.parquet").unlink()
    report = bring_in(tmp_path / "e", store)
    assert not report.is_complete
    assert all(one is Outcome.PARTLY for one in outcomes(report).values())
    assert all(missing_of(store, run) for run in "ab")
    assert "part 1 is missing" in told(report)


def test_a_series_in_two_parts_with_one_step_in_both(store: Store, tmp_path: Path) -> None:
    first = [*identity("a"), *points("x", [1.0]), *points("m", [1.0, 2.0])]
    second = [*points("m", [7.0, 3.0], first=1), *points("y", [1.0])]
    export_run(tmp_path / "exports", "a", [first], [second])
    report = bring_in(tmp_path / "exports", store)
    assert outcomes(report) == {"a": Outcome.PARTLY}
    assert "m: 1 points at the step of a later one are left out" in told(report)
    assert points_of(store, "a", "m") == [(0, 1.0), (1, 7.0), (2, 3.0)]
    with open_store(tmp_path / "exports") as in_place:
        assert points_of(in_place, "a", "m") == [(0, 1.0), (1, 7.0), (2, 3.0)]


# encodings that the exporter's own reader takes too


def _with(column: str, type: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(column)
        return table.set_column(at, column, table[column].cast(type))

    return change


def _all_texts(type: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        for name in ("project_id", "run_id", "attribute_path", "attribute_type", "string_value"):
            table = _with(name, type)(table)
        return table

    return change


VARIANTS: dict[str, tuple[Callable[[pa.Table], pa.Table], dict[str, Any]]] = {
    "as it is": (lambda table: table, {}),
    "zstd": (lambda table: table, {"compression": "zstd"}),
    "no codec": (lambda table: table, {"compression": "none"}),
    "page v2": (lambda table: table, {"data_page_version": "2.0"}),
    "page index": (lambda table: table, {"write_page_index": True}),
    "no statistics": (lambda table: table, {"write_statistics": False}),
    "no dictionary": (lambda table: table, {"use_dictionary": False}),
    "no arrow schema": (lambda table: table, {"store_schema": False}),
    "large_string": (_all_texts(pa.large_string()), {}),
    "dictionary": (_all_texts(pa.dictionary(pa.int32(), pa.string())), {}),
    "float64 steps": (_with("step", pa.float64()), {}),
    "int steps": (_with("step", pa.int64()), {}),
    "wider decimals": (_with("step", pa.decimal128(38, 10)), {}),
    "decimal256": (_with("step", pa.decimal256(50, 12)), {}),
    "narrow decimals": (_with("step", pa.decimal128(9, 2)), {}),
    "microseconds": (_with("timestamp", pa.timestamp("us", "UTC")), {}),
    "nanoseconds": (_with("timestamp", pa.timestamp("ns", "UTC")), {}),
    "naive times": (_with("timestamp", pa.timestamp("ms")), {}),
    "times elsewhere": (_with("timestamp", pa.timestamp("ms", "Europe/Warsaw")), {}),
    "datetime in us": (_with("datetime_value", pa.timestamp("us", "UTC")), {}),
    "datetime in ns": (_with("datetime_value", pa.timestamp("ns", "UTC")), {}),
    "naive datetime": (_with("datetime_value", pa.timestamp("ms")), {}),
    "float32": (_with("float_value", pa.float32()), {}),
    "missing columns": (
        lambda table: table.drop_columns(["bool_value", "histogram_value", "string_set_value"]),
        {},
    ),
    "extra columns": (
        lambda table: table.append_column("note", pa.array(["x"] * table.num_rows)),
        {},
    ),
    "other order": (lambda table: table.select(sorted(table.column_names)), {}),
    "null type": (
        lambda table: table.set_column(9, "bool_value", pa.nulls(table.num_rows)),
        {},
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_encoding_comes_in(variant: str, store: Store, tmp_path: Path) -> None:
    change, options = VARIANTS[variant]
    folder = tmp_path / "exports" / "data" / sanitized(PROJECT)
    tables = [change(make_table(rows)) for rows in rows_of("a", 1.0)]
    write_part(folder / f"{sanitized('a')}_part_0.parquet", tables, **options)
    path = tmp_path / "exports" / "files" / sanitized(PROJECT) / "a" / "model.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a")
    report = bring_in(tmp_path / "exports", store)
    assert report.is_complete, told(report)
    assert_whole(store, "a", 1.0)
    with open_store(tmp_path / "exports") as in_place:
        assert in_place.check().ok
        assert_whole(in_place, "a", 1.0)
        for one in (store, in_place):
            times = table_of(one, "a", ["loss"])["time"].to_pylist()
            assert times == [1_735_732_800_123_000 + i * 1_000_000 for i in range(3)]
            (run,) = StoreSource(one).list_runs(PROJECT)
            assert run.created == 1_735_732_800_123_000


def test_steps_are_rounded_as_the_exporter_rounds(store: Store, tmp_path: Path) -> None:
    numbers = [0.1, 0.25, 1.0000005, 2.0000015, -1.25, 999_999_999_999.0, 1e12]
    schema = SCHEMA.set(4, pa.field("step", pa.float64()))
    rows = [row("m", "float_series", float(i), step=n, timestamp=NOON)
            for i, n in enumerate(sorted(numbers))]  # fmt: skip
    folder = tmp_path / "exports" / "data" / sanitized(PROJECT)
    write_part(
        folder / f"{sanitized('a')}_part_0.parquet",
        [make_table([*identity("a"), *rows], schema=schema)],
    )
    report = bring_in(tmp_path / "exports", store)
    assert report.is_complete, told(report)
    wanted = [int(Decimal(n).quantize(Decimal("0.000001")).scaleb(6)) for n in sorted(numbers)]
    assert table_of(store, "a", ["m"])["step"].to_pylist() == wanted


def test_wider_decimals_are_rounded_half_to_even(store: Store, tmp_path: Path) -> None:
    texts = ["0.0000005", "0.0000015", "0.0000025", "-0.0000015", "1000000000000"]
    schema = SCHEMA.set(4, pa.field("step", pa.decimal128(38, 10)))
    rows = [row("m", "float_series", float(i), step=Decimal(text), timestamp=NOON)
            for i, text in enumerate(texts)]  # fmt: skip
    folder = tmp_path / "exports" / "data" / sanitized(PROJECT)
    table = make_table([*identity("a"), *rows], schema=schema)
    write_part(folder / f"{sanitized('a')}_part_0.parquet", [table])
    bring_in(tmp_path / "exports", store)
    found = table_of(store, "a", ["m"])["step"].to_pylist()
    assert found == [-2, 0, 2, 10**18]  # two of the five round to the same


# Neptune 3: sorted by step, many attributes in a batch


def test_rows_by_step_are_attached_as_they_are(store: Store, tmp_path: Path) -> None:
    rows = [
        row(f"m{i}", "float_series", float(step * i), step=Decimal(step), timestamp=NOON)
        for step in range(50)
        for i in range(20)
        if (step + i) % 3
    ]
    (part,) = export_run(tmp_path / "exports", "a", [identity("a"), rows])
    report = bring_in(tmp_path / "exports", store)
    assert report.is_complete, told(report)
    segments = list((tmp_path / "runs.db-data" / "segments").glob("*.parquet"))
    assert [one.read_bytes() for one in segments] == [part.read_bytes()]
    for i in (0, 7, 19):
        wanted = [(step, float(step * i)) for step in range(50) if (step + i) % 3]
        assert points_of(store, "a", f"m{i}") == wanted
    assert store.check().ok


# Neptune 2: attribute after attribute, its own ids, files and times


def test_habits_of_neptune_2(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "exports"
    files = f"{PROJECT}/DIG-1"
    rows = [
        row("sys/id", "string", "DIG-1"),
        row("sys/creation_time", "datetime", NOON),
        row("model", "file", f"{files}/model"),
        row("source", "file_set", f"{files}/source"),
        row("data", "artifact", f"{files}/data"),
        row("img", "file_series", f"{files}/img/0.png", step=Decimal(0)),
        row("img", "file_series", f"{files}/img/1.png", step=Decimal(1)),
        *points("b/loss", [1.0, 2.0]),
        *points("a/loss", [3.0]),
    ]
    listing = json.dumps([{"filePath": "x.csv", "fileHash": "0", "type": "S3", "size": 1}])
    contents = {
        f"{files}/model": b"weights",
        f"{files}/source/files.zip": b"PK zip",
        f"{files}/data/files_list.json": listing.encode(),
        f"{files}/img/0.png": b"zero",
        f"{files}/img/1.png": b"one",
    }
    export_run(root, "DIG-1", [rows], files=contents)
    report = bring_in(root, store)
    assert report.is_complete, told(report)
    (run,) = StoreSource(store).list_runs(PROJECT)
    assert (run.run_id, run.sys_id) == ("DIG-1", "DIG-1")
    values = values_of(store, "DIG-1")
    for path, type, content in (
        ("source", AttributeType.FILE_SET, b"PK zip"),
        ("data", AttributeType.ARTIFACT, listing.encode()),
    ):
        assert values[path].type is type
        with store.open_blob(values[path].value.digest) as stream:
            assert stream.read() == content
    images = points_of(store, "DIG-1", "img", AttributeType.FILE_SERIES)
    assert [(step, one["name"]) for step, one in images] == [(0, "0.png"), (1, "1.png")]
    times = table_of(store, "DIG-1", ["img"], AttributeType.FILE_SERIES)["time"].to_pylist()
    assert times == [run.created, run.created]  # which are not noted
    with open_store(root) as in_place:
        assert in_place.check().ok
        assert values_of(in_place, "DIG-1")["source"].type is AttributeType.FILE_SET


def test_a_file_set_that_is_no_zip_alone_does_not_lead_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "exports"
    rows = [*identity("a"), row("set", "file_set", "a/set"), row("x", "int", 1)]
    export_run(root, "a", [rows], files={"a/other": b"1"})
    folder = root / "files" / sanitized(PROJECT) / "a" / "set"
    folder.mkdir()
    (folder / "files.zip").symlink_to(tmp_path / "secret")
    report = bring_in(root, store)
    assert outcomes(report) == {"a": Outcome.PARTLY}
    assert "leads out" in told(report)
    assert missing_of(store, "a") == {"set"}


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Warsaw", "Asia/Kolkata"])
def test_local_times_are_moved_back(zone: str, store: Store, tmp_path: Path) -> None:
    moments = [datetime(2025, 3, 9, 5, tzinfo=UTC) + timedelta(hours=i) for i in range(6)]
    local = [one.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC) for one in moments]
    rows = [
        row("m", "float_series", float(i), step=Decimal(i), timestamp=when)
        for i, when in enumerate(local)
    ]
    export_run(tmp_path / "exports", "a", [identity("a"), rows])
    report = bring_in(tmp_path / "exports", store, zone=ZoneInfo(zone))
    assert report.is_complete, told(report)
    times = table_of(store, "a", ["m"])["time"].to_pylist()
    assert times == [int(one.timestamp()) * 1_000_000 for one in moments]
    (run,) = StoreSource(store).list_runs(PROJECT)
    assert run.created == 1_735_732_800_123_000  # single values are right as they are


def test_models_and_their_versions(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "exports"
    export_run(root, "a", [identity("a")])
    for folder, id in (("models", "DIG-MOD"), ("model_versions", "DIG-MOD-1")):
        place = root / "model_data" / sanitized(PROJECT) / folder
        rows = [
            row("sys/id", "string", id),
            row("sys/creation_time", "datetime", NOON),
            row("weights", "file", f"{folder}/{id}/weights"),
        ]
        write_part(place / f"{sanitized(id)}_part_0.parquet", [make_table(rows, run=id)])
        file = root / "model_files" / sanitized(PROJECT) / folder / id / "weights"
        file.parent.mkdir(parents=True)
        file.write_bytes(id.encode())
    report = bring_in(root, store)
    assert report.is_complete, told(report)
    kinds = {run.run_id: run.kind for run in StoreSource(store).list_runs(PROJECT)}
    assert kinds == {
        "a": RunKind.RUN,
        "DIG-MOD": RunKind.MODEL,
        "DIG-MOD-1": RunKind.MODEL_VERSION,
    }
    with store.open_blob(values_of(store, "DIG-MOD-1")["weights"].digest) as stream:
        assert stream.read() == b"DIG-MOD-1"


def test_forks_come_in_with_what_they_inherit(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "exports"
    export_run(root, "parent", [identity("parent"), points("m", [0.0, 1.0, 2.0, 3.0])])
    for run, type, step in (("f", "float", 1.0), ("g", "int", 1)):  # both were written
        rows = [row("sys/forking/parent", "string", "parent"), row("sys/forking/step", type, step)]
        export_run(root, run, [identity(run) + rows, points("m", [9.0], first=2)])
    report = bring_in(root, store)
    assert report.is_complete, told(report)
    for run in StoreSource(store).list_runs(PROJECT):
        if run.run_id != "parent":
            assert (run.parent, run.fork_step) == ("parent", 1_000_000)
            stats = store.get_stats(run.handle, "m")  # type: ignore[arg-type]
            assert (stats.count, stats.sum) == (3, 10.0)


def test_an_id_with_part_0_in_it(store: Store, tmp_path: Path) -> None:
    for run in ("x_part_0", "x_part_0.parquet", "x"):
        export_run(tmp_path / "exports", run, [identity(run), points("m", [1.0])])
    report = bring_in(tmp_path / "exports", store)
    assert report.is_complete, told(report)
    assert set(outcomes(report)) == {"x_part_0", "x_part_0.parquet", "x"}


def test_more_than_two_exports_of_one_run_are_told(store: Store, tmp_path: Path) -> None:
    _layout_b(tmp_path / "exports")
    _layout_c(tmp_path / "exports")
    report = bring_in(tmp_path / "exports", store)
    assert not report.is_complete
    assert "a second export of it and left out" in told(report)
    assert set(outcomes(report)) == {"a", "b", "c"}


def test_a_row_group_of_absent_rows_only(store: Store, tmp_path: Path) -> None:
    absent = [row(f"p{i}", "float") for i in range(5)]
    absent += [row("img", "file_series", step=Decimal(i), timestamp=NOON) for i in range(3)]
    export_run(tmp_path / "exports", "a", [identity("a"), absent])
    report = bring_in(tmp_path / "exports", store)
    assert report.is_complete, told(report)
    assert values_of(store, "a") == {}


def test_nothing_is_unpacked(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "exports"
    export_run(root, "a", [[*identity("a"), row("set", "file_set", "a/set")]], files={"a/x": b""})
    folder = root / "files" / sanitized(PROJECT) / "a" / "set"
    folder.mkdir()
    with zipfile.ZipFile(folder / "files.zip", "w") as archive:
        archive.writestr("../../../evil", "evil")
    assert bring_in(root, store).is_complete
    assert not list(tmp_path.rglob("evil"))


def test_the_schema_is_read_from_the_file_alone(tmp_path: Path) -> None:
    pq.write_table(make_table(identity("a")), tmp_path / "x.parquet")
    assert pq.read_schema(tmp_path / "x.parquet").names == SCHEMA.names
