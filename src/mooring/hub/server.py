"""Starting a hub: its socket, its processes, its end."""

from __future__ import annotations

import dataclasses
import http.client
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from mooring.errors import StoreError
from mooring.hub.accounts import NewToken, accounts_of
from mooring.hub.app import create_app
from mooring.hub.context import open_hub
from mooring.hub.observing import SHARED_FOLDER
from mooring.hub.patience import PatientProtocol
from mooring.hub.settings import HubSettings
from mooring.store import open_store

_SETTINGS = "MOORING_HUB_SETTINGS"


def prepare(settings: HubSettings) -> tuple[HubSettings, socket.socket, NewToken | None]:
    """Make what a hub needs before its processes start: store, accounts, socket.

    Returns
    -------
    settings with the port that was taken, the listening socket, and at the first start the
    administrator's token, which is told nowhere else.

    Raises
    ------
    StoreError
        When the port is taken, or the store cannot be opened.
    """
    open_store(settings.store).close()
    listening = _bind(settings)
    settings = dataclasses.replace(settings, port=listening.getsockname()[1])
    accounts = accounts_of(settings)
    try:
        token = accounts.ensure_administrator()
        accounts.set_address(settings.address)
    finally:
        accounts.close()
    return settings, listening, token


def serve(
    settings: HubSettings, listening: socket.socket, *, ready: Callable[[], None] | None = None
) -> None:
    """Answer requests until SIGTERM or SIGINT; requests that are being answered are finished.

    Parameters
    ----------
    ready : called, in a thread, when the hub answers
    """
    os.environ[_SETTINGS] = json.dumps(dataclasses.asdict(settings))
    with tempfile.TemporaryDirectory(prefix="mooring-hub-") as folder:
        if settings.workers > 1:
            os.environ[SHARED_FOLDER] = folder
        config = uvicorn.Config(
            "mooring.hub.server:make_app",
            factory=True,
            workers=settings.workers,
            http=PatientProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(settings.drain_seconds),
        )
        # The server ends by them, and raises them again afterwards: an end that was asked for is
        # no failure.
        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, lambda *_: None)
        if ready is not None:
            threading.Thread(target=_tell_when_ready, args=(listening, ready), daemon=True).start()
        if settings.workers > 1:
            Multiprocess(config, sockets=[listening]).run()
        else:
            uvicorn.Server(config).run(sockets=[listening])


def _tell_when_ready(listening: socket.socket, ready: Callable[[], None]) -> None:
    """Ask for the hub's health until it answers."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return ready()
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()


def make_app() -> Starlette:
    """Return the application of a process that `serve` started."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    import pyarrow as pa

    # The others keep what a long answer took (0.7 GB after 10 million points) for the next one.
    pa.set_memory_pool(pa.system_memory_pool())
    settings = HubSettings(**json.loads(os.environ[_SETTINGS]))
    return create_app(open_hub(settings), lines=sys.stderr)


def _end_with(parent: int) -> None:
    """Stop this worker when the process that started it is killed: it would keep the port."""
    multiprocessing.connection.wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)


def _bind(settings: HubSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise StoreError(
            f"cannot listen at {settings.host}:{settings.port}: {error.strerror}. Is another hub "
            "running there? Choose another with --port",
            address=settings.address,
        ) from None
    listening.listen(1024)
    listening.set_inheritable(True)
    return listening
