"""`get` and `assets`: bytes out of the store, and nothing unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from mooring import Tracker

LOADED: list[str] = []


class Model:
    """Tells when it is unpickled."""

    def __setstate__(self, state: dict[str, int]) -> None:
        LOADED.append("loaded")
        self.__dict__.update(state)


@pytest.fixture
def asset() -> str:
    """Log a model; return its hash."""
    model = Model()
    model.weight = 7  # type: ignore[attr-defined]
    with Tracker("runs.db", track_id="first-run", on_error="raise") as tracker:
        row = tracker.log({"accuracy": 0.9, "model": model})
    LOADED.clear()
    return str(row["model"])


@pytest.mark.parametrize(
    "words",
    [
        ("get", "runs.db", "{hash}", "out"),
        ("get", "runs.db", "model", "out"),
        ("get", "runs.db", "model", "{hash}", "out"),
        ("assets", "export", "runs.db", "{hash}", "out"),
        ("assets", "export", "runs.db", "model", "out"),
    ],
    ids=" ".join,
)
def test_export_writes_what_cloudpickle_reads(
    words: tuple[str, ...], mooring: Any, asset: str, tmp_path: Path
) -> None:
    done = mooring(*(word.format(hash=asset) for word in words))
    assert (done.exit_code, done.stdout) == (0, "")
    assert LOADED == []
    with (tmp_path / "out").open("rb") as file:
        assert cloudpickle.load(file).weight == 7
    assert LOADED == ["loaded"]


def test_file_that_is_there_is_kept(mooring: Any, asset: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    done = mooring("get", "runs.db", asset, "out")
    assert done.exit_code == 1
    assert "--overwrite" in done.stderr
    assert (tmp_path / "out").read_text() == "mine"
    assert mooring("get", "runs.db", asset, "out", "--overwrite").exit_code == 0
    assert (tmp_path / "out").read_bytes() == mooring("get", "runs.db", asset, "-").stdout_bytes
    assert sorted(path.name for path in tmp_path.glob(".mooring-*")) == []


def test_unknown_asset(mooring: Any, asset: str, tmp_path: Path) -> None:
    done = mooring("get", "runs.db", "0" * 16, "out")
    assert done.exit_code == 1
    assert "0" * 16 in done.stderr
    assert not (tmp_path / "out").exists()


def test_folder_that_is_missing(mooring: Any, asset: str) -> None:
    done = mooring("get", "runs.db", asset, "nowhere/out")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1


def test_ls_and_delete(mooring: Any, asset: str) -> None:
    def listed() -> list[dict[str, object]]:
        return json.loads(mooring("assets", "ls", "runs.db", "--json").stdout)  # type: ignore[no-any-return]

    assert [(one["hash"], one["key"], one["runs"]) for one in listed()] == [(asset, "model", 1)]
    arguments = ("assets", "delete", "runs.db", asset, "--column", "model")
    assert "would remove" in mooring(*arguments, "--dry-run").stderr
    assert len(listed()) == 1
    assert mooring(*arguments).exit_code == 0
    assert listed() == []
    assert LOADED == []
    (row,) = json.loads(mooring("head", "runs.db", "--json").stdout)
    assert row["model"] is None
    assert mooring(*arguments).exit_code == 1
