"""Hubs for tests: a real server on a loopback port, in a thread of this process or as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from mooring.client.token import ApiToken
from mooring.hub.app import create_app
from mooring.hub.context import Hub, open_hub
from mooring.hub.patience import PatientProtocol
from mooring.hub.server import prepare
from mooring.hub.settings import HubSettings


class _PromptServer(uvicorn.Server):
    """A server that stops when it is told, and not at its next look at the clock."""

    async def main_loop(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        await self.ended.wait()


class HubThread:
    """A hub in a thread: quick to start, for suites that want a new store for each test."""

    def __init__(self, store: Path, **settings: object) -> None:
        wanted = HubSettings(store=str(store), port=0, **settings)  # type: ignore[arg-type]
        self.settings, self._listening, token = prepare(wanted)
        self.hub: Hub = open_hub(self.settings)
        self.address = self.settings.address
        self.admin = "" if token is None else ApiToken(self.address, token.secret).encode()
        config = uvicorn.Config(
            create_app(self.hub),
            http=PatientProtocol,
            lifespan="on",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = _PromptServer(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listening]}, daemon=True
        )
        self._thread.start()
        while not hasattr(self._server, "ended"):
            time.sleep(0.002)

    def token(self, user: str, **options: object) -> str:
        """Return a new token of a user, who is made when missing."""
        accounts = self.hub.accounts
        if accounts.find_user(user) is None:
            accounts.create_user(user)
        made = accounts.create_token(user, **options)  # type: ignore[arg-type]
        return ApiToken(self.address, made.secret).encode()

    def stop(self, *, wait: bool = True) -> None:
        """Stop it, and close its store; without `wait` that ends by itself, in 0.1 s."""
        self._server.loop.call_soon_threadsafe(self._server.ended.set)
        if wait:
            self._thread.join()
            self._listening.close()


class HubProcess:
    """A hub as its users start it: `mooring hub`, in a process that can be killed."""

    def __init__(
        self,
        store: Path,
        *options: str,
        port: int | None = None,
        program: Sequence[str] = ("-m", "mooring"),
    ) -> None:
        self.store = store
        self._program = program
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._options = options
        self.lines: list[str] = []
        self.admin = ""
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, *self._program, "hub", "--store", str(self.store)]
        command += ["--port", str(self.port), *self._options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the hub did not start:\n" + "".join(self.lines)) from None
                time.sleep(0.02)
        while not any("Ctrl-C" in line for line in self.lines):
            time.sleep(0.01)
        time.sleep(0.05)
        for line in list(self.lines):
            if "MOORING_API_TOKEN=" in line:
                self.admin = line.partition("MOORING_API_TOKEN=")[2].strip()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.lines.append(line)

    @property
    def requests(self) -> list[dict[str, object]]:
        """The lines that it wrote about requests."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def kill(self, *, workers: bool = False) -> None:
        """End it by SIGKILL; with `workers`, its workers too, which end a moment later else."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        ids = children.read_text().split() if workers and children.exists() else []
        self.process.send_signal(signal.SIGKILL)
        for id in ids:
            with suppress(ProcessLookupError):
                os.kill(int(id), signal.SIGKILL)
        self.process.wait()
        self._reader.join()  # its workers, which end with it, hold the other end too

    def stop(self) -> int:
        """End it by SIGTERM; return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=60)
        self._reader.join()
        return code


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**added: str) -> dict[str, str]:
    """Return the environment without what names stores and tokens."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MOORING_", "NEPTUNE_"))
    }
    return {**kept, **added}
