"""`mooring import` of exports, and `mooring summary`: options, exit codes, misuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mooring.exchange.sources.store import StoreSource
from mooring.store import open_store


@pytest.fixture
def exports(mooring: Any, store: str) -> str:
    """The export of runs `alpha` and `beta`."""
    assert mooring("export", "--store", store).exit_code == 0
    return "exports"


def runs(store: str) -> Mapping[str, list[str]]:
    with open_store(store, read_only=True) as opened:
        source = StoreSource(opened)
        return {
            project: sorted(run.run_id for run in source.list_runs(project))
            for project in source.list_projects()
        }


def test_without_a_command_runs_are_meant(mooring: Any, exports: str) -> None:
    done = mooring("import", exports, "--store", "new.db", "--verify", "--json")
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["runs"], row["done"], row["verified"]) == (2, 2, 2)
    assert runs("new.db") == {"team/digits": ["alpha", "beta"]}
    assert "imported into new.db" in done.stderr
    again = mooring("import", "runs", exports, "--store", "new.db", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)[0]["present"] == 2


@pytest.mark.parametrize("place", ["exports", "exports/", "exports/data", "./exports/data/"])
def test_the_folder_or_its_data(mooring: Any, exports: str, place: str) -> None:
    done = mooring("import", place, "--store", "new.db")
    assert done.exit_code == 0, done.stderr
    assert runs("new.db") == {"team/digits": ["alpha", "beta"]}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--into", "my/own"], {"my/own": ["alpha", "beta"]}),
        (["-r", "beta"], {"team/digits": ["beta"]}),
        (["-p", "team/digits"], {"team/digits": ["alpha", "beta"]}),
        (["--from", "parquet"], {"team/digits": ["alpha", "beta"]}),
        (["--attach", "link"], {"team/digits": ["alpha", "beta"]}),
        (["-c", "metrics"], {"team/digits": ["alpha", "beta"]}),
        (["--exclude", "files", "--verify"], {"team/digits": ["alpha", "beta"]}),
        (["-a", "loss", "--no-models", "--verify"], {"team/digits": ["alpha", "beta"]}),
    ],
)
def test_options(mooring: Any, exports: str, options: list[str], found: object) -> None:
    done = mooring("import", exports, "--store", "new.db", *options)
    assert done.exit_code == 0, done.stderr
    assert runs("new.db") == found


def test_a_dry_run_changes_nothing(mooring: Any, exports: str) -> None:
    done = mooring("import", exports, "--store", "new.db", "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["planned"], row["points"]) == (2, 22)
    assert not list(Path().glob("new.db*"))
    assert mooring("import", exports, "-r", "alpha", "--store", "new.db").exit_code == 0
    before = Path("new.db").read_bytes()
    done = mooring("import", exports, "--store", "new.db", "--dry-run", "--json")
    (row,) = json.loads(done.stdout)
    assert (row["planned"], row["present"]) == (1, 1)
    assert Path("new.db").read_bytes() == before


def test_a_time_zone_does_not_move_times_that_mooring_wrote(
    mooring: Any, exports: str, store: str
) -> None:
    done = mooring(
        "import", exports, "--store", "new.db", "--timezone", "America/New_York", "--verify"
    )
    assert done.exit_code == 0, done.stderr
    again = mooring("import", store, "--store", "new.db", "--json")
    assert json.loads(again.stdout)[0]["present"] == 2, again.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--timezone", "Mars/Olympus"], "Mars/Olympus"),
        (["--timezone", "../../etc/passwd"], "no time zone"),
        (["--attach", "move"], "move"),
        (["-c", "metrics", "--exclude", "files"], "contradict"),
    ],
)
def test_misuse(mooring: Any, exports: str, options: list[str], word: str) -> None:
    done = mooring("import", exports, "--store", "new.db", *options)
    assert done.exit_code == 2
    assert word in done.stderr
    assert not Path("new.db").exists()


def test_without_a_source(mooring: Any) -> None:
    assert mooring("import").exit_code == 2


@pytest.mark.parametrize("place", ["nowhere", "empty", "notes.txt"])
def test_what_is_nothing_to_import(mooring: Any, place: str) -> None:
    Path("empty").mkdir()
    Path("notes.txt").write_text("notes")
    done = mooring("import", place, "--store", "new.db")
    assert done.exit_code == 1
    assert place in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("new.db").exists()
    assert mooring("summary", place).exit_code == 1


@pytest.mark.parametrize(
    "options", [["--from", "floppy"], ["-p", "team/digit"], ["--into", "a/b/c"], ["-r", "("]]
)
def test_what_cannot_be_done(mooring: Any, exports: str, options: list[str]) -> None:
    done = mooring("import", exports, "--store", "new.db", *options)
    assert done.exit_code in (1, 2)
    assert "Traceback" not in done.stderr
    assert not Path("new.db").exists() or runs("new.db") == {}


def test_damage_is_told_and_the_rest_comes_in(mooring: Any, exports: str) -> None:
    (part,) = Path(exports).rglob("alpha-*_part_0.parquet")
    data = bytearray(part.read_bytes())
    data[60] ^= 1
    part.write_bytes(data)
    for _ in range(2):
        done = mooring("import", exports, "--store", "new.db", "--verify", "--json")
        assert done.exit_code == 3
        (row,) = json.loads(done.stdout)
        assert row["partly"] == 1
        assert row["done"] + row["present"] == 1
        assert part.name in done.stderr
        assert "run 'alpha'" in done.stderr
    summary = mooring("summary", exports, "--json")
    assert summary.exit_code == 3
    assert json.loads(summary.stdout)["projects"][0]["incomplete"] == 1


def test_a_conflict_is_told_and_nothing_is_changed(mooring: Any, exports: str, store: str) -> None:
    assert mooring("import", exports, "--store", "new.db").exit_code == 0
    with open_store("new.db") as opened:
        run = opened.find_run("team/digits", run_id="beta")
        assert run is not None
        writer = opened.open_writer(run.key)
        writer.assign({"params/lr": 0.75})
        writer.close()
    done = mooring("import", exports, "--store", "new.db", "--json")
    assert done.exit_code == 3
    (row,) = json.loads(done.stdout)
    assert (row["conflict"], row["present"]) == (1, 1)
    assert "'beta'" in done.stderr
    assert "params/lr" in done.stderr
    with open_store("new.db") as opened:
        run = opened.find_run("team/digits", run_id="beta")
        assert run is not None
        assert opened.get_value(run.key, "params/lr")[1] == 0.75


def test_a_store_is_imported_too(mooring: Any, store: str) -> None:
    done = mooring("import", store, "--store", "new.db", "--verify", "--json")
    assert done.exit_code == 0, done.stderr
    assert runs("new.db") == {"team/digits": ["alpha", "beta"]}


# summary


def test_a_store_and_its_export_have_the_same_summary(
    mooring: Any, store: str, exports: str
) -> None:
    of_store, of_export = (
        json.loads(mooring("summary", place, "--format", "json").stdout)
        for place in (store, exports)
    )
    assert of_store["projects"] == of_export["projects"]
    (project,) = of_store["projects"]
    assert (project["project"], project["runs"], project["points"]) == ("team/digits", 2, 22)
    assert project["attributes"]["float_series"] == 1
    assert project["largest_runs"] == [{"run": "alpha", "points": 22}]
    assert of_store["incomplete"] == of_store["problems"] == []


def test_a_summary_as_tables(mooring: Any, exports: str) -> None:
    done = mooring("summary", exports)
    assert done.exit_code == 0, done.stderr
    for word in ("team/digits", "float_series", "alpha"):
        assert word in done.stdout
    assert mooring("summary", "--data-path", "exports/data").exit_code == 0


def test_a_summary_of_the_store_of_the_environment(
    mooring: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_STORE", store)
    assert "team/digits" in mooring("summary").stdout
