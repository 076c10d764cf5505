"""Organizations: their names, and that a name gives nobody the projects of others."""

from __future__ import annotations

import mooring
from mooring.client.token import secret_of
from tests.serving import HubThread
from tests.unit.hub.doors.auger.conftest import Place


def _create(place: Place, name: str) -> int:
    status: int = place.send("POST", "/api/v1/organizations", {"name": name}).status_code
    return status


def test_one_of_an_own_name(place: Place) -> None:
    assert _create(place, f"club-of-{place.user}") == 200
    assert _create(place, f"club-of-{place.user}") == 400


def test_one_of_a_name_with_projects_of_others_is_taken(place: Place, hub: HubThread) -> None:
    names = [f"{kind}-of-{place.user}" for kind in ("before", "through")]
    hub.hub.store.create_project(f"{names[0]}/digits")  # as a process beside the hub does
    admin = hub.hub.store_for(hub.hub.accounts.authenticate(secret_of(hub.admin)))
    admin.create_project(f"{names[1]}/digits")
    with mooring.open_store(hub.address, api_token=place.token) as store:
        seen = list(store.list_projects())
        for name in (*names, "admin", "local"):
            assert _create(place, name) == 400
        assert list(store.list_projects()) == seen
        assert not any(name.startswith(tuple(names)) for name in seen)
