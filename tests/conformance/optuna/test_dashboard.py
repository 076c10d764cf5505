"""Optuna's dashboard, as its users start it, on our storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest

from mooring.optimize import Float, OptunaStorage, Study


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[OptunaStorage]:
    with Study("ours", store=tmp_path / "runs.db", project="p", space={"x": Float(0, 1)}) as study:
        study.optimize(lambda trial: trial["x"], n_trials=5, progress=False)
    storage = OptunaStorage(tmp_path / "runs.db", project="p")
    yield storage
    storage.close()


def ask(app: Any, path: str) -> Any:
    """Send a GET to a WSGI application, and return the JSON that answers it."""
    from io import BytesIO

    told: list[str] = []
    environment = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": BytesIO(),
        "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": "http",
    }
    body = b"".join(app(environment, lambda status, headers, *_: told.append(status)))
    assert told[0].startswith("200"), (told, body)
    return json.loads(body)


@pytest.mark.filterwarnings("ignore")
def test_the_dashboard_shows_our_trials(storage: OptunaStorage) -> None:
    app = optuna_dashboard.wsgi(storage)
    (study,) = ask(app, "/api/studies")["study_summaries"]
    assert study["study_name"] == "ours"
    detail = ask(app, f"/api/studies/{study['study_id']}")
    assert [trial["number"] for trial in detail["trials"]] == [0, 1, 2, 3, 4]
    expected = optuna.load_study(study_name="ours", storage=storage).trials
    assert [trial["values"] for trial in detail["trials"]] == [[each.value] for each in expected]
    assert detail["trials"][0]["params"][0]["name"] == "x"
