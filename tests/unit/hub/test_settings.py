"""Settings of a hub: the address that it tells, and what a repr keeps to itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.hub.settings import HubSettings


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "port": 9}, "http://0.0.0.0:9"),
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"public_url": "https://runs.example.org/"}, "https://runs.example.org"),
    ],
)
def test_the_address_is_that_of_tokens_and_links(options: dict[str, object], address: str) -> None:
    assert HubSettings(store="runs.db", **options).address == address  # type: ignore[arg-type]


def test_what_the_hub_keeps_lies_beside_the_store() -> None:
    for store in ("/srv/runs.db", "sqlite:///srv/runs.db"):
        assert HubSettings(store=store).data == Path("/srv/runs.db-data")


def test_the_repr_holds_no_password_of_a_database() -> None:
    settings = HubSettings(store="runs.db", accounts="postgresql://hub:s3cret@db/hub")
    assert "s3cret" not in repr(settings)
