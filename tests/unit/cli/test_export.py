"""`mooring export`: options, exit codes, misuse."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mooring import Run
from mooring.store import open_store


def exported() -> dict[str, set[str]]:
    """Return the attributes of each exported run."""
    found: dict[str, set[str]] = {}
    for path in Path("exports").rglob("*_part_*.parquet"):
        table = pq.read_table(path, columns=["run_id", "attribute_path"])
        for run, name in zip(*(column.to_pylist() for column in table.columns), strict=True):
            found.setdefault(run, set()).add(name)
    return found


def test_without_a_command_parquet_is_meant(mooring: Any, store: str) -> None:
    done = mooring("export", "--store", store, "--verify", "--json")
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["project"] == "team/digits"
    assert (row["runs"], row["done"], row["verified"], row["points"]) == (2, 2, 2, 22)
    assert set(exported()) == {"alpha", "beta"}
    assert "exported to exports/data and exports/files" in done.stderr
    assert sorted(path.name for path in Path("exports").iterdir()) == ["data", "files"]
    again = mooring("export", "parquet", "--store", store, "--json")
    assert json.loads(again.stdout)[0]["present"] == 2
    over = mooring("export", "--store", store, "--overwrite", "--json")
    assert json.loads(over.stdout)[0]["done"] == 2
    assert not Path("mooring_export_errors.jsonl").exists()


def test_the_store_of_the_environment(
    mooring: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_STORE", store)
    assert mooring("export", "-p", "team/digits").exit_code == 0
    assert set(exported()) == {"alpha", "beta"}


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        (["-p", "team/digits"], {"alpha", "beta"}),
        (["--workspace", "team"], {"alpha", "beta"}),
        (["--workspace", "team", "--project-pattern", "let"], set()),
        (["--workspace", "team", "--project-exclude-pattern", "let"], {"alpha", "beta"}),
        (["-r", "^al"], {"alpha"}),
        (["--runs", "DIG-2"], {"beta"}),
        (["-q", "(`params/lr`:float > 0.05)"], {"alpha"}),
        (["--runs-query", '(`sys/tags`:stringSet CONTAINS "best")'], {"alpha"}),
    ],
)
def test_runs_are_chosen(mooring: Any, store: str, options: list[str], runs: set[str]) -> None:
    done = mooring("export", "--store", store, *options)
    assert done.exit_code == 0, done.stderr
    assert set(exported()) == runs
    assert ("no run of" in done.stderr) == (not runs)


@pytest.mark.parametrize(
    ("options", "there", "not_there"),
    [
        (["-a", "^loss$"], {"loss"}, {"params/lr", "line", "image"}),
        (["-a", "loss", "-a", "params/lr"], {"loss", "params/lr"}, {"line", "image"}),
        (["-c", "metrics"], {"loss"}, {"params/lr", "line", "image"}),
        (["-c", "metrics", "-c", "FILES"], {"loss", "image", "model/weights"}, {"line"}),
        (["--exclude", "files", "--exclude", "series"], {"loss", "params/lr"}, {"line", "image"}),
    ],
)
def test_attributes_are_chosen(
    mooring: Any, store: str, options: list[str], there: set[str], not_there: set[str]
) -> None:
    done = mooring("export", "--store", store, "-r", "alpha", *options, "--verify")
    assert done.exit_code == 0, done.stderr
    assert exported()["alpha"] >= there | {"sys/custom_run_id", "sys/creation_time"}
    assert not exported()["alpha"] & not_there


def test_runs_of_the_trash(mooring: Any, store: str) -> None:
    with open_store(store) as opened:
        run = opened.find_run("team/digits", run_id="beta")
        assert run is not None
        opened.trash_runs([run.key])
    mooring("export", "--store", store)
    assert set(exported()) == {"alpha"}
    mooring("export", "--store", store, "--include-archived-runs")
    assert set(exported()) == {"alpha", "beta"}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["-p", "team/digits", "--workspace", "team"], "--workspace"),
        (["--project-pattern", "x"], "--workspace"),
        (["-c", "metrics", "--exclude", "files"], "contradict"),
        (["-c", "pictures"], "pictures"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_misuse(mooring: Any, store: str, options: list[str], word: str) -> None:
    done = mooring("export", "--store", store, *options)
    assert done.exit_code == 2
    assert word in done.stderr
    assert not Path("exports").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["-p", "team/digit"], "team/digits"),  # what it may have meant
        (["-r", "("], "("),
        (["-q", "loss >"], "loss"),
        (["--source", "floppy"], "floppy"),
        (["--store", "none.db"], "none.db"),
    ],
)
def test_what_cannot_be_done(mooring: Any, store: str, options: list[str], word: str) -> None:
    done = mooring("export", "--store", store, *options)
    assert done.exit_code in (1, 2)
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("exports").exists()
    assert not Path("none.db").exists()


def test_a_dry_run_writes_nothing(mooring: Any, store: str) -> None:
    before = {path: path.stat().st_size for path in Path().rglob("*.parquet")}
    done = mooring("export", "--store", store, "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["planned"] == 2
    assert "would export" in done.stderr
    assert not Path("exports").exists()
    assert {path: path.stat().st_size for path in Path().rglob("*.parquet")} == before


def test_what_is_missing_is_told(mooring: Any, store: str) -> None:
    (blob,) = Path("team.db-data").rglob(hashlib.sha256(b"w" * 1000).hexdigest())
    blob.unlink()
    done = mooring(
        "export", "--store", store, "--error-report-file", "errors.jsonl", "--verify", "--json"
    )
    assert done.exit_code == 3
    (row,) = json.loads(done.stdout)
    assert (row["partly"], row["done"]) == (1, 1)
    assert "run 'alpha', 'model/weights'" in done.stderr
    assert "what is missing is told in errors.jsonl" in done.stderr
    line = json.loads(Path("errors.jsonl").read_text().splitlines()[0])
    assert (line["run_id"], line["attribute_path"]) == ("alpha", "model/weights")
    again = mooring("export", "--store", store, "--error-report-file", "errors.jsonl")
    assert again.exit_code == 3  # still missing, still told


def test_places_of_ones_own(mooring: Any, store: str) -> None:
    done = mooring("export", "--store", store, "-d", "d", "-f", "f/g")
    assert done.exit_code == 0, done.stderr
    assert list(Path("d").rglob("*_part_0.parquet"))
    assert list(Path("f/g").rglob("*.bin")) or list(Path("f/g").rglob("weights*"))
    assert not Path("exports").exists()


def test_a_place_that_cannot_be_written(mooring: Any, store: str) -> None:
    Path("taken").write_text("a file")
    done = mooring("export", "--store", store, "-d", "taken")
    assert done.exit_code in (1, 3)
    assert "taken" in done.stderr
    assert "Traceback" not in done.stderr
    assert Path("taken").read_text() == "a file"


def test_an_export_is_exported_too(mooring: Any, store: str) -> None:
    assert mooring("export", "--store", store).exit_code == 0
    done = mooring(
        "export", "--store", "exports", "-d", "again/data", "-f", "again/files", "--json"
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["done"] == 2


def test_names_with_escapes_are_not_sent_to_the_terminal(mooring: Any) -> None:
    with Run("p", store="odd.db", run_id="r\u202e\x9bx", on_error="raise") as run:
        run.log({"loss": 1.0}, step=1)
    done = mooring("export", "--store", "odd.db", "--verify")
    assert done.exit_code == 0, done.stderr
    assert "\x9b" not in done.stdout + done.stderr
