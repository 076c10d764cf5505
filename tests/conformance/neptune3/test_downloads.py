"""Files that `neptune-scale` logged, as the real readers download them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.neptune3.test_scale_files import PROJECT, log
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

QUERY = """
import json
from neptune_query import runs

table = runs.fetch_runs_table(runs="one", attributes="^(model|empty)$")
series = runs.fetch_series(runs="one", attributes="images")
found = {}
for files in (table, series):
    shown = runs.download_files(files=files, destination="files")
    for path in shown.to_numpy().ravel():
        found[str(path)[str(path).index("files/"):]] = open(path).read()
print(json.dumps(found))
"""

FETCHER = """
import json
from neptune_fetcher.alpha import runs

shown = runs.download_files(runs="one", attributes="^(model|empty)$", destination="files")
print(json.dumps(sorted(open(path).read() for path in shown.to_numpy().ravel() if path)))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    said = log(
        started.token("ann"),
        tmp_path_factory.mktemp("client"),
        """
run = open_run("one")
run.assign_files({
    "model": File(b"weights", destination="my/model.pt"),
    "empty": File(b"", mime_type="text/plain"),
})
for step in range(3):
    run.log_files({"images": str(step).encode()}, step=step)
run.wait_for_processing()
run.close()
""",
    )
    assert said == []
    yield started
    started.stop()


def read(hub: HubThread, peer: str, script: str, folder: Path) -> object:
    printed = find_peer(peer).run(
        script, cwd=folder, NEPTUNE_API_TOKEN=hub.token("ann"), NEPTUNE_PROJECT=PROJECT
    )
    return json.loads(printed.splitlines()[-1])


def test_neptune_query(hub: HubThread, tmp_path: Path) -> None:
    found = read(hub, "neptune_query", QUERY, tmp_path)
    assert isinstance(found, dict)
    assert sorted(found.values()) == ["", "0", "1", "2", "weights"]
    assert {path.split("/")[1] for path in found} == {"one"}


def test_the_alpha_of_neptune_fetcher(hub: HubThread, tmp_path: Path) -> None:
    assert read(hub, "neptune_fetcher", FETCHER, tmp_path) == ["", "weights"]
