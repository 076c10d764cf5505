"""Captures anew what Neptune's clients send: `python -m tests.unit.wire.neptune3_traffic.capture`.

The real clients log and read at a real hub, which writes down the bodies of their POST requests:
no headers, so no tokens; from runs that are made up, in an empty folder, so no names of machines.
One file for each client, a request in a line. Bodies that are alike but for their ids and times
are kept once.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests import serving
from tests.conformance.neptune3 import sample, series_sample
from tests.e2e.exchange.peer import Peer

HERE = Path(__file__).parent
CLIENTS = HERE.parents[2] / "conformance" / "neptune3" / "clients"
RECORDING = str(CLIENTS / "recording")  # a module that the scripts import
WRITTEN = "team/written"
LONGEST = 20_000
KEPT = ("/api/client/", "/api/leaderboard/", "/api/storagebridge/")
_VARYING = re.compile(rb"[0-9]+")

WRITING = """
import math, random
from datetime import UTC, datetime
from neptune_scale import Run
from neptune_scale.types import File, Histogram

random.seed(1)

def told(error, *_):
    pass

def open_run(run_id, **given):
    return Run(
        project="team/written", run_id=run_id, enable_console_log_capture=False,
        on_error_callback=told, on_warning_callback=told, source_tracking_config=None, **given,
    )

if __name__ == "__main__":
    run = open_run("root", experiment_name="alpha")
    run.log_configs({
        "int": -3, "big": 2**40, "float": 0.5, "nan": math.nan, "inf": -math.inf, "bool": True,
        "text": "héllo", "empty": "", "time": datetime(2024, 2, 29, 12, 30, 0, 123456, UTC),
    })
    run.log_configs({"set": ["a", "b"], "nested": {"x": {"y": 1}}}, flatten=True,
                    cast_unsupported=True)
    run.add_tags(["one", "two"])
    run.add_tags(["group"], group_tags=True)
    run.remove_tags(["two"])
    run.wait_for_processing()
    for step in (0, 1, 2.5):
        run.log_metrics({f"train/m{n}": step + n for n in range(5)}, step=step)
    run.log_metrics({"train/m0": math.nan, "train/m1": math.inf}, step=3)
    run.log_metrics({"late": 1.0}, step=4, preview=True, preview_completion=0.25)
    run.wait_for_processing()
    for step in range(3):
        run.log_string_series({"log": f"line {step}"}, step=step)
        run.log_histograms(
            {"counts": Histogram(bin_edges=[0, 1, 2], counts=[step, 1])}, step=step
        )
        run.log_histograms(
            {"densities": Histogram(bin_edges=[0, 0.5, 1], densities=[0.5, 1.5])}, step=step
        )
        run.log_files({"images": File(b"png", mime_type="image/png")}, step=step)
    model = File(b"weights", destination="my/model.pt", mime_type="application/x-weights")
    run.assign_files({"model": model})
    run.wait_for_processing()
    run.log_metrics({"train/m0": 1.0}, step=0)  # is refused
    run.log_configs({"int": "a text"})  # is refused
    run.wait_for_processing()
    run.close()
    fork = open_run("fork", experiment_name="alpha", fork_run_id="root", fork_step=1)
    fork.log_metrics({"train/m0": 9.0}, step=2)
    fork.wait_for_processing()
    fork.close()
    again = open_run("fork")
    again.log_metrics({"train/m0": 10.0}, step=3)
    again.wait_for_processing()
    again.close()
"""

ALPHA = """
from datetime import UTC, datetime
from neptune_fetcher.alpha import runs
from neptune_fetcher.alpha.filters import AttributeFilter, Filter

LR = "params/lr"
for chosen in (
    None, "^a", ["b", "plain"], Filter.eq(LR, 0.1), Filter.ne("sys/name", "alpha"),
    Filter.contains_all("sys/tags", ["one", "two"]) & Filter.exists("metrics/loss"),
    Filter.contains_none("sys/tags", "one") | Filter.matches_none("sys/name", ["x", "y"]),
    Filter.gt("sys/creation_time", datetime(2024, 1, 2, tzinfo=UTC)),
):
    runs.list_runs(runs=chosen)
runs.list_attributes(runs=None, attributes="metrics")
runs.fetch_runs_table(runs=None, attributes=AttributeFilter(name_matches_all=["^p", "r$"]))
runs.fetch_metrics(runs="^a", attributes="metrics/loss", step_range=(0, 3), tail_limit=2)
runs.fetch_series(runs="^a", attributes="text|log")
"""

DOWNLOADING = """
from neptune_query import runs
table = runs.fetch_runs_table(runs="root", attributes="^model$")
runs.download_files(files=table, destination="files")
"""
DOWNLOADING_BY_ALPHA = """
from neptune_fetcher.alpha import runs
runs.download_files(runs="root", attributes="^model$", destination="files")
"""


class Recorder:
    """ASGI middleware: keeps the bodies of POST requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []

    def wrap(self, app: ASGIApp) -> ASGIApp:
        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            body: list[bytes] = []

            async def kept() -> Message:
                message = await receive()
                body.append(message.get("body", b""))
                return message

            await app(scope, kept, send)
            if scope["type"] == "http" and scope["method"] == "POST":
                self.requests.append(
                    (scope["path"], scope["query_string"].decode(), b"".join(body))
                )

        return recorded


@contextmanager
def recorded_hub(folder: Path) -> Iterator[tuple[serving.HubThread, Recorder]]:
    """Run a hub whose requests are written down."""
    recorder, create_app = Recorder(), serving.create_app
    serving.create_app = lambda hub: recorder.wrap(create_app(hub))  # type: ignore[assignment,return-value]
    try:
        hub = serving.HubThread(folder / "runs.db")
    finally:
        serving.create_app = create_app
    yield hub, recorder
    hub.stop()


def lines_of(requests: list[tuple[str, str, bytes]]) -> list[dict[str, Any]]:
    """Return requests as they are written into a file, those that are alike once."""
    seen: set[tuple[str, bytes]] = set()
    lines = []
    for path, query, body in requests:
        alike = (path, _VARYING.sub(b"0", body))
        if alike in seen or len(body) > LONGEST or not path.startswith(KEPT):
            continue
        seen.add(alike)
        line: dict[str, Any] = {"path": path, "query": query}
        if body[:1] in (b"{", b"["):
            line["json"] = json.loads(body)
        else:
            line["bytes"] = base64.b64encode(body).decode()
        lines.append(line)
    return lines


def write(client: str, requests: list[tuple[str, str, bytes]]) -> None:
    """Write the file of a client."""
    lines = lines_of(requests)
    texts = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]
    (HERE / f"{client}.jsonl").write_text("".join(f"{text}\n" for text in texts))
    sys.stdout.write(f"{client}: {len(requests)} requests, {len(lines)} kept\n")


def main() -> None:
    """Capture the traffic of each client."""
    with tempfile.TemporaryDirectory() as name, recorded_hub(Path(name)) as (hub, recorder):
        folder = Path(name)
        Peer("neptune_scale").run(WRITING, cwd=folder, NEPTUNE_API_TOKEN=hub.admin)
        write("neptune_scale", recorder.requests)
        sample.log_sample(hub.hub)
        series_sample.log_series(hub.hub)
        for client, scripts in (
            (
                "neptune_query",
                (
                    ("query_runs.py", sample.PROJECT, sample.ODD),
                    ("query_series.py", series_sample.PROJECT, series_sample.ODD),
                    (DOWNLOADING, WRITTEN, ""),
                ),
            ),
            (
                "neptune_fetcher",
                (
                    ("fetcher_runs.py", sample.PROJECT, sample.ODD),
                    (ALPHA, sample.PROJECT, ""),
                    (DOWNLOADING_BY_ALPHA, WRITTEN, ""),
                ),
            ),
        ):
            recorder.requests.clear()
            for script, project, odd in scripts:
                code = (CLIENTS / script).read_text() if script.endswith(".py") else script
                told = {"NEPTUNE_PROJECT": project, "ODD": odd, "PYTHONPATH": RECORDING}
                Peer(client).run(code, cwd=folder, NEPTUNE_API_TOKEN=hub.admin, **told)
            write(client, recorder.requests)


if __name__ == "__main__":
    main()
