"""The public surface: what is promised is there, and loads only when it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mooring

HEAVY = ("pandas", "pyarrow", "duckdb", "numpy", "polars")


def run_python(code: str, tmp_path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    return done.stdout.strip()


def type_checking_names() -> set[str]:
    tree = ast.parse(Path(mooring.__file__).read_text())
    return {
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def test_exports_and_the_lazy_table_agree() -> None:
    assert mooring.__all__ == sorted(mooring.__all__)
    lazy = {*mooring._HOMES, "errors"}
    assert {*mooring.__all__} == lazy | {"__version__"}
    assert type_checking_names() == lazy
    assert dir(mooring) == mooring.__all__


@pytest.mark.parametrize("name", mooring.__all__)
def test_every_export_is_there(name: str) -> None:
    assert getattr(mooring, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'mooring' has no attribute 'Trakcer'"):
        _ = mooring.Trakcer  # type: ignore[attr-defined]


def test_import_loads_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, mooring; print([name for name in sys.modules if name.startswith('mooring')])"
    )
    assert run_python(code, tmp_path) == "['mooring']"


def test_logging_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys, mooring
logs = {{"logs_path": "logs", "jsonl": "rows.jsonl"}}
with mooring.Tracker("track.db", params={{"lr": 0.1}}, **logs) as tracker:
    tracker.log({{"loss": 0.5, "path": [1, 2]}})
    tracker.logger.monitor({{"drift": [1, 2]}})
    tracker.log_batch([{{"loss": 0.5}}])
with mooring.Run("p", store="runs.db", tags=["a"], params={{"a": {{"b": 1}}}}) as run:
    for step in range(100):
        run.log({{"loss": 0.5, "train": {{"acc": 1}}}}, step=step)
    run["model"].upload(b"weights")
    run["text"].append("hello")
    run["x"].extend([1, 2, 3], steps=[1, 2, 3])
    run.log({{"h": mooring.Histogram(edges=(0.0, 1.0), values=(1.0,))}})
with mooring.init("p", store="runs.db", config={{"lr": 1}}) as run:
    mooring.log({{"loss": 1.0}})
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert run_python(code, tmp_path) == "[]"
