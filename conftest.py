"""What every test and every example in a docstring starts from."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _own_surroundings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's own settings, and run docstring examples in an empty folder."""
    for name in list(os.environ):
        if name.startswith(("MOORING_", "NEPTUNE_")):
            monkeypatch.delenv(name)
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
