"""Errors of the store as answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import (
    AccessDenied,
    AlreadyExists,
    MooringError,
    ProjectNotFound,
    RunNotFound,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    TypeConflict,
    Unauthenticated,
)
from mooring.hub.context import Hub, open_hub
from mooring.hub.doors.auger.failures import failure_of
from mooring.hub.settings import HubSettings
from mooring.store import open_store
from mooring.wire.auger.resources import get_resource


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    open_store(tmp_path / "runs.db").close()
    opened = open_hub(HubSettings(store=str(tmp_path / "runs.db")))
    opened.close()
    return opened


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (StoreLocked("busy"), 503, "busy"),
        (StoreFull("full"), 503, "full"),
        (RunNotFound("5"), 404, "Couldn't find TrialSearch"),
        (ProjectNotFound("a/b"), 404, "Couldn't find Project"),
        (AccessDenied("no"), 403, "no"),
        (AlreadyExists("there"), 400, "has already been taken"),
        (TypeConflict("auger/status", expected="int", got="string"), 400, "cannot take a string"),
        (Unauthenticated("the token is revoked"), 401, "User should be logged in"),
        (Unauthenticated("Email or password incorrect"), 401, "Email or password incorrect"),
    ],
)
def test_each_error_has_its_answer(hub: Hub, error: MooringError, status: int, told: str) -> None:
    refused = failure_of(hub, get_resource("trial_search"), error)
    assert refused.status == status
    assert told in refused.errors[0]["message"]
    assert status != 400 or refused.errors[0]["error_param"]


def test_a_fault_of_the_hub_is_left_to_its_edge(hub: Hub) -> None:
    with pytest.raises(StoreCorrupt):
        failure_of(hub, None, StoreCorrupt("damaged"))


def test_no_answer_tells_where_the_store_lies(hub: Hub) -> None:
    refused = failure_of(hub, None, StoreFull(f"the disk that holds {hub.store.path} is full"))
    assert str(hub.store.path) not in refused.errors[0]["message"]
