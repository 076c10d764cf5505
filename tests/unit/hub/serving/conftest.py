"""Models in files, and workers that serve them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import pytest

from mooring.hub.serving import ModelFile, ModelWorkers, PredictionRequest, PredictionResult
from mooring.hub.settings import HubSettings

_NUMBERS = itertools.count(1)
MiB = 1 << 20

Predict = Callable[..., PredictionResult]


@pytest.fixture(scope="module")
def workers() -> Iterator[ModelWorkers]:
    settings = HubSettings(store="unused.db", serving_seconds=30, serving_memory_bytes=1200 * MiB)
    made = ModelWorkers(settings, warm=2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def hasty() -> Iterator[ModelWorkers]:
    """Workers whose models have little time."""
    settings = HubSettings(store="unused.db", serving_seconds=4, serving_memory_bytes=1200 * MiB)
    made = ModelWorkers(settings, warm=2)
    yield made
    made.close()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[object], ModelFile]:
    """Write a model, or bytes, to a file."""

    def write(content: object, name: str = "m") -> ModelFile:
        data = content if isinstance(content, bytes) else cloudpickle.dumps(content)
        path = tmp_path / f"model{next(_NUMBERS)}"
        path.write_bytes(data)
        return ModelFile(path, hashlib.sha256(data).hexdigest(), name)

    return write


@pytest.fixture
def predict(workers: ModelWorkers, save: Callable[[object], ModelFile]) -> Predict:
    """Predict rows by a model that is given as an object, bytes or a file."""

    def ask(
        model: object, features: list[str], records: list[list[object]], **options: object
    ) -> PredictionResult:
        file = model if isinstance(model, ModelFile) else save(model)
        request = PredictionRequest(features, records, **options)  # type: ignore[arg-type]
        return workers.predict(file, request)

    return ask
