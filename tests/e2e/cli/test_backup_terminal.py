"""`mooring backup` alone, on a terminal, asks what the bulk backup script asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mooring import Run

pty = pytest.importorskip("pty")

SRC = str(Path(__file__).parents[3] / "src")


def test_three_answers(tmp_path: Path) -> None:
    with Run("team/digits", store=tmp_path / "runs.db", run_id="alpha", on_error="raise") as run:
        run.log({"loss": 0.5}, step=0)
    terminal, its_end = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "mooring", "backup", "--json"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": SRC, "MOORING_STORE": "runs.db"},
            stdin=its_end,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.write(terminal, b"saved\nn\nall\n")
        out, err = process.communicate(timeout=120)
    finally:
        os.close(terminal)
        os.close(its_end)
    assert process.returncode == 0, err.decode()
    assert b'"done": 1' in out
    words = err.decode()
    places = [words.index(text) for text in ("Download folder", "artifacts", "team/digits", "all'")]
    assert places == sorted(places)
    assert (tmp_path / "saved/team/digits/DIG-1/loss.csv").is_file()
