"""What Neptune's clients sent to a hub; `capture.py` writes the files anew."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENTS = ("neptune_scale", "neptune_query", "neptune_fetcher")


@dataclass(frozen=True)
class Captured:
    """One POST request; `json` is the body where it is JSON."""

    client: str
    path: str
    query: str
    body: bytes
    json: Any = None


def load() -> list[Captured]:
    """Return all requests, by client, in the order in which they were sent."""
    found = []
    for client in CLIENTS:
        for text in (Path(__file__).parent / f"{client}.jsonl").read_text().splitlines():
            line = json.loads(text)
            body = (
                base64.b64decode(line["bytes"])
                if "bytes" in line
                else json.dumps(line["json"]).encode()
            )
            found.append(Captured(client, line["path"], line["query"], body, line.get("json")))
    return found
