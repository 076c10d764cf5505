"""Starting the processes that are measured, one task each, cut off from the network."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT

TASK_TIMEOUT_S = 1_800
_NOWHERE = "http://127.0.0.1:9"  # the discard port: whoever looks for a network fails at once

_OFFLINE = {
    "HTTP_PROXY": _NOWHERE,
    "HTTPS_PROXY": _NOWHERE,
    "http_proxy": _NOWHERE,
    "https_proxy": _NOWHERE,
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NEPTUNE_LOGGER_LEVEL": "error",
    "NEPTUNE_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
}


class TaskFailed(Exception):
    """A process ended without an answer."""


class Process:
    """A running task. Its files, its home and what it says go to `folder`."""

    def __init__(
        self, python: Path, module: str, task: Mapping[str, Any], folder: Path, *, own: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        store = folder / "store"
        store.mkdir(exist_ok=True)
        self.folder = folder
        self._errors = (folder / "stderr.txt").open("w+")
        self._name = f"{module} {task['task']}"
        self._process = subprocess.Popen(
            [str(python), "-m", module, json.dumps({"folder": str(store), **task})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=folder,
            env=environment_of(folder, own=own),
            start_new_session=True,
        )

    def read(self) -> dict[str, Any]:
        """Wait for one line of the answer."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], TASK_TIMEOUT_S)[0]:
            self.end()
            raise TaskFailed(f"{self._name}: no answer within {TASK_TIMEOUT_S} s")
        line = self._process.stdout.readline()
        if not line:
            raise TaskFailed(f"{self._name}: {self._last_words()}")
        return json.loads(line)  # type: ignore[no-any-return]

    def go(self) -> None:
        """Let a worker begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def answer(self, timeout_s: float = TASK_TIMEOUT_S) -> dict[str, Any]:
        """Wait for the end, and return the last line of the answer."""
        try:
            said, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise TaskFailed(f"{self._name}: no answer within {timeout_s:.0f} s") from None
        finally:
            self.end()
        lines = said.splitlines()
        if self._process.returncode != 0 or not lines:
            raise TaskFailed(f"{self._name}: {self._last_words()}")
        return json.loads(lines[-1])  # type: ignore[no-any-return]

    def wait_killed(self, timeout_s: float = TASK_TIMEOUT_S) -> None:
        """Wait for a task that ends by SIGKILL; children that outlive it are left to finish."""
        try:
            self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise TaskFailed(f"{self._name}: not dead within {timeout_s:.0f} s") from None
        if self._process.returncode != -signal.SIGKILL:
            raise TaskFailed(f"{self._name}: {self._last_words()}")

    def end(self) -> None:
        """Kill the process, and those that it started, while it has not ended by itself."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _last_words(self) -> str:
        self._errors.flush()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        words = lines[-1] if lines else "no word on the standard error"
        return f"{words} (exit code {self._process.poll()})"[:300]


def run_task(
    python: Path, module: str, task: Mapping[str, Any], folder: Path, *, own: bool = False
) -> dict[str, Any]:
    """Run one task to its end. `own`: in the project's environment, with its import path."""
    return Process(python, module, task, folder, own=own).answer()


def time_python(python: Path, code: str, folder: Path, *, own: bool = False) -> float:
    """Return the seconds from the start to the end of `python -c code`."""
    environment = environment_of(folder, own=own)
    command = [str(python), "-c", code]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    taken = time.perf_counter() - start
    if done.returncode != 0:
        raise TaskFailed(
            f"python -c {code!r}: {(done.stderr.strip() or 'failed').splitlines()[-1]}"
        )
    return taken


def environment_of(folder: Path, *, own: bool) -> dict[str, str]:
    """Return this process's environment without what would change a peer's behaviour."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("PYTHON", "MLFLOW", "WANDB", "NEPTUNE", "TRACKIO", "AIM", "MOORING")
        )
    }
    home = folder / "home"
    home.mkdir(exist_ok=True)
    path = [str(ROOT.parent)]
    if own and os.environ.get("PYTHONPATH"):
        path += [str(Path(part).resolve()) for part in os.environ["PYTHONPATH"].split(os.pathsep)]
    places = {"HOME": str(home), "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
    return {**kept, **_OFFLINE, **places, "NO_PROXY": "127.0.0.1,localhost"}
