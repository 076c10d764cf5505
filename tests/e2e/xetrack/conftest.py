"""The real xetrack, in an interpreter of its own: it needs a NumPy that we do not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".venv" / "peers" / "xetrack"


@dataclass(frozen=True)
class Peer:
    """Runs code and commands of xetrack: 0.7.0, or with `seed` 0.2.2."""

    home: Path

    def run(self, code: str, *args: object, seed: bool = False) -> Any:
        """Run code that prints a line of JSON last; return what it says."""
        lines = self._run(["-c", textwrap.dedent(code), *map(str, args)], seed).splitlines()
        return json.loads(lines[-1])

    def xt(self, *args: object, seed: bool = False) -> str:
        """Run a command of xetrack's CLI; return what it prints."""
        return self._run(["-c", "from xetrack.cli import app; app()", *map(str, args)], seed)

    def start(self, code: str, *args: object) -> subprocess.Popen[str]:
        """Start code that talks by lines on standard input and output."""
        return subprocess.Popen(
            [self.python, "-c", textwrap.dedent(code), *map(str, args)],
            env=self.environment(seed=False),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def python(self) -> str:
        return str(ENVIRONMENT / "bin" / "python")

    def environment(self, *, seed: bool) -> dict[str, str]:
        environment = {**os.environ, "HOME": str(self.home)}
        environment.pop("PYTHONPATH", None)
        if seed:
            environment["PYTHONPATH"] = str(ENVIRONMENT / "seed")
        return environment

    def _run(self, arguments: list[str], seed: bool) -> str:
        done = subprocess.run(
            [self.python, *arguments],
            env=self.environment(seed=seed),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Peer:
    if not (ENVIRONMENT / ".installed").exists():
        reason = f"xetrack is not installed in {ENVIRONMENT}; run: make {ENVIRONMENT}/.installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    peer = Peer(tmp_path_factory.mktemp("home"))
    version, platform = peer.run(
        """
        import duckdb, json
        platform = duckdb.connect().execute("PRAGMA platform").fetchone()[0]
        print(json.dumps([duckdb.__version__, platform]))
        """
    )
    # Where DuckDB looks for what `INSTALL sqlite` would fetch from the network.
    extensions = peer.home / ".duckdb" / "extensions" / f"v{version}" / platform
    extensions.mkdir(parents=True)
    (found,) = ENVIRONMENT.glob("lib/python3*/site-packages/*/extensions/*/*.duckdb_extension")
    shutil.copy(found, extensions)
    return peer
