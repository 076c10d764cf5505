"""Packages that some tests need: without one they are skipped, and fail where CI=true."""

from __future__ import annotations

import importlib.util
import os

import pytest


def require(package: str, extra: str) -> None:
    """Skip the test when a package is not installed; fail it under CI=true."""
    if importlib.util.find_spec(package) is not None:
        return
    reason = f"{package} is not installed; run: pip install 'mooring[{extra}]'"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


MLFLOW_WARNS = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
"""MLflow 3.17 uses what SQLAlchemy 2.1 calls deprecated."""
