"""An environment of its own for each peer, made once and kept under `benchmarks/.venvs`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.subjects import Subject

ROOT = Path(__file__).resolve().parent
VENVS = ROOT / ".venvs"
INSTALL_TIMEOUT_S = 1_800


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a subject runs: its interpreter, or the reason why it cannot."""

    python: Path | None
    problem: str = ""


def prepare(subject: Subject, say: Callable[[str], None]) -> Environment:
    """Return the environment of a subject, installed first when its requirements are new."""
    if subject.requirements is None:
        return Environment(Path(sys.executable))
    requirements = ROOT / "requirements" / subject.requirements
    folder = VENVS / subject.key
    python = folder / "bin" / "python"
    stamp = folder / "installed.txt"
    wanted = f"# Python {sys.version.split()[0]}\n{requirements.read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return Environment(python)
    say(f"installing {subject.title} into {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    problem = _install(python, requirements)
    if problem:
        return Environment(None, problem)
    stamp.write_text(wanted)
    return Environment(python)


def _install(python: Path, requirements: Path) -> str:
    """Install a file of requirements; return why it failed, or nothing."""
    command = [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"pip did not end within {INSTALL_TIMEOUT_S} s"
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return f"pip install failed: {errors[-1] if errors else done.stderr[-200:]}"
