"""Every example runs as its page says, in a folder of its own, twice in a row."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/main.py"))
DEMO = "04_main_job"

TOLD = {
    "01_ten_lines": ["params/lr", "PAR-1"],
    "02_tracker_table": ["total_ms", "heap_sorted"],
    "03_typed_runs": ["example,resumed", "50 of them from its parent", "math domain error"],
    "05_query": ["6,000 rows", "closest: gambler-3-0.5", "at position 25"],
}
"""What each of them says among other things."""


def run_example(name: str, *arguments: str, folder: Path) -> str:
    """Run an example in `folder`; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name / "main.py"), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONWARNINGS": "error::ResourceWarning", "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # matplotlib may tell that it builds its cache of fonts; none of the others has anything to say
    assert name == DEMO or done.stderr == ""
    return done.stdout


def test_every_example_is_tested_and_numbered() -> None:
    assert sorted([*TOLD, DEMO]) == FOLDERS
    assert [int(name.partition("_")[0]) for name in FOLDERS] == list(range(1, len(FOLDERS) + 1))


@pytest.mark.parametrize("name", TOLD)
def test_example_runs_and_runs_again(name: str, tmp_path: Path) -> None:
    for _ in range(2):
        printed = run_example(name, folder=tmp_path)
        assert [part for part in TOLD[name] if part not in printed] == []
        assert list(tmp_path.iterdir()) == [tmp_path / "demo-out"]
        assert list((tmp_path / "demo-out").iterdir()) == [tmp_path / "demo-out" / name]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo twice, the second time over what the first one left."""
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("demo")
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("not the demo's to delete")
    run_example(DEMO, "out", "--quick", folder=folder)
    return folder / "out", run_example(DEMO, "out", "--quick", folder=folder)


def test_demo_finds_the_spike_that_it_made(demo: tuple[Path, str]) -> None:
    _, printed = demo
    assert "Run sgd-0.3-128 has a loss of" in printed
    assert "at step 257." in printed
    assert '"labels of this batch are shifted by one row"' in printed


def test_demo_leaves_pictures_and_what_was_there(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".png", ".txt"))
    assert names == ["comparison.png", "confusion.png", "mine.txt", "mistakes.png"]
    for name in names[:2]:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_demo_replaces_its_runs(demo: tuple[Path, str]) -> None:
    from mooring import ReadOnlyProject

    folder, _ = demo
    with ReadOnlyProject(store=folder / "digits.db") as project:
        assert [run["sys/custom_run_id"] for run in project.list_runs()].count("sgd-0.3-128") == 1


def test_commands_that_the_demo_offers_work(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    offered = [
        line.strip() for line in printed.splitlines() if line.startswith(("  ..", "  sqlite3"))
    ]
    offered = [line for line in offered if "examples" not in line]  # tested above
    assert offered
    for command in offered:
        done = subprocess.run(
            command, shell=True, cwd=folder.parent, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (command, done.stderr)
        assert "sgd-" in done.stdout
