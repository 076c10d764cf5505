"""What a hub tells of its requests: never what was in them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mooring.client.token import secret_of
from mooring.hub.app import create_app
from mooring.hub.context import Hub, open_hub
from mooring.hub.settings import HubSettings
from mooring.store.hub.messages import CODEC, ROOT

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = open_hub(HubSettings(store=str(tmp_path / "runs.db")))
    yield hub
    hub.close()


async def test_lines_and_metrics_hold_no_secret(hub: Hub) -> None:
    token = hub.accounts.ensure_administrator()
    assert token is not None
    lines = io.StringIO()
    transport = httpx.ASGITransport(create_app(hub, lines=lines), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        headers = {"authorization": f"Bearer {token.secret}"}
        body = CODEC.encode({"name": "private/name"})
        made = await client.post(f"{ROOT}/call/create_project", content=body, headers=headers)
        assert made.status_code == 200
        query = {"project_api_token": token.secret, "name": "private"}
        assert (await client.get("/api/v1/projects", params=query)).status_code == 200
        wrong = {"authorization": "Bearer private-wrong-secret"}
        assert (await client.get(ROOT, headers=wrong)).status_code == 401
        assert (await client.get(f"/private/{token.secret}")).status_code == 404
        assert (await client.get("/health")).status_code == 200
        metrics = await client.get("/metrics", headers=headers)
    records = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [record["status"] for record in records] == [200, 200, 401, 404]
    assert [record["user"] for record in records] == ["admin", "admin", None, None]
    for told in (lines.getvalue(), metrics.text):
        assert token.secret not in told
        assert secret_of(token.secret) not in told
        assert "private" not in told
    assert 'mooring_requests_total{door="native"' in metrics.text
    # Each path of somebody's own would be a counter of its own.
    assert f"/private/{token.secret}" not in metrics.text
    assert 'route="other"' in metrics.text


async def test_metrics_are_not_for_everybody(hub: Hub) -> None:
    hub.accounts.ensure_administrator()
    hub.accounts.create_user("user")
    hub.accounts.create_user("watcher", service=True)
    transport = httpx.ASGITransport(create_app(hub))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        assert (await client.get("/metrics")).status_code == 401
        for name, status in (("user", 403), ("watcher", 200)):
            secret = hub.accounts.create_token(name).secret
            headers = {"authorization": f"Bearer {secret}"}
            assert (await client.get("/metrics", headers=headers)).status_code == status


async def test_a_fault_is_answered_and_written_down(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = hub.accounts.ensure_administrator()
    assert token is not None
    lines = io.StringIO()
    app = create_app(hub, lines=lines)
    hub.store.close()  # what no request can bring about
    monkeypatch.setattr(type(hub.store), "get_runs", lambda self, keys: 1 / 0)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        headers = {"authorization": f"Bearer {token.secret}"}
        body = CODEC.encode({"keys": [1]})
        answer = await client.post(f"{ROOT}/call/get_runs", content=body, headers=headers)
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["type"] == "HubFailed"
    assert "ZeroDivision" not in answer.text
    records = [json.loads(line) for line in lines.getvalue().splitlines()]
    fault = next(record for record in records if "fault" in record)
    assert "ZeroDivisionError" in fault["traceback"]
    assert fault["fault"] in error["message"]
    assert token.secret not in lines.getvalue()
