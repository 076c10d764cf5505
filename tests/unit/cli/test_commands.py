"""What every command has in common: help, misuse, errors, the store of the environment."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mooring.cli.app import app
from mooring.errors import StoreNotFound

UPGRADE = Path(__file__).parents[2] / "upgrade"


def _commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not hasattr(command, "commands"):
        yield words
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, (*words, name))


COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_formats(words: tuple[str, ...], mooring: Any) -> None:
    done = mooring(*words, "--help")
    assert done.exit_code == 0
    assert f"  mooring {' '.join(words)}" in done.stdout
    assert "--format" in done.stdout


def test_version(mooring: Any) -> None:
    import mooring as package

    assert mooring("--version").stdout == f"mooring {package.__version__}\n"


def test_help_lists_groups(mooring: Any) -> None:
    done = mooring("--help")
    assert done.exit_code == 0
    assert {words[0] for words in COMMANDS} <= set(done.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("head", "none.db"),
        ("ls", "none.db", "accuracy"),
        ("set", "none.db", "accuracy", "1"),
        ("delete", "none.db", "first-run"),
        ("sql", "none.db", "SELECT 1"),
        ("get", "none.db", "model", "out"),
        ("copy", "none.db", "target.db"),
        ("assets", "ls", "none.db"),
        ("stats", "describe", "none.db"),
        ("plot", "line", "none.db", "accuracy"),
        ("runs", "none.db"),
        ("compact", "none.db"),
        ("doctor", "none.db"),
        ("du", "none.db"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_missing_file_is_an_error_and_stays_missing(
    arguments: tuple[str, ...], mooring: Any, tmp_path: Path
) -> None:
    done = mooring(*arguments)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("mooring: no store at ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_foreign_file_is_an_error(mooring: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database, but long enough to be one" * 100)
    done = mooring("head", "notes.db")
    assert done.exit_code == 1
    assert "notes.db" in done.stderr


def test_store_of_an_older_format_is_read(mooring: Any, tmp_path: Path) -> None:
    shutil.copytree(UPGRADE / "format-1", tmp_path, dirs_exist_ok=True)
    assert mooring("doctor", "runs.db").exit_code == 0
    projects = json.loads(mooring("projects", "runs.db", "--json").stdout)
    assert [bool(project["runs"]) for project in projects] == [True] * len(projects) != []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_store_that_may_not_be_written_is_read(mooring: Any, store: str, tmp_path: Path) -> None:
    expected = mooring("runs", store).stdout
    (tmp_path / store).chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert mooring("runs", store).stdout == expected
        assert mooring("delete", store, "alpha").exit_code == 1
    finally:
        tmp_path.chmod(0o755)


def test_debug_shows_the_traceback(mooring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(mooring("--debug", "head", "none.db").exception, StoreNotFound)
    monkeypatch.setenv("MOORING_DEBUG", "1")
    assert isinstance(mooring("head", "none.db").exception, StoreNotFound)


def test_misuse(mooring: Any, db: str) -> None:
    for arguments in (
        ("head",),
        ("head", db, "--format", "xml"),
        ("head", db, "--json", "--format", "csv"),
        ("head", db, "--n", "-2"),
        ("head", db, "--engine", "mysql"),
        ("hed", db),
        ("set", db, "accuracy", "1", "--where-key", "epoch"),
    ):
        done = mooring(*arguments)
        assert (done.exit_code, done.stdout) == (2, ""), arguments
        assert done.stderr


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_both_engines_are_taken(engine: str, mooring: Any, db: str) -> None:
    assert mooring("head", db, "--engine", engine).stdout == mooring("head", db).stdout


def test_slip_without_a_store_gets_a_hint(mooring: Any) -> None:
    done = mooring("set", "accuracy", "0.8", "--track-id", "ebony-loon-6720")
    assert done.exit_code == 2
    assert "mooring set runs.db accuracy 0.8" in done.stderr
    assert "MOORING_STORE" in done.stderr


def test_store_of_the_environment(mooring: Any, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {
        words: mooring(*words[:1], db, *words[1:]).stdout
        for words in (("head",), ("columns",), ("sql", "SELECT count(*) AS n FROM db.events"))
    }
    monkeypatch.setenv("MOORING_STORE", db)
    for words, printed in expected.items():
        assert printed
        assert mooring(*words).stdout == printed
        assert mooring(words[0], db, *words[1:]).stdout == printed
    assert mooring("set", "accuracy", "-0.25", "--track-id", "second-run").exit_code == 0
    (row,) = json.loads(mooring("tail", "--n", "1", "--json").stdout)
    assert row["accuracy"] == -0.25


def test_named_store_goes_before_the_environment(
    mooring: Any, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_STORE", "none.db")
    assert mooring("head", db).exit_code == 0
    assert mooring("head").exit_code == 1


def test_names_in_errors_are_escaped(mooring: Any, db: str) -> None:
    done = mooring("ls", db, "\x1b[2Jx")
    assert done.exit_code == 1
    assert "\x1b" not in done.stderr
