"""One hub with sample runs, and what the real clients answer about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.neptune3.sample import PROJECT, log_sample
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

collect_ignore = ["clients"]  # they run in the environments of the packages
CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    log_sample(started.hub)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def answers(
    hub: HubThread, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """Return what runs a script of `clients/` in its package's environment."""

    def ask(peer: str, script: str, **environment: str) -> dict[str, Any]:
        printed = find_peer(peer).run(
            (CLIENTS / script).read_text(),
            cwd=tmp_path_factory.mktemp(peer),
            NEPTUNE_API_TOKEN=hub.admin,
            NEPTUNE_PROJECT=PROJECT,
            **environment,
        )
        told: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return told

    return ask
