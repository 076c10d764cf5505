"""A writer that speaks Neptune 3's protocol itself, and the messages that it sends."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from mooring.wire.neptune3.requests import Code
from mooring.wire.neptune3.schema import message
from tests.serving import HubProcess, HubThread

PROJECT = "team/digits"


class Writer:
    """A client of one user, that speaks the protocol itself."""

    def __init__(self, hub: HubThread | HubProcess, token: str) -> None:
        self.hub = hub
        self.access = json.loads(
            self._ask(
                "/api/backend/v1/authorization/oauth-token", None, {"X-Neptune-Api-Token": token}
            )
        )["accessToken"]

    def _ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(self.hub.address + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            read: bytes = answer.read()
            return read

    def post(self, path: str, body: bytes) -> bytes:
        return self._ask(path, body, {"Authorization": f"Bearer {self.access}"})

    def submit(self, operation: Any) -> str:
        answer = self.post("/api/client/v1/ingest", operation.SerializeToString())
        return str(message("SubmitResponse").FromString(answer).request_ids[-1])

    def check(self, *ids: str) -> list[dict[Code, int]]:
        asked = message("RequestIdList")()
        for id in ids:
            asked.ids.add(value=id)
        answer = self.post("/api/client/v1/ingest/check", asked.SerializeToString())
        return [
            {Code(each.detail): each.count for each in status.code_by_count}
            for status in message("BulkRequestStatus").FromString(answer).statuses
        ]

    def told(self, operation: Any) -> dict[Code, int]:
        return self.check(self.submit(operation))[0]

    def create(self, run_id: str = "r", project: str = PROJECT, **fields: Any) -> dict[Code, int]:
        return self.told(creation(run_id, project, **fields))


def creation(run_id: str = "r", project: str = PROJECT, **fields: Any) -> Any:
    made = message("RunOperation")(project=project, run_id=run_id)
    made.create.family = run_id
    parent, step = fields.pop("parent", None), fields.pop("step", None)
    if parent is not None:
        made.create.fork_point.parent_run_id = parent
        if step is not None:
            made.create.fork_point.step.whole = step
            made.create.fork_point.step.SetInParent()
    for name, value in fields.items():
        setattr(made.create, name, value)
    return made


def batch(*updates: Any, run_id: str = "r") -> Any:
    made = message("RunOperation")(project=PROJECT, run_id=run_id)
    made.update_batch.SetInParent()
    made.update_batch.snapshots.extend(updates)
    return made


def points(
    step: float | None, values: dict[str, Any], preview: float | None = None, time: int = 1_000
) -> Any:
    made = message("UpdateRunSnapshot")()
    if step is not None:
        made.step.whole, made.step.micro = divmod(round(step * 1e6), 1_000_000)
        made.step.SetInParent()
    made.timestamp.seconds = time
    for path, value in values.items():
        _set(made.append[path], value)
    if preview is not None:
        made.preview.is_preview, made.preview.completion_ratio = True, preview
    return made


def configs(values: dict[str, Any]) -> Any:
    made = message("UpdateRunSnapshot")()
    made.timestamp.seconds = 1_000
    for path, value in values.items():
        _set(made.assign[path], value)
    return made


def _set(target: Any, value: Any) -> None:
    match value:
        case bool():
            target.bool = value
        case int():
            target.int64 = value
        case float():
            target.float64 = value
        case str():
            target.string = value
        case set():
            target.string_set.values.extend(value)
        case ("file", path):
            target.file_ref.path, target.file_ref.size_bytes = path, 3
            target.file_ref.mime_type = "text/plain"
        case ("time", seconds):
            target.timestamp.seconds = seconds
        case ("histogram", edges, counts):
            target.histogram.bin_edges.extend(edges)
            target.histogram.counts.values.extend(counts)
            target.histogram.counts.SetInParent()
