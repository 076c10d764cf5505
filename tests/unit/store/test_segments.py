"""Segments are files that readers of the Neptune Exporter's Parquet understand."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from mooring.errors import SegmentMissing, StoreCorrupt
from mooring.model import FileRef, Histogram, RunSpec
from mooring.store import Store, open_store
from mooring.store.sqlite.segments import OpenSegment
from mooring.wire.exporter import SCHEMA
from mooring.wire.exporter.columns import decimal_steps, micros_of_decimals
from tests.conformance.store.reading import points

EXPORTER = pa.schema(
    [
        ("project_id", pa.string()),
        ("run_id", pa.string()),
        ("attribute_path", pa.string()),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", pa.timestamp("ms", "UTC")),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", pa.timestamp("ms", "UTC")),
        ("string_set_value", pa.list_(pa.field("element", pa.string()))),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct(
                [
                    ("type", pa.string()),
                    ("edges", pa.list_(pa.field("element", pa.float64()))),
                    ("values", pa.list_(pa.field("element", pa.float64()))),
                ]
            ),
        ),
    ]
)
"""The fourteen columns of the exporter's files, in their order."""

TIME = 1_700_000_000_123_456


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a store with one sealed run of all series types."""
    with open_store(tmp_path / "runs.db") as store:  # type: ignore[attr-defined]
        fill(store)
        store.compact()
    return tmp_path


def fill(store: Store) -> None:
    run = store.create_run(RunSpec(project="team/p", run_id="my run"))
    writer = store.open_writer(run.key)
    digest, size = store.put_blob(b"abc")
    for step, value in ((0.5, 1.5), (-2, math.nan), (999_999_999_999.5, -math.inf)):
        writer.log({"loss": value, "text": f"é{value}"}, step=step, time=TIME)
    writer.log({"hist": Histogram((0, 1, 2), (3, 4))}, step=1, time=TIME)
    writer.log({"file": FileRef(digest, size, "text/plain", "a.txt")}, step=1, time=TIME)
    writer.close()


def segment_of(folder: Path) -> Path:
    (path,) = (folder / "runs.db-data" / "segments").glob("points-*.parquet")
    return path


def test_the_first_columns_are_the_exporters() -> None:
    assert SCHEMA.names[:14] == EXPORTER.names
    for name in EXPORTER.names:
        found, expected = SCHEMA.field(name), EXPORTER.field(name)
        assert found.type.equals(expected.type), name
        assert found.nullable


def test_the_file_has_them_in_order(folder: Path) -> None:
    schema = pq.read_schema(segment_of(folder))
    assert schema.names[:14] == EXPORTER.names
    for name in EXPORTER.names:
        assert str(schema.field(name).type) == str(EXPORTER.field(name).type), name


def test_the_physical_layout(folder: Path) -> None:
    schema = pq.ParquetFile(segment_of(folder)).schema
    columns = {schema.column(i).path: schema.column(i) for i in range(len(schema))}
    layout = {name: (each.physical_type, each.logical_type.type) for name, each in columns.items()}
    assert layout["project_id"] == ("BYTE_ARRAY", "STRING")
    assert layout["attribute_path"] == ("BYTE_ARRAY", "STRING")
    # The exporter's tool writes steps as FIXED_LEN_BYTE_ARRAY(8); the decimal is the same, and
    # an integer below it can be delta coded.
    assert layout["step"] == ("INT64", "DECIMAL")
    assert layout["timestamp"] == ("INT64", "TIMESTAMP")
    assert layout["float_value"] == ("DOUBLE", "NONE")
    assert layout["int_value"][0] == "INT64"
    assert layout["bool_value"][0] == "BOOLEAN"
    assert layout["string_set_value.list.element"][0] == "BYTE_ARRAY"
    assert layout["file_value.path"][0] == "BYTE_ARRAY"
    assert layout["histogram_value.edges.list.element"][0] == "DOUBLE"
    assert all(each.max_definition_level >= 1 for each in columns.values())


def test_readers_that_know_fourteen_columns(folder: Path) -> None:
    for table in (
        pq.read_table(segment_of(folder), schema=EXPORTER),
        pq.read_table(segment_of(folder), columns=EXPORTER.names).cast(EXPORTER),
        ds.dataset(segment_of(folder), schema=EXPORTER).to_table(),
    ):
        table.validate(full=True)
        assert table.schema.equals(EXPORTER)
        rows = {
            (row["attribute_path"], row["step"]): row
            for row in table.sort_by("attribute_path").to_pylist()
        }
        assert len(rows) == 8
        row = rows["loss", Decimal("0.500000")]
        assert (row["project_id"], row["run_id"]) == ("team/p", "my run")
        assert row["attribute_type"] == "float_series"
        assert row["float_value"] == 1.5
        assert row["timestamp"] == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
        assert [name for name, value in row.items() if value is None] == [
            name for name in EXPORTER.names if name.endswith("_value") and name != "float_value"
        ]
        assert math.isnan(rows["loss", Decimal(-2)]["float_value"])
        assert rows["loss", Decimal("999999999999.5")]["float_value"] == -math.inf
        assert rows["text", Decimal("0.5")]["string_value"] == "é1.5"
        assert rows["hist", Decimal(1)]["histogram_value"] == {
            "type": "COUNTING",
            "edges": [0.0, 1.0, 2.0],
            "values": [3.0, 4.0],
        }
        path = rows["file", Decimal(1)]["file_value"]["path"]
        assert (folder / "runs.db-data" / "blobs" / path).read_bytes() == b"abc"


def test_the_extra_columns_keep_what_the_others_round(folder: Path) -> None:
    table = pq.read_table(segment_of(folder))
    assert set(table["timestamp_us"].to_pylist()) == {456}
    (blob,) = [each for each in table["file_blob"].to_pylist() if each]
    assert (blob["mime"], blob["name"], blob["size"]) == ("text/plain", "a.txt", 3)


def test_runs_and_series_lie_together(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runs.db")
    for run_id in ("b", "a"):
        run = store.create_run(RunSpec(project="p", run_id=run_id))
        writer = store.open_writer(run.key)
        for step in (3, 1, 2):
            writer.log({"y": step, "x": step}, step=step)
    store.compact()
    store.close()
    table = pq.read_table(segment_of(tmp_path))
    rows = list(
        zip(
            table["run_id"].to_pylist(),
            table["attribute_path"].to_pylist(),
            map(int, table["step"].to_pylist()),
            strict=True,
        )
    )
    assert rows == [(run, path, step) for run in "ba" for path in "xy" for step in (1, 2, 3)]


MICROS = [0, 1, -1, 2_500_000, -(10**18) + 1, 10**18 - 1]


def test_steps_as_decimals() -> None:
    import numpy as np

    decimals = decimal_steps(np.array(MICROS, np.int64))
    decimals = decimals.cast(pa.decimal128(18, 6))  # as a reader of the file gets them
    decimals.validate(full=True)
    assert decimals.to_pylist() == [Decimal(micros).scaleb(-6) for micros in MICROS]
    whole = pa.chunked_array([decimals, decimals[2:4]])
    assert micros_of_decimals(whole).tolist() == [*MICROS, *MICROS[2:4]]
    assert micros_of_decimals(pa.chunked_array([], pa.decimal128(18, 6))).tolist() == []


def test_a_segment_that_is_missing_or_damaged(folder: Path) -> None:
    path = segment_of(folder)
    with pytest.raises(SegmentMissing, match="moved and copied"):
        OpenSegment(path.with_name("other.parquet"))
    content = path.read_bytes()
    for damaged in (b"", b"PAR1", content[: len(content) // 2], b"x" * 100):
        path.write_bytes(damaged)
        with pytest.raises(StoreCorrupt, match="damaged"):
            OpenSegment(path)
        store = open_store(folder / "runs.db")
        with pytest.raises(StoreCorrupt):
            points(store, 1, "loss")
        assert not store.check().ok
        store.close()
    path.unlink()
    with open_store(folder / "runs.db") as store:  # type: ignore[attr-defined]
        with pytest.raises(SegmentMissing):
            points(store, 1, "loss")
        assert store.get_stats(1, "loss").count == 3
