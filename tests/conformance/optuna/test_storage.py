"""Optuna's own tests of storages, unchanged, over ours on each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from mooring.optimize import OptunaStorage


class TestStorageOnAFile(StorageTestCase):  # type: ignore[misc]
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[OptunaStorage]:
        storage = OptunaStorage(tmp_path / "runs.db", project="local/studies")
        yield storage
        storage.close()
