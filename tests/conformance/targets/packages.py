"""Packages that some tests need: without one they are skipped, and fail where CI=true."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest


def require(package: str, extra: str) -> None:
    """Skip the test when a package is not installed; fail it under CI=true."""
    if importlib.util.find_spec(package) is not None:
        return
    reason = f"{package} is not installed; run: pip install 'mooring[{extra}]'"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


APART = frozenset({"minfx", "pluto", "zenml"})
"""Extras that cannot live beside ours: `tests/e2e/targets/test_peers.py` tries them apart."""
_PEER = os.environ.get("MOORING_PEER", "")  # read here, as tests hide the environment


def require_or_peer(package: str, extra: str) -> None:
    """As `require`; but a package that is tried in an environment of its own is only needed there.

    There `MOORING_PEER` is its name.
    """
    if extra in APART and extra != _PEER:
        pytest.skip(f"{package} is tried in an environment of its own")
    require(package, extra)


MLFLOW_WARNS = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
"""MLflow 3.17 uses what SQLAlchemy 2.1 calls deprecated."""


@cache
def _template() -> Path:
    from mlflow.tracking import MlflowClient

    folder = Path(tempfile.mkdtemp(prefix="mooring-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    return folder / "mlflow.db"


def mlflow_database(file: Path) -> str:
    """Return the tracking URI of a database of MLflow; making one by itself takes it seconds."""
    if not file.exists():
        shutil.copyfile(_template(), file)
    return f"sqlite:///{file}"
