"""The console script, as a process of its own: in pipes, on a terminal, from a shell."""

from __future__ import annotations

import errno
import json
import os
import pty
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from mooring import Tracker

SCRIPT = Path(sys.executable).with_name("mooring")
ENVIRONMENT = {
    key: value for key, value in os.environ.items() if not key.startswith(("MOORING_", "NEPTUNE_"))
} | {"PYTHONWARNINGS": "error::ResourceWarning", "COLUMNS": "", "NO_COLOR": ""}


class Model:
    """Something to keep."""

    weight = 7


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [str(SCRIPT), *arguments],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def run_on_terminal(*arguments: str, cwd: Path, width: int = 80) -> tuple[str, int]:
    """Run the script on a pseudo terminal; return what it showed, and its exit code."""
    import fcntl
    import termios

    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {
        key: value for key, value in ENVIRONMENT.items() if key not in ("COLUMNS", "NO_COLOR")
    }
    process = subprocess.Popen(
        [str(SCRIPT), *arguments],
        cwd=cwd,
        env=environment | {"TERM": "dumb"},
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    shown = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # what Linux says at the end
                raise
            break
        if not part:
            break
        shown += part
    os.close(main)
    return shown.decode().replace("\r\n", "\n"), process.wait(timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the text's examples name."""
    params = {"model": "xgboost", "data": "mnist", "params": "1b5b2294fc521d12"}
    for name in ("database.db", "source.db"):
        for track_id in ("crouching-groundhog-5046", "ebony-loon-6720"):
            with Tracker(tmp_path / name, params, track_id=track_id, on_error="raise") as tracker:
                tracker.log({"accuracy": 0.9})
                tracker.log({"accuracy": 0.95, "fitted": Model()})
    return tmp_path


def test_every_example_of_the_text_works_as_written(folder: Path) -> None:
    rows = json.loads(run("head", "database.db", "--json", cwd=folder).stdout)
    (asset,) = {row["fitted"] for row in rows} - {None}

    def work(line: str) -> subprocess.CompletedProcess[str]:
        line = line.replace("53425a65a40a49f4", asset).replace(" hash ", f" {asset} ")
        done = subprocess.run(
            f"{shlex.quote(str(SCRIPT))} {line}",
            shell=True,
            cwd=folder,
            env=ENVIRONMENT,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, (line, done.stderr)
        return done

    head = work("head database.db --n=2").stdout.splitlines()
    assert len(head) == 4
    assert "crouching-groundhog-5046" in head[2]
    tail = work("tail database.db --n=1").stdout.splitlines()
    assert len(tail) == 3
    assert "ebony-loon-6720" in tail[2]
    work("get database.db 53425a65a40a49f4 model.cloudpickle")
    work("get database.db model hash  output ")
    assert (folder / "output").read_bytes() == (folder / "model.cloudpickle").read_bytes()
    work(
        "set database.db accuracy 0.8 --where-key params --where-value 1b5b2294fc521d12 "
        "--track-id ebony-loon-6720"
    )
    table = work('sql database.db "SELECT * FROM db.events;"').stdout
    assert table.count("|        0.8 |") == 2
    work("delete database.db ebony-loon-6720 # delete experiments")
    assert "ebony-loon-6720" not in work("head database.db").stdout
    assert "copied 4 rows" in work("copy source.db target.db").stderr


def test_slip_of_the_text_is_answered(folder: Path) -> None:
    line = (
        "set accuracy 0.8 --where-key params --where-value 1b5b2294fc521d12 "
        "--track-id ebony-loon-6720"
    )
    done = run(*line.split(), cwd=folder)
    assert done.returncode == 2
    assert "mooring set runs.db accuracy 0.8" in done.stderr
    assert run(*line.split(), cwd=folder, MOORING_STORE="database.db").returncode == 0
    printed = run("ls", "database.db", "accuracy", "--unique", "--format", "csv", cwd=folder).stdout
    assert printed.split() == ["accuracy", "0.9", "0.95", "0.8"]


def test_module_is_the_same_command(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mooring", "head", "database.db"],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0
    assert done.stdout == run("head", "database.db", cwd=folder).stdout


def test_help_and_head_import_only_what_they_need(folder: Path) -> None:
    def imported(*arguments: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", str(SCRIPT), *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    heavy = {"numpy", "pandas", "pyarrow", "duckdb", "psutil", "cloudpickle", "rich", "matplotlib"}
    assert imported("--help") & heavy == set()
    assert imported("config", "show") & heavy == set()
    needed = imported("head", "database.db")
    assert "pyarrow" in needed
    # an import of pandas that was refused is listed too, without what it would import
    assert needed & {"pandas.core.frame", "duckdb", "psutil", "rich", "matplotlib"} == set()


def test_reader_of_the_output_may_leave_early(folder: Path) -> None:
    with Tracker(folder / "long.db", on_error="raise") as tracker:
        tracker.log_batch([{"text": "x" * 100, "i": i} for i in range(20_000)])
    done = subprocess.run(
        f"{shlex.quote(str(SCRIPT))} head long.db --n -1 --format csv | head -2",
        shell=True,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_table_on_a_terminal_is_whole(tmp_path: Path) -> None:
    text = "".join(f"{i:03}" for i in range(60))
    with Tracker(tmp_path / "runs.db", track_id="first-run", on_error="raise") as tracker:
        tracker.log({"accuracy": 0.123456789012345, "text": text, "nan": float("nan")})
    shown, code = run_on_terminal("head", "runs.db", cwd=tmp_path, width=100)
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 100
    assert "0.123456789012345" in shown
    assert "…" not in shown
    # the text is folded over lines of its column, and every part of it is there
    column = shown.splitlines()[0].index("text")
    parts = [line[column:].split()[0] for line in shown.splitlines()[2:] if line[column:].strip()]
    assert "".join(parts) == text


def test_terminal_is_told_which_columns_are_hidden(tmp_path: Path) -> None:
    with Tracker(tmp_path / "runs.db", on_error="raise") as tracker:
        tracker.log({f"metric_{i:02}": float(i) for i in range(40)})
    shown, _ = run_on_terminal("head", "runs.db", cwd=tmp_path)
    assert "of 42 columns have no room here: metric_" in shown
    piped = run("head", "runs.db", cwd=tmp_path).stdout
    assert all(f"metric_{i:02}" in piped for i in range(40))


@pytest.mark.parametrize("format", ["table", "markdown", "json", "jsonl", "csv"])
def test_no_escape_of_a_value_reaches_the_terminal(format: str, tmp_path: Path) -> None:
    with Tracker(tmp_path / "runs.db", on_error="raise") as tracker:
        tracker.log({"evil\u202ename": "\x1b]0;owned\x07\x9b2J\x1b[31m", "good": 1})
    shown, code = run_on_terminal("head", "runs.db", "--format", format, cwd=tmp_path, width=300)
    assert code == 0
    assert "owned" in shown
    dangerous = {char for char in shown if not char.isprintable() and char != "\n"}
    assert dangerous == set()
    errors, code = run_on_terminal("ls", "runs.db", "\x1b[2J", cwd=tmp_path)
    assert code == 1
    assert "\x1b" not in errors


def test_letters_that_the_output_lacks_are_escaped(tmp_path: Path) -> None:
    with Tracker(tmp_path / "runs.db", on_error="raise") as tracker:
        tracker.log({"name": "\u03b1-\U0001f600"})
    done = run("ls", "runs.db", "name", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u03b1-\\U0001f600" in done.stdout


def test_progress_stays_off_a_pipe(folder: Path) -> None:
    done = run("compact", "database.db", "--events", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "points_sealed" in done.stdout
