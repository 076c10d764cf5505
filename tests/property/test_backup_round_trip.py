"""Whatever runs there are, a backup of them reads back equal, and what it wrote stays inside."""

from __future__ import annotations

import math
import tempfile
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mooring.exchange.comparing import compare_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.restoring import restore
from mooring.exchange.source import RunExtras, SourceFile, SourceRun
from mooring.exchange.sources.backup import BackupSource
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.targets.backup import back_up
from mooring.model import MAX_STEP, STEP_SCALE, AttributeType, RunKind, RunSpec, Typed
from mooring.store import open_store
from mooring.store.tables import mixed_field
from tests.property import test_exchange_round_trip as exchange
from tests.unit.exchange.backup.memory import MemoryRun, MemorySource

PARTS = st.sampled_from(
    [
        *("a", "A", "b", "", ".", "..", "...", ".git", ".mooring", "manifest.json", "CON"),
        *("nul.txt", "a ", " a", "a.", "é", "e\u0301", "😀", "x" * 250, "a.csv", "0", "~long"),
        *("%", "\u202ea", "simple_metadata", "a:b", "a\\b", "x" * 240 + "y", "com¹", "\ufeff"),
    ]
)
PATHS = (
    st.lists(PARTS, min_size=1, max_size=4)
    .map("/".join)
    .filter(lambda path: 0 < len(path.encode()) <= 1024)
)
NAMES = st.sampled_from(["team", "Team", "..", "a b", "CON", "😀", ".", "x.", "~"])
RUN_IDS = st.sampled_from(["run", "RUN", "a/b", "..", "a b ", "x" * 700, "😀", "nul", ".mooring"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "\r", "\r\n", '"', ",", "\n", "\x00", "nan", "1.5", "\ufeff", " ", "é" * 3]
)
STEPS = st.integers(-3, 12).map(lambda n: n * STEP_SCALE // 2) | st.integers(
    -MAX_STEP * STEP_SCALE, MAX_STEP * STEP_SCALE
)
TIMES = st.sampled_from([0, -1, 1_700_000_000_000_000, 1_700_006_400_000_000]) | st.integers(
    -62_135_596_800_000_000, 253_402_300_799_999_999
)
FILES = st.tuples(
    st.binary(max_size=6),
    st.sampled_from(["", "a.png", "b", ".c", "x/y.tar.gz", "z.csv", "weird.\x01"]),
    st.sampled_from(["", "image/png", "text/plain", "application/octet-stream", "a/../b"]),
)
EDGES = st.lists(st.floats(-9, 9), min_size=2, max_size=4, unique=True).map(sorted)
HISTOGRAMS = EDGES.flatmap(
    lambda edges: st.lists(st.floats(), min_size=len(edges) - 1, max_size=len(edges) - 1).map(
        lambda counts: {"kind": "COUNTING", "edges": edges, "values": counts}
    )
)
POINTS = {
    AttributeType.FLOAT_SERIES: st.floats() | st.sampled_from([math.nan, math.inf, -0.0, 1e-5]),
    AttributeType.STRING_SERIES: TEXTS,
    AttributeType.HISTOGRAM_SERIES: HISTOGRAMS,
    AttributeType.FILE_SERIES: FILES,
}
VALUES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | TEXTS
    | st.datetimes(timezones=st.just(UTC))
    | st.frozensets(TEXTS, max_size=3)
    | st.sampled_from(["active", "inactive"]).map(lambda s: Typed(AttributeType.RUN_STATE, s))
    | st.just(Typed(AttributeType.GIT_REF, {"commit": "é", "dirty": True}))
)
FILE_TYPES = st.sampled_from([AttributeType.FILE, AttributeType.FILE_SET, AttributeType.ARTIFACT])
EXTRAS = st.none() | st.lists(st.tuples(TIMES, TEXTS, st.none() | st.floats()), max_size=3)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"])


@st.composite
def sources(draw: st.DrawFn) -> MemorySource:
    source = MemorySource(tells_digests=draw(st.booleans()))
    project = st.tuples(NAMES, NAMES).map("/".join)
    identities = draw(
        st.lists(st.tuples(project, RUN_IDS), min_size=1, max_size=4, unique=True), "runs"
    )
    for number, (project_name, run_id) in enumerate(identities):
        run = SourceRun(
            project=project_name,
            run_id=run_id,
            kind=draw(st.sampled_from(RunKind)),
            sys_id=draw(st.none() | st.sampled_from(["DIG-1", f"DIG-{number}", "dig-1"])),
            name=draw(st.none() | TEXTS),
            created=draw(st.none() | TIMES),
            trashed=draw(st.booleans()),
            parent=draw(st.none() | RUN_IDS),
            fork_step=draw(st.none() | STEPS),
        )
        made = MemoryRun(run)
        for path in draw(st.lists(PATHS, max_size=12, unique=True), "paths"):
            fill(draw, source, made, path)
        made.extras = extras(draw(EXTRAS), draw(st.lists(PATHS, max_size=2, unique=True)))
        source.runs.append(made)
    return source


def fill(draw: st.DrawFn, source: MemorySource, run: MemoryRun, path: str) -> None:
    kind = draw(st.sampled_from(["value", "file", *POINTS]))
    if kind == "value":
        run.values[path] = draw(VALUES)
    elif kind == "file":
        file, type = source.file(*draw(FILES)), draw(FILE_TYPES)
        run.values[path] = file if type is AttributeType.FILE else Typed(type, file)
    else:
        type = AttributeType(kind)
        points = draw(st.lists(st.tuples(STEPS, TIMES, POINTS[type]), max_size=6))
        run.series[path] = (type, points)


def extras(rows: list[tuple[int, str, Any]] | None, not_inherited: list[str]) -> RunExtras:
    if not rows:
        return RunExtras(not_inherited=not_inherited)
    columns = [
        pa.array([time for time, _, _ in rows], pa.timestamp("us", "UTC")),
        pa.array([text for _, text, _ in rows], pa.string()),
        pa.array([number for _, _, number in rows], pa.float64()),
        pa.nulls(len(rows)),
    ]
    fields = [
        pa.field("timestamp", columns[0].type),
        mixed_field("té.xt"),
        pa.field("", pa.float64()),
        pa.field("none", pa.null()),
    ]
    return RunExtras(rows=pa.table(columns, schema=pa.schema(fields)), not_inherited=not_inherited)


def assert_equal(source: MemorySource, copy: BackupSource) -> None:
    assert copy.list_projects() == source.list_projects()
    for project in source.list_projects():
        ours = {(run.kind, run.run_id): run for run in source.list_runs(project)}
        theirs = {(run.kind, run.run_id): run for run in copy.list_runs(project)}
        assert ours.keys() == theirs.keys()
        for key, run in ours.items():
            again = theirs[key]
            assert identity(run) == identity(again)
            assert not compare_runs(source, run, copy, again).differences
            rows, copied = source.read_extras(run).rows, copy.read_extras(again).rows
            assert (rows is None) == (copied is None)
            if rows is not None:
                assert copied.schema.equals(rows.schema, check_metadata=True)
            for value in copy.read_values(again).values():
                inner = value.value if isinstance(value, Typed) else value
                if isinstance(inner, SourceFile):
                    with copy.open_file(inner) as file:
                        assert len(file.read()) == inner.size_bytes
    assert not copy.problems.named


def identity(run: SourceRun) -> tuple[Any, ...]:
    names = ("project", "run_id", "kind", "sys_id", "name", "created", "parent", "fork_step")
    return tuple(getattr(run, name) for name in (*names, "trashed", "incomplete"))


@given(sources(), ZONES)
def test_a_backup_reads_back_equal(source: MemorySource, zone: str) -> None:
    # a series without points is no series of the run
    for run in source.runs:
        run.series = {path: one for path, one in run.series.items() if one[1]}
    with tempfile.TemporaryDirectory() as name:
        outer = Path(name)
        folder = outer / "saved"
        report = back_up(source, folder, zone=zone, verify=True)
        assert not report.problems
        for outcome in report.runs:
            assert (outcome.outcome, outcome.verified, outcome.missing) == (
                Outcome.DONE,
                True,
                (),
            )
        assert_equal(source, BackupSource(folder))
        for path in folder.rglob("*"):
            assert not path.is_symlink()
            assert all(len(part.encode()) <= 255 for part in path.parts)
        assert [path.name for path in outer.iterdir()] == ["saved"]
        before = {path: path.stat().st_ino for path in folder.rglob("*")}
        again = back_up(source, folder, zone=zone)
        assert {run.outcome for run in again.runs} == {Outcome.PRESENT}
        assert before == {path: path.stat().st_ino for path in folder.rglob("*")}


@given(sources(), sources())
def test_an_incremental_backup_is_the_same_as_a_new_one(
    first: MemorySource, second: MemorySource
) -> None:
    first.contents.update(second.contents)
    second.contents.update(first.contents)
    # the later state of the same runs: some attributes of each
    for before, after in zip(first.runs, second.runs, strict=False):
        after.run = SourceRun(
            project=before.run.project,
            run_id=before.run.run_id,
            kind=before.run.kind,
            sys_id=before.run.sys_id,
            trashed=after.run.trashed,
        )
        kept = list(before.values)[::2]
        after.values = {
            **{path: before.values[path] for path in kept if path not in after.series},
            **after.values,
        }
        after.series |= {
            path: one for path, one in before.series.items() if path not in after.values
        }
    del second.runs[len(first.runs) :]
    for run in (*first.runs, *second.runs):
        run.series = {path: one for path, one in run.series.items() if one[1]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        back_up(first, folder)
        kept = {(run.run.project, run.run.kind, run.run.run_id) for run in second.runs}
        report = back_up(second, folder, verify=True)
        assert all(run.verified for run in report.runs), report
        second.runs += [
            run for run in first.runs if (run.run.project, run.run.kind, run.run.run_id) not in kept
        ]
        assert_equal(second, BackupSource(folder))
        assert not [path for path in folder.rglob(".*") if path.name.endswith((".part", ".old"))]


@given(st.data())
def test_a_store_comes_back_equal_from_a_backup(data: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_store(folder / "a.db") as store, open_store(folder / "b.db") as other:
            for project in data.draw(st.lists(exchange.PROJECTS, max_size=2, unique=True)):
                runs = data.draw(st.lists(exchange.RUNS, max_size=4))
                exchange.fill(store, project, runs, data.draw)
            rows = data.draw(exchange.ROWS)
            if rows:
                run = store.create_run(RunSpec(project="local/table", run_id="rows"))
                with closing(store.open_writer(run.key)) as writer:
                    for row in rows:
                        writer.log_event(row)
            if data.draw(st.booleans(), "compacted"):
                store.compact(events=True)
            report = back_up(
                StoreSource(store), folder / "saved", zone=data.draw(ZONES), verify=True
            )
            assert report.is_complete, report
            if not report.runs:
                return
            report = restore(folder / "saved", other, verify=True)
            assert report.is_complete, report
            exchange.assert_equal(store, other)
            again = restore(folder / "saved", other)
            assert {run.outcome for run in again.runs} == {Outcome.PRESENT}
