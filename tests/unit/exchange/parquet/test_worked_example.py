"""The export that the format's reference works through: 14 rows of one run, byte by byte known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from mooring.exchange import export_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.summary import summarize
from mooring.exchange.targets.parquet import parts as writing
from mooring.fetch import ReadOnlyProject
from mooring.model import AttributeType
from mooring.store import Store, open_store
from tests.unit.exchange.parquet.exporter_files import (
    NOON,
    SCHEMA,
    Row,
    export_run,
    make_table,
    row,
    sanitized,
)
from tests.unit.exchange.parquet.importing import bring_in, outcomes, points_of, told

PROJECT = "my-org/my.project"
RUN = "exp 1/seed=3"
PARAMETERS = [
    row("sys/custom_run_id", "string", RUN),
    row("sys/name", "string", "baseline"),
    row("sys/creation_time", "datetime", NOON),
    row("params/lr", "float", 0.001),
    row("params/epochs", "int", 10),
    row("params/amp", "bool", True),
    row("sys/tags", "string_set", ["a", "b"]),
    row("params/absent", "int"),
]


def at(step: str) -> dict[str, Any]:
    return {"step": Decimal(step), "timestamp": NOON}


HISTOGRAM = {"type": "COUNTING", "edges": [0.0, 1.0, 2.0], "values": [3.0, 4.0]}
METRICS = [
    row("metrics/loss", "float_series", 0.5, **at("1")),
    row("metrics/loss", "float_series", 0.25, **at("1.5")),
]
SERIES = [
    row("logs/out", "string_series", "hello", **at("1")),
    row("hist/w", "histogram_series", HISTOGRAM, **at("1")),
]
FILES = [
    row("files/model.ckpt", "file", "exp_1/seed_3/files/model_ckpt.bin"),
    row("img/pred", "file_series", "exp_1/seed_3/img/pred/step_1_500000.png", **at("1.5")),
]
BATCHES: list[list[Row]] = [PARAMETERS, METRICS, SERIES, FILES]
CONTENTS = {
    "exp_1/seed_3/files/model_ckpt.bin": b"checkpoint",
    "exp_1/seed_3/img/pred/step_1_500000.png": b"\x89PNG picture",
}


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    export_run(tmp_path / "exports", RUN, BATCHES, project=PROJECT, files=CONTENTS)
    return tmp_path / "exports"


@pytest.fixture(params=["imported", "in place"])
def store(request: pytest.FixtureRequest, exports: Path, tmp_path: Path) -> Iterator[Store]:
    """The example in a store: brought in, and read where it lies."""
    if request.param == "in place":
        with open_store(exports) as opened:
            assert opened.check().ok
            yield opened
        return
    with open_store(tmp_path / "runs.db") as opened:
        report = bring_in(exports, opened)
        assert report.is_complete, told(report)
        yield opened


def test_the_files_are_those_of_the_reference(exports: Path) -> None:
    (part,) = (exports / "data").rglob("*.parquet")
    assert str(part.relative_to(exports)) == (
        "data/my-org_my_project-46e9b29a4797d39f/exp_1_seed_3-b34673e68663ae5c_part_0.parquet"
    )
    metadata = pq.read_metadata(part)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [8, 2, 2, 2]
    assert {groups[0].column(i).compression for i in range(metadata.num_columns)} == {"SNAPPY"}
    assert metadata.schema.names[:5] == SCHEMA.names[:5]


def test_every_value_is_there(store: Store) -> None:
    source = StoreSource(store)
    (run,) = source.list_runs(PROJECT)
    assert (run.project, run.run_id, run.name) == (PROJECT, RUN, "baseline")
    assert run.created == 1_735_732_800_123_000
    values = source.read_values(run)
    assert values["params/lr"] == 0.001
    assert (values["params/epochs"], type(values["params/epochs"])) == (10, int)
    assert values["params/amp"] is True
    assert values["sys/tags"] == {"a", "b"}
    assert values["sys/creation_time"] == NOON
    assert "params/absent" not in values
    assert points_of(store, RUN, "metrics/loss", project=PROJECT) == [(1, 0.5), (1.5, 0.25)]
    text = points_of(store, RUN, "logs/out", AttributeType.STRING_SERIES, PROJECT)
    assert text == [(1, "hello")]
    ((_, histogram),) = points_of(store, RUN, "hist/w", AttributeType.HISTOGRAM_SERIES, PROJECT)
    assert histogram == {"kind": "COUNTING", "edges": [0, 1, 2], "values": [3, 4]}
    for path, name in (("files/model.ckpt", "model_ckpt.bin"), ("img/pred", "step_1_500000.png")):
        if path == "img/pred":
            ((step, file),) = points_of(store, RUN, path, AttributeType.FILE_SERIES, PROJECT)
            assert (step, file["name"], file["mime_type"]) == (1.5, name, "image/png")
            digest = file["digest"]
        else:
            assert values[path].name == name  # type: ignore[union-attr]
            digest = values[path].digest  # type: ignore[union-attr]
        content = next(data for place, data in CONTENTS.items() if place.endswith(name))
        with store.open_blob(digest) as stream:
            assert stream.read() == content


def test_it_answers_as_the_parquet_does(store: Store, exports: Path) -> None:
    (part,) = (exports / "data").rglob("*.parquet")
    table = pq.read_table(part)
    project = ReadOnlyProject(PROJECT, store=store)
    (frame,) = (project.fetch_runs_df(),)
    assert frame["sys/custom_run_id"].tolist() == [RUN]
    for path, column in (("params/lr", "float_value"), ("params/epochs", "int_value")):
        (wanted,) = table.filter(pc.equal(table["attribute_path"], path))[column].to_pylist()
        assert frame[path].tolist() == [wanted]
    run = next(iter(project.fetch_read_only_runs(custom_ids=[RUN])))
    series = table.filter(pc.equal(table["attribute_path"], "metrics/loss"))
    values = run["metrics/loss"].fetch_values()
    assert values["value"].tolist() == series["float_value"].to_pylist()
    assert values["step"].tolist() == [float(step) for step in series["step"].to_pylist()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('(`sys/name`:string = "baseline")', True),
        ("(`params/lr`:float = 0.001)", True),
        ("(`params/epochs`:int > 10)", False),
        ("(`params/amp`:bool = true)", True),
        ('(`sys/tags`:stringSet CONTAINS "b")', True),
        ('(`sys/tags`:stringSet CONTAINS "c")', False),
        ("(last(`metrics/loss`:floatSeries) < 0.3)", True),
        ("(max(`metrics/loss`:floatSeries) > 0.5)", False),
        ('(`sys/creation_time`:datetime > "2025-01-01T12:00:00Z")', True),
    ],
)
def test_queries_find_it(store: Store, query: str, found: bool) -> None:
    frame = ReadOnlyProject(PROJECT, store=store).fetch_runs_df(query=query)
    assert len(frame) == int(found)


def test_it_is_summarised_without_an_import(exports: Path) -> None:
    (project,) = summarize(ParquetSource(exports)).projects
    assert (project.project, project.runs, project.points, project.files) == (PROJECT, 1, 5, 2)
    assert project.attributes == {
        "bool": 1, "datetime": 1, "file": 1, "file_series": 1, "float": 1, "float_series": 1,
        "histogram_series": 1, "int": 1, "string": 2, "string_series": 1, "string_set": 1,
    }  # fmt: skip
    assert project.first == project.last == 1_735_732_800_123_000


# our own export of it, read as the other tool reads


def read_as_the_exporter(folder: Path) -> pa.Table:
    """Read all parts with the fixed schema: other columns are dropped, missing ones null."""
    return ds.dataset(sorted(folder.glob("*.parquet")), schema=SCHEMA, format="parquet").to_table()


def test_our_export_of_it_is_one_that_the_exporter_reads(store: Store, tmp_path: Path) -> None:
    report = export_runs(StoreSource(store), tmp_path / "again", verify=True)
    assert report.is_complete, told(report)
    folder = tmp_path / "again" / "data" / "my-org_my_project-46e9b29a4797d39f"
    (part,) = folder.glob("*.parquet")
    assert part.name == "exp_1_seed_3-b34673e68663ae5c_part_0.parquet"
    written = pq.read_schema(part)
    assert written.names[: len(SCHEMA)] == SCHEMA.names
    assert written.types[: len(SCHEMA)] == SCHEMA.types
    assert all(written.field(i).nullable for i in range(len(written)))
    table = read_as_the_exporter(folder)
    assert table.schema.equals(SCHEMA)
    assert set(table["project_id"].to_pylist()) == {PROJECT}
    assert set(table["run_id"].to_pylist()) == {RUN}
    ours = {_key(one): _value(one) for one in table.to_pylist() if _value(one) is not None}
    wanted = make_table([r for b in BATCHES for r in b]).to_pylist()
    for one in wanted:
        if _value(one) is None:
            assert _key(one) not in ours
        elif one["file_value"] is None:
            assert ours[_key(one)] == _value(one), one["attribute_path"]
        else:
            path = ours[_key(one)][1]["path"]
            data = (tmp_path / "again" / "files" / folder.name / path).read_bytes()
            assert data == CONTENTS[one["file_value"]["path"]]
    for one in table.to_pylist():  # exactly one value column in a row that has a value
        assert sum(one[name] is not None for name in SCHEMA.names[6:]) == 1, one


def _key(one: Row) -> tuple[object, ...]:
    return one["attribute_path"], one["attribute_type"], one["step"], one["timestamp"]


def _value(one: Row) -> tuple[str, Any] | None:
    for name in SCHEMA.names[6:]:
        if one[name] is not None:
            value = one[name]
            return name, sorted(value) if name == "string_set_value" else value
    return None


def test_an_attribute_never_spans_parts_and_the_system_is_in_part_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PART_BYTES", 4_000)
    rows = [list(PARAMETERS)]
    for number in range(30):
        name = f"metrics/m{number}"
        rows.append(
            [
                row(name, "float_series", math.sin(i * number), step=Decimal(i), timestamp=NOON)
                for i in range(300)
            ]
        )
    monkeypatch.setattr("mooring.exchange.targets.parquet.exporting.POINTS_AT_ONCE", 600)
    export_run(tmp_path / "exports", RUN, rows, project=PROJECT)
    with open_store(tmp_path / "runs.db") as store:
        assert outcomes(bring_in(tmp_path / "exports", store)) == {RUN: Outcome.DONE}
        # Two runs in one segment are not copied, but written.
        export_run(tmp_path / "exports", "other", rows[:3], project=PROJECT)
        report = export_runs(_Reading(store), tmp_path / "again")
        assert report.is_complete
    folder = tmp_path / "again" / "data" / sanitized(PROJECT)
    parts = sorted(folder.glob(f"{sanitized(RUN)}_part_*.parquet"), key=_number)
    assert len(parts) > 3
    assert [path.name for path in parts] == [
        f"{sanitized(RUN)}_part_{number}.parquet" for number in range(len(parts))
    ]
    seen: dict[str, int] = {}
    for number, path in enumerate(parts):
        for name in pq.read_table(path, columns=["attribute_path"])[0].unique().to_pylist():
            assert seen.setdefault(name, number) == number
            assert number == 0 or not name.startswith("sys/")
    assert sum(name.startswith("metrics/") for name in seen) == 30
    assert not list(folder.rglob("*.tmp"))
    assert not list(folder.rglob("*.journal"))


class _Reading(StoreSource):
    """A store whose files cannot be copied."""

    def list_parts(self, run: object) -> None:  # type: ignore[override]
        return None


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])
