"""Trees that Neptune's bulk backup script wrote: made here by its rules, with pandas and json."""

from __future__ import annotations

import json
import math
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.importing import import_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources.backup import BackupSource, ScriptRules
from mooring.exchange.targets.backup import back_up
from mooring.model import AttributeType, Typed
from mooring.store import open_store
from tests.unit.exchange.backup.memory import MemoryRun, MemorySource, simple_run

BERLIN = ScriptRules(zone="Europe/Berlin")
FLOATS, STRINGS = AttributeType.FLOAT_SERIES, AttributeType.STRING_SERIES
FILES = AttributeType.FILE_SERIES

METADATA: dict[str, Any] = {
    "sys/id": "DIG-1",
    "sys/custom_run_id": "calm-heron",
    "sys/name": "baseline",
    "sys/owner": "ada",
    "sys/creation_time": datetime(2025, 1, 1, tzinfo=UTC),
    "sys/modification_time": datetime(2025, 1, 1, 0, 0, 1, 500000, tzinfo=UTC),
    "sys/tags": {"best", "it's"},
    "sys/group_tags": set(),
    "sys/trashed": False,
    "params/lr": 0.1,
    "params/epochs": 10,
    "params/amp": True,
    "params/whole": 1.0,
    "params/nan": math.nan,
    "params/low": -math.inf,
    "note": "{'not', 'a', 'tag'}",
    "text/time": "2025-01-01 00:00:00",
}


def write_json(run: Path, values: dict[str, Any]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    with (run / "simple_metadata.json").open("w") as file:
        json.dump(values, file, indent=4, sort_keys=True, default=str)


def write_csv(path: Path, steps: list[float], values: list[Any], times: list[datetime]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"step": steps, "value": values, "timestamp": times})
    frame.to_csv(path, index=False)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    run = tmp_path / "saved" / "team" / "digits" / "DIG-1"
    write_json(run, METADATA)
    write_csv(
        run / "metrics" / "loss.csv",
        [0.0, 0.5, 1.0],
        [0.25, math.nan, math.inf],
        [local("2025-07-01 02:00:00.123"), local("2025-07-01 02:00:01"), local("2025-07-01")],
    )
    write_csv(
        run / "logs" / "out.csv",
        [0.0, 1.0],
        ['epoch 1, "go"\nnext line', "2"],
        [local("2025-01-01 01:00:00"), local("2025-01-01 01:00:01")],
    )
    write_csv(
        run / "monitoring" / "abc" / "stdout.csv", [0.0], ["42"], [local("2025-01-01 01:00:00")]
    )
    pd.DataFrame().to_csv(run / "empty.csv", index=False)
    (run / "model").mkdir()
    (run / "model" / "ckpt.pt").write_bytes(b"weights")
    (run / "model" / "noext.").write_bytes(b"plain")
    (run / "data.csv").write_text("a,b\n1,2\n")
    (run / "source_code").mkdir()
    with zipfile.ZipFile(run / "source_code" / "files.zip", "w") as archive:
        archive.writestr("train.py", "pass")
    (run / "img").mkdir()
    for index in range(11):
        (run / "img" / f"{index}.png").write_bytes(b"png %d" % index)
    (run / "train" / "set").mkdir(parents=True)
    (run / "train" / "set" / "IMG1.jpg").write_bytes(b"jpg")
    (run / "train" / "set" / "IMG1.png").write_bytes(b"png")
    return run


def open_tree(run_folder: Path, rules: ScriptRules = BERLIN) -> tuple[BackupSource, SourceRun]:
    source = BackupSource(run_folder.parents[2], rules=rules)
    [run] = source.list_runs("team/digits")
    return source, run


def test_the_run_is_told_by_its_metadata(run_folder: Path) -> None:
    source, run = open_tree(run_folder)
    assert source.list_projects() == ["team/digits"]
    assert (run.run_id, run.sys_id, run.name) == ("calm-heron", "DIG-1", "baseline")
    assert run.created == 1_735_689_600_000_000
    assert (run.incomplete, run.trashed) == ("", False)


def test_values_have_the_types_that_their_texts_tell(run_folder: Path) -> None:
    source, run = open_tree(run_folder)
    values = source.read_values(run)
    assert values["sys/tags"] == frozenset({"best", "it's"})
    assert values["sys/group_tags"] == frozenset()
    assert values["sys/modification_time"] == datetime(2025, 1, 1, 0, 0, 1, 500000, tzinfo=UTC)
    assert (values["params/epochs"], values["params/amp"]) == (10, True)
    assert type(values["params/whole"]) is float
    assert math.isnan(values["params/nan"])  # type: ignore[arg-type]
    assert values["params/low"] == -math.inf
    assert values["note"] == "{'not', 'a', 'tag'}"
    assert values["text/time"] == "2025-01-01 00:00:00"


def test_what_is_guessed_can_be_told(run_folder: Path) -> None:
    rules = ScriptRules(
        zone="UTC", datetimes=False, string_sets=("note",), string_series=("^metrics/loss$",)
    )
    source, run = open_tree(run_folder, rules)
    values = source.read_values(run)
    assert values["note"] == frozenset({"not", "a", "tag"})
    assert values["sys/tags"] in ("{'best', \"it's\"}", "{\"it's\", 'best'}")
    assert values["sys/creation_time"] == "2025-01-01 00:00:00+00:00"
    assert run.created == 1_735_689_600_000_000
    types = {one.path: one.type for one in source.list_series(run)}
    assert types["metrics/loss"] is STRINGS
    # without a pattern for it a log of numbers looks like a metric
    assert types["monitoring/abc/stdout"] is FLOATS


def test_series_in_local_time(run_folder: Path) -> None:
    source, run = open_tree(run_folder)
    types = {one.path: one.type for one in source.list_series(run)}
    assert types == {
        "metrics/loss": FLOATS,
        "logs/out": STRINGS,
        "monitoring/abc/stdout": STRINGS,
        "img": FILES,
    }
    points = source.read_points(run, FLOATS)
    assert points["step"].to_pylist() == [0, 500_000, 1_000_000]
    first, *_ = points["time"].to_pylist()
    assert first == 1_751_328_000_123_000  # 2025-07-01 00:00:00.123 UTC
    values = points["value"].to_numpy()
    assert values[0] == 0.25
    assert np.isnan(values[1])
    assert values[2] == math.inf
    texts = source.read_points(run, STRINGS, ["logs/out"])
    assert texts["value"].to_pylist() == ['epoch 1, "go"\nnext line', "2"]
    assert texts["time"].to_pylist() == [1_735_689_600_000_000, 1_735_689_601_000_000]


def test_an_empty_series_is_told_of(run_folder: Path) -> None:
    assert (run_folder / "empty.csv").read_bytes() == b"\n"
    source, run = open_tree(run_folder)
    source.list_series(run)
    [problem] = source.problems.named
    assert problem.what == "empty"
    assert "no points" in problem.why


def test_files(run_folder: Path) -> None:
    source, run = open_tree(run_folder)
    values = source.read_values(run)
    files = {path: value for path, value in values.items() if isinstance(value, SourceFile)}
    assert {path: file.name for path, file in files.items()} == {
        "model/ckpt": "ckpt.pt",
        "model/noext": "noext",
        "data": "data.csv",
        # they differ in their extension alone
        "train/set/IMG1.jpg": "IMG1.jpg",
        "train/set/IMG1.png": "IMG1.png",
    }
    with source.open_file(files["model/ckpt"]) as content:
        assert content.read() == b"weights"
    code = values["source_code/files"]
    assert isinstance(code, Typed)
    assert code.type is AttributeType.FILE_SET
    images = source.read_points(run, FILES, ["img"])
    assert images["step"].to_pylist() == [index * 1_000_000 for index in range(11)]
    assert images["value"].to_pylist()[10]["name"] == "10.png"
    assert set(images["time"].to_pylist()) == {run.created}


def test_a_run_that_was_cut(run_folder: Path) -> None:
    write_json(run_folder, {"params/lr": 0.1, "sys/id": "DIG-1"})
    _, run = open_tree(run_folder)
    assert "sys/trashed" in run.incomplete
    text = json.dumps(METADATA, indent=4, default=str)
    (run_folder / "simple_metadata.json").write_text(text[:100])
    source, run = open_tree(run_folder)
    assert "is cut or no JSON" in run.incomplete
    assert run.run_id == "DIG-1"
    assert len(source.list_series(run)) == 4
    (run_folder / "simple_metadata.json").unlink()
    _, run = open_tree(run_folder)
    assert "cannot be read" in run.incomplete


def test_the_log_tells_where_a_run_was_cut(run_folder: Path) -> None:
    log = (
        "2025-01-02 00:00:00 root INFO Fetching metadata of DIG-1\n"
        "2025-01-02 00:00:01 root ERROR Error while downloading model/big\n"
        "HTTP 500\n"
    )
    _, run = open_tree(run_folder, ScriptRules(zone="UTC", log=log))
    assert run.incomplete == "the script failed at model/big: HTTP 500"


def test_bad_files_cost_no_more_than_themselves(run_folder: Path) -> None:
    write_json(run_folder, {**METADATA, "deep": {"a": 1}, "big": 2**70, "bad\npath": 1})
    (run_folder / "metrics" / "bad.csv").write_text("step,value,timestamp\nx,1,2025-01-01\n")
    (run_folder / "metrics" / "odd.csv").write_text("step,value,timestamp\n1,1\n")
    (run_folder / "metrics" / "when.csv").write_text("step,value,timestamp\n1,1,soon\n")
    (run_folder / "secret.txt").symlink_to("/etc/passwd")
    (run_folder / "back\\slash.txt").write_text("x")
    (run_folder / "line\nend.txt").write_text("x")
    (run_folder / "caf\udce9.txt").write_text("no UTF-8")
    source, run = open_tree(run_folder)
    values = source.read_values(run)
    assert values["params/lr"] == 0.1
    for series in source.list_series(run):
        source.read_points(run, series.type, [series.path])
    told = " | ".join(map(str, source.problems.named))
    for name in ("deep: ", "big: ", "bad.csv", "odd.csv", "when.csv", "secret.txt", "bad\\npath"):
        assert name in told, told
    assert "line\\nend" in told
    assert "caf\\udce9" in told
    assert "back\\slash" in values
    assert "run 'DIG-1'" in told
    assert source.read_points(run, FLOATS, ["metrics/loss"]).num_rows == 3


def test_what_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="no folder"):
        BackupSource(tmp_path / "none")
    with pytest.raises(SourceUnreadable, match="holds no backup"):
        BackupSource(tmp_path)
    (tmp_path / "a" / "b" / "notes").mkdir(parents=True)
    source = BackupSource(tmp_path)
    assert source.list_runs("a/b") == []
    assert "no run's name" in source.problems.named[0].why
    with pytest.raises(InvalidInput, match="no time zone"):
        BackupSource(tmp_path, rules=ScriptRules(zone="Mars/Base"))


def test_a_tree_comes_into_a_store(run_folder: Path) -> None:
    (run_folder / "empty.csv").unlink()
    source, _ = open_tree(run_folder)
    with open_store(":memory:") as store:
        report = import_runs(source, store, verify=True)
        [run] = report.runs
        assert (run.outcome, run.verified, run.missing) == (Outcome.DONE, True, ())
        again = import_runs(source, store)
        assert [run.outcome for run in again.runs] == [Outcome.PRESENT]


def test_our_files_are_what_the_script_would_write(tmp_path: Path, run_folder: Path) -> None:
    """The same run through our own writer gives the same bytes, but for the zone."""
    source, run = open_tree(run_folder, ScriptRules(zone="UTC"))
    again = tmp_path / "again"
    back_up(source, again)
    copied = again / "team" / "digits" / "DIG-1"
    lines = (run_folder / "simple_metadata.json").read_text().splitlines()
    assert [line if "sys/tags" not in line else "tags" for line in lines] == [
        line if "sys/tags" not in line else "tags"
        for line in (copied / "simple_metadata.json").read_text().splitlines()
    ]
    names = ["metrics/loss.csv", "logs/out.csv", "monitoring/abc/stdout.csv"]
    names += ["model/ckpt.pt", "model/noext.", "data.csv", "source_code/files.zip"]
    names += [f"img/{index}.png" for index in range(11)]
    for name in names:
        assert (copied / name).read_bytes() == (run_folder / name).read_bytes(), name
    assert run.run_id == "calm-heron"


@pytest.mark.parametrize(
    "times",
    [
        [0, 86_400_000_000],  # days
        [0, 1_000_000],
        [1_000, 2_000_000],
        [1, 2_000_000],
    ],
)
def test_csv_is_what_pandas_writes(tmp_path: Path, times: list[int]) -> None:
    values = [1e-5, 1e22]
    source = MemorySource(
        MemoryRun(
            simple_run(),
            series={
                "x": (
                    FLOATS,
                    [(n * 10**6, t, v) for n, (t, v) in enumerate(zip(times, values, strict=True))],
                )
            },
        )
    )
    back_up(source, tmp_path)
    write_csv(
        tmp_path / "pandas.csv",
        [0.0, 1.0],
        values,
        list(np.array(times, "datetime64[us]")),
    )
    written = (tmp_path / "team" / "digits" / "DIG-1" / "x.csv").read_bytes()
    assert written == (tmp_path / "pandas.csv").read_bytes()
