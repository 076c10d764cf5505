"""Packages that write what is imported, each in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ENVIRONMENTS = Path(__file__).parents[3] / ".venv" / "peers"


@dataclass(frozen=True)
class Peer:
    """Runs code in the environment that `tests/peers/NAME.txt` describes."""

    name: str

    @property
    def python(self) -> Path:
        return ENVIRONMENTS / self.name / "bin" / "python"

    def run(self, code: str, *args: object, cwd: Path, check: bool = True, **more: str) -> str:
        """Run code in a folder; `more` is added to the environment. Return what it prints.

        Modules are found in the folder that `PEER_PATH` names too.
        """
        script = cwd / "script.py"  # spawned processes import it: it cannot come from stdin
        script.write_text(textwrap.dedent(code))
        environment = {**os.environ, "HOME": str(cwd), **more}
        for name in [*environment]:
            if name.startswith(("NEPTUNE_", "TRACKIO_", "AIM_")) and name not in more:
                del environment[name]
        if "PYTHONPATH" not in more:
            environment["PYTHONPATH"] = environment.get("PEER_PATH", "")
        done = subprocess.run(
            [self.python, script, *map(str, args)],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def find_peer(name: str) -> Peer:
    """Return a peer, or skip the test; where CI=true it fails instead."""
    if not (ENVIRONMENTS / name / ".installed").exists():
        reason = f"{name} is not installed; run: make .venv/peers/{name}/.installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Peer(name)
