"""The client package of the resource API, unmodified, as its users call it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.peers.protocol import serve_tasks


def list_trials(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask for pages of a session's trials: {"address", "token", "session", "offset", "page"}."""
    from auger.hub_api_client import HubApiClient

    client = HubApiClient(hub_app_url=task["address"], token=task["token"])
    taken = []
    for _ in range(task["repeats"]):
        start = time.perf_counter()
        answer = client.get_trials(
            experiment_session_id=task["session"], limit=task["page"], offset=task["offset"]
        )
        taken.append(time.perf_counter() - start)
        assert answer["meta"]["pagination"]["total"] == task["trials"], answer["meta"]
    return {"taken_s": taken, "length": len(answer["data"])}


if __name__ == "__main__":
    serve_tasks({"list_trials": list_trials}, package="auger-hub-api-client")
