"""What the real trackio leaves on the disk, read as a source."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mooring.errors import SourceUnreadable
from mooring.exchange.importing import import_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources import SourceOptions, detect_source, open_source
from mooring.exchange.sources.trackio import TrackioSource, open_trackio
from mooring.model import AttributeType
from mooring.store import open_store
from tests.e2e.exchange.peer import find_peer

WRITE = """
import numpy as np
import trackio

trackio.init(project="my digits", name="first", config={
    "lr": 0.1, "layers": [1, 2], "opt": {"name": "adam"}, "debug": True, "n": 3,
    "inf": float("inf"),
})
for i in range(50):
    trackio.log({"loss": 1 / (i + 1), "note": f"n{i}", "nested": {"a": i}, "flag": i % 2 == 0})
trackio.log({"odd": float("nan"), "loss": float("-inf")}, step=100)
trackio.log({"image": trackio.Image(np.zeros((4, 4, 3), dtype=np.uint8), caption="c")}, step=101)
trackio.log({"table": trackio.Table(columns=["a"], data=[[1], [2]])}, step=102)
trackio.log({"spread": trackio.Histogram([1, 2, 3, 4])}, step=103)
trackio.log({"page": trackio.Markdown("# hi")}, step=104)
trackio.log_system({"gpu": 0.5})
trackio.alert("title", "text")
trackio.alert("again")
trackio.finish()
trackio.init(project="my digits", name="second")
trackio.log({"loss": 2.0})
trackio.finish()
trackio.init(project="other", name="first")
trackio.log({"loss": 3.0})
trackio.finish()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trackio")
    find_peer("trackio").run(WRITE, cwd=folder, TRACKIO_DIR=str(folder / "data"))
    return folder / "data"


@pytest.fixture
def source(folder: Path) -> Iterator[TrackioSource]:
    source = open_trackio(folder)
    yield source
    source.close()


def first(source: TrackioSource) -> SourceRun:
    return source.list_runs("local/mydigits")[0]


def test_runs(source: TrackioSource) -> None:
    assert source.list_projects() == ["local/mydigits", "local/other"]
    runs = source.list_runs("local/mydigits")
    assert [run.name for run in runs] == ["first", "second"]
    assert all(run.created and not run.incomplete for run in runs)
    assert len({run.run_id for run in runs}) == 2


def test_configuration(source: TrackioSource) -> None:
    values = source.read_values(first(source))
    expected = {
        "config/lr": 0.1,
        "config/n": 3,
        "config/layers": "[1,2]",
        "config/opt/name": "adam",
        "config/debug": True,
        "config/inf": math.inf,
    }
    assert {path: values[path] for path in expected} == expected


def test_series(source: TrackioSource) -> None:
    run = first(source)
    counts = {each.path: (each.type.value, each.count) for each in source.list_series(run)}
    assert counts == {
        "loss": ("float_series", 51),
        "flag": ("float_series", 50),
        "nested/a": ("float_series", 50),
        "odd": ("float_series", 1),
        "system/gpu": ("float_series", 1),
        "note": ("string_series", 50),
        "table": ("string_series", 1),
        "page": ("string_series", 1),
        "alerts": ("string_series", 2),
        "spread": ("histogram_series", 1),
        "image": ("file_series", 1),
    }
    loss = source.read_points(run, AttributeType.FLOAT_SERIES, ["loss"]).to_pydict()
    assert loss["step"] == [*(i * 1_000_000 for i in range(50)), 100_000_000]
    assert loss["value"] == [*(1 / (i + 1) for i in range(50)), -math.inf]
    (odd,) = source.read_points(run, AttributeType.FLOAT_SERIES, ["odd"])["value"].to_pylist()
    assert math.isnan(odd)
    texts = source.read_points(run, AttributeType.STRING_SERIES, ["table", "page", "alerts"])
    assert texts["value"].to_pylist() == [
        "warn: title: text",
        "warn: again",
        "# hi",
        '[{"a":1},{"a":2}]',
    ]
    (spread,) = source.read_points(run, AttributeType.HISTOGRAM_SERIES)["value"].to_pylist()
    assert sum(spread["values"]) == 4
    assert len(spread["edges"]) == len(spread["values"]) + 1


def test_files(source: TrackioSource) -> None:
    (image,) = source.read_points(first(source), AttributeType.FILE_SERIES)["value"].to_pylist()
    with source.open_file(SourceFile(location=image["location"])) as stream:
        content = stream.read()
    assert content.startswith(b"\x89PNG")
    assert image["size_bytes"] == len(content)
    assert [str(problem).partition("): ")[2] for problem in source.problems.named] == [
        "1 captions of media were left out: a store has no place for them"
    ]


def test_one_project(folder: Path) -> None:
    source = open_trackio(folder, project="other")
    assert source.list_projects() == ["local/other"]
    assert open_trackio(folder / "other.db").list_projects() == ["local/other"]
    before = set(folder.iterdir())
    source.read_values(source.list_runs("local/other")[0])
    assert set(folder.iterdir()) == before


def test_bad_rows_are_told_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mydigits.db"
    with (
        closing(sqlite3.connect(folder / "mydigits.db")) as whole,
        closing(sqlite3.connect(copy)) as connection,
    ):
        whole.backup(connection)
        with connection:
            connection.execute("UPDATE metrics SET metrics = '{' WHERE id = 2")
            connection.execute("UPDATE metrics SET timestamp = 'never' WHERE id = 3")
            connection.execute(
                "UPDATE metrics SET metrics = ? WHERE id = 4",
                ('{"loss": "words", "away": {"_type": "x", "file_path": "../../etc/hosts"}}',),
            )
    (tmp_path / "foreign.db").write_bytes(b"no database")
    source = open_trackio(tmp_path)
    counts = {each.path: each.count for each in source.list_series(first(source))}
    assert (counts["loss"], counts["nested/a"]) == (48, 47)
    assert "image" not in counts  # media were not copied
    told = [str(problem) for problem in source.problems.named]
    assert len(told) == 6
    assert "no SQLite file" in told[0]
    assert "metrics row 2 of" in told[1]
    assert "'never' is no time" in told[2]
    assert "attribute 'loss'" in told[3]
    assert "lies outside of" in told[4]
    assert "cannot be read" in told[5]


def test_import(source: TrackioSource, folder: Path, tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        first = import_runs(source, store, verify=True)
        again = import_runs(open_trackio(folder), store, verify=True)
    assert all(run.verified for run in first.runs)
    assert {run.outcome for run in first.runs} == {Outcome.DONE, Outcome.PARTLY}
    # What a store cannot hold is told again; nothing is changed.
    assert {run.outcome for run in again.runs} == {Outcome.PRESENT, Outcome.PARTLY}


def test_is_known_by_its_looks(folder: Path) -> None:
    assert detect_source(str(folder)) == "trackio"
    source = open_source(str(folder), options=SourceOptions(project="team/digits"))
    assert source.list_projects()
    source.close()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="nothing is at"):
        open_trackio(tmp_path / "missing")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE metrics (a)")
    with pytest.raises(SourceUnreadable, match="no runs of trackio"):
        open_trackio(tmp_path)
