"""Offline runs that the real wandb wrote."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import pytest

if find_spec("wandb") is None:
    reason = "wandb is not installed; pip install -e '.[dev]'"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)

Log: TypeAlias = Callable[..., Any]


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    for name in ("HOME", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(home if name == "HOME" else home / name))
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    # What is read in a test goes nowhere: neither to a server, nor to the makers of the client.
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


@pytest.fixture(scope="session", autouse=True)
def _end_of_the_background_process() -> Iterator[None]:
    yield
    import wandb

    wandb.teardown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@contextmanager
def tracking(folder: Path, run_id: str = "abc123", **options: Any) -> Iterator[Any]:
    """A real run of wandb, offline."""
    import wandb

    settings = wandb.Settings(
        mode="offline",
        root_dir=str(folder),
        console="off",
        silent=True,
        x_disable_stats=True,
        disable_git=True,
        x_transaction_log_flush_interval=0.1,
    )
    run = wandb.init(dir=str(folder), id=run_id, settings=settings, reinit="create_new", **options)
    try:
        yield run
    finally:
        run.finish()
        wait_for_end(Path(run.settings.sync_file))


def wait_for_end(log: Path) -> None:
    """Wait until a log is whole: `finish` returns before it is."""
    from mooring.exchange.wandb_log.heads import read_head

    until = time.monotonic() + 60
    while time.monotonic() < until:
        head = read_head([log])
        if head.ended is not None and not head.damages:
            return
        time.sleep(0.02)
    pytest.fail(f"{log} has no end")


def log_of(folder: Path, run_id: str = "abc123") -> Path:
    """The transaction log of a run."""
    (found,) = (folder / "wandb").glob(f"offline-run-*-{run_id}/run-{run_id}.wandb")
    return found
