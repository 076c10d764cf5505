"""One hub with sample runs, and what the real clients answer about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.neptune3.calls import LOG, RECORDING, Told
from tests.conformance.neptune3.sample import PROJECT, log_sample
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

collect_ignore = ["clients"]  # they run in the environments of the packages
CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture(scope="package", autouse=True)
def _recorded_calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the clients' processes write down which public calls they make."""
    LOG.records = tmp_path_factory.mktemp("calls") / "records.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECORDED_CALLS", str(LOG.records))
        patch.setenv("PEER_PATH", str(RECORDING))
        yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "/neptune3/" in report.nodeid:
        LOG.note_outcome(report.nodeid, report.passed)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the page tell about all other tests."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path == here / "test_page.py")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    log_sample(started.hub)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def answers(hub: HubThread, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return what runs a script of `clients/` in its package's environment."""

    def ask(peer: str, script: str, **environment: str) -> Any:
        printed = find_peer(peer).run(
            (CLIENTS / script).read_text(),
            cwd=tmp_path_factory.mktemp(peer),
            NEPTUNE_API_TOKEN=hub.admin,
            NEPTUNE_PROJECT=PROJECT,
            **environment,
        )
        told = json.loads(printed.splitlines()[-1])
        return Told(told) if isinstance(told, dict) else told

    return ask
