"""`backup` and `restore`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mooring.cli import backup as commands
from mooring.cli.commands import make_group
from mooring.errors import InvalidInput
from mooring.exchange.targets.backup import Answers, ask_questions


@pytest.fixture
def mooring() -> Any:
    """Run one of the two commands with these arguments."""
    group: typer.Typer = make_group("Only these.")
    commands.add_to(group)
    return lambda *arguments: CliRunner().invoke(group, [str(one) for one in arguments])


def test_there_and_back(mooring: Any, store: str, tmp_path: Path) -> None:
    done = mooring("backup", "saved", "--store", store, "--verify", "--json")
    assert done.exit_code == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert (row["project"], row["done"], row["verified"]) == ("team/digits", 2, 2)
    again = json.loads(mooring("backup", "saved", "--store", store, "--json").stdout)
    assert again[0]["present"] == 2
    back = mooring("restore", "saved", "--store", "new.db", "--verify", "--json")
    assert back.exit_code == 0, back.stderr
    [row] = json.loads(back.stdout)
    assert (row["done"], row["verified"]) == (2, 2)
    assert "restored into new.db" in back.stderr


def test_dry_runs_make_nothing(mooring: Any, store: str, tmp_path: Path) -> None:
    done = mooring("backup", "saved", "--store", store, "--dry-run")
    assert (done.exit_code, Path("saved").exists()) == (0, False)
    mooring("backup", "saved", "--store", store)
    done = mooring("restore", "saved", "--store", "new.db", "--dry-run")
    assert (done.exit_code, Path("new.db").exists()) == (0, False)


def test_selection(mooring: Any, store: str) -> None:
    done = mooring("backup", "saved", "--store", store, "-r", "^alpha$", "--json")
    assert json.loads(done.stdout)[0]["runs"] == 1
    query = "`params/lr`:float < 0.05"
    done = mooring("backup", "saved", "--store", store, "-q", query, "--json")
    assert json.loads(done.stdout)[0]["runs"] == 1
    assert sorted(path.name for path in Path("saved/team/digits").glob("DIG*")) == [
        "DIG-1",
        "DIG-2",
    ]


def test_damage_is_told_with_exit_code_3(mooring: Any, store: str) -> None:
    mooring("backup", "saved", "--store", store)
    csv = Path("saved/team/digits/DIG-1/loss.csv")
    csv.write_text(csv.read_text() + "11.0,1.0,2025-01-01 00:00:00\n")
    done = mooring("restore", "saved", "--store", "new.db")
    assert done.exit_code == 3
    assert "'loss'" in done.stderr
    assert "loss.csv is damaged" in done.stderr
    done = mooring("backup", "saved", "--store", store, "--full", "--verify")
    assert done.exit_code == 0, done.stderr


def test_what_is_no_backup_makes_no_store(mooring: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("none", "empty"):
        done = mooring("restore", name, "--store", "new.db")
        assert (done.exit_code, done.stdout) == (1, "")
    assert not Path("new.db").exists()
    assert mooring("restore", "empty", "--timezone", "Mars/Base").exit_code == 2


def test_without_a_terminal_the_folder_has_to_be_named(mooring: Any, store: str) -> None:
    done = mooring("backup", "--store", store)
    assert done.exit_code == 2
    assert "FOLDER" in done.stderr


def test_the_scripts_trees_are_restored(mooring: Any) -> None:
    run = Path("saved/team/digits/DIG-7")
    run.mkdir(parents=True)
    names = ("id", "creation_time", "owner", "modification_time", "trashed")
    values = {f"sys/{name}": "x" for name in names} | {"kinds": "{'a'}"}
    (run / "simple_metadata.json").write_text(json.dumps(values))
    (run / "codes.csv").write_text("step,value,timestamp\n0.0,7,2025-01-01 00:00:00\n")
    done = mooring(
        *("restore", "saved", "--store", "new.db", "--timezone", "Europe/Warsaw", "--json"),
        *("--string-set", "kinds", "--string-series", "^codes$", "--verify"),
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["done"] == 1


def asked(text: str, known: tuple[str, ...] = ("team/a", "team/b")) -> tuple[Answers, str]:
    words = io.StringIO()
    return ask_questions(known, answers=io.StringIO(text), words=words), words.getvalue()


def test_the_three_questions_of_the_script() -> None:
    answers, words = asked("saved\ny\nteam/b,team/a\n")
    assert answers == Answers("saved", True, ("team/b", "team/a"))
    places = [words.index(text) for text in ("folder", "artifacts", "team/a", "Projects to")]
    assert places == sorted(places)
    assert asked("\nyes\nall\n")[0] == Answers(".", False, ("team/a", "team/b"))
    for text in ("\n\nteam/c\n", "\n\n\n", "\n", ""):
        with pytest.raises(InvalidInput):
            asked(text)
    with pytest.raises(InvalidInput, match="no projects"):
        asked("\n\nall\n", ())
