"""Addresses: a hub below a path, the pages that clients print, projects by the older client."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mooring import ReadOnlyProject
from mooring.client.token import ApiToken, secret_of
from tests.conformance.neptune3.test_scale_files import log
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess, HubThread, free_port

LOGGED = """
run = open_run("it's", experiment_name='a "b" <c>')
run.log_configs({"lr": 0.5})
run.log_metrics({"loss": 0.25}, step=1)
run.assign_files({"notes": b"text"})
run.wait_for_processing()
run.close()
Path("urls.txt").write_text(run.get_run_url() + "\\n" + run.get_experiment_url())
"""

READ = """
import json
from neptune_query import runs

table = runs.fetch_runs_table(project="ann/digits", runs=["it's"], attributes=["lr", "loss"])
points = runs.fetch_metrics(project="ann/digits", runs=["it's"], attributes=["loss"])
notes = runs.fetch_runs_table(project="ann/digits", runs=["it's"], attributes="^notes$")
files = runs.download_files(files=notes, destination="files")
print(json.dumps({
    "lr": float(table["lr"].iloc[0]),
    "loss": [float(value) for value in points.to_numpy().ravel()],
    "notes": open(files.to_numpy().ravel()[0]).read(),
}))
"""

FETCH = """
import json
from neptune_fetcher import ReadOnlyProject
from neptune_fetcher.alpha import runs

project = ReadOnlyProject("ann/digits")
print(json.dumps({
    "old": list(project.fetch_runs()["sys/custom_run_id"]),
    "alpha": runs.list_runs(),
}))
"""


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A hub whose public address has a path; its address and a token."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/team/runs"
    hub = HubProcess(
        tmp_path_factory.mktemp("hub") / "runs.db", "--public-url", f"{address}/", port=port
    )
    yield address, ApiToken(address, secret_of(hub.admin)).encode()
    hub.stop()


@pytest.fixture(scope="module")
def urls(below: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("client")
    assert log(below[1], folder, LOGGED) == []
    return (folder / "urls.txt").read_text().splitlines()


@pytest.mark.usefixtures("urls")
def test_a_hub_below_a_path(below: tuple[str, str], tmp_path: Path) -> None:
    address, token = below
    told = find_peer("neptune_query").run(READ, cwd=tmp_path, NEPTUNE_API_TOKEN=token)
    assert json.loads(told.splitlines()[-1]) == {"lr": 0.5, "loss": [0.25], "notes": "text"}
    told = find_peer("neptune_fetcher").run(
        FETCH, cwd=tmp_path, NEPTUNE_API_TOKEN=token, NEPTUNE_PROJECT="ann/digits"
    )
    assert json.loads(told.splitlines()[-1]) == {"old": ["it's"], "alpha": ["it's"]}
    project = ReadOnlyProject("ann/digits", store=address, api_token=token)
    assert list(project.fetch_runs()["sys/custom_run_id"]) == ["it's"]
    # A server before the hub may take the path off itself.
    bare = address.removesuffix("/team/runs")
    assert httpx.get(f"{bare}/health").status_code == 200
    assert httpx.get(f"{address}/health").status_code == 200
    assert httpx.get(f"{address}health").status_code == 404


def test_the_pages_that_neptune_scale_prints(
    below: tuple[str, str], urls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code that they show reads what they name."""
    address, token = below
    monkeypatch.setenv("MOORING_API_TOKEN", token)
    for url in urls:
        assert url.startswith(address)
        page = httpx.get(url)
        assert page.status_code == 200
        theirs, ours = (
            html.unescape(code) for code in re.findall(r"<pre>(.*?)</pre>", page.text, re.DOTALL)
        )
        script = theirs.replace("nq.fetch", "table = nq.fetch") + "\nprint(len(table), table)"
        printed = find_peer("neptune_query").run(script, cwd=tmp_path, NEPTUNE_API_TOKEN=token)
        assert printed.startswith("1 ")
        names: dict[str, object] = {}
        exec(ours.replace("project.fetch", "table = project.fetch"), names)
        assert list(names["table"]["lr"]) == [0.5]  # type: ignore[index]


LEGACY = """
import json
from neptune import management
from neptune.management.internal.api import _get_backend_client

client = _get_backend_client()
pages = [
    client.api.listProjects(
        organizationIdentifier="team", offset=offset, limit=2
    ).response().result
    for offset in (0, 2)
]
print(json.dumps({
    "all": management.get_project_list(),
    "of team": [f"{each.organizationName}/{each.name}" for page in pages for each in page.entries],
    "counts": [page.matchingItemCount for page in pages],
}))
"""


def test_the_older_client_lists_projects(tmp_path: Path) -> None:
    hub = HubThread(tmp_path / "runs.db")
    for name in ("team/a", "team/b (old)", "team/c", "other/a"):
        hub.hub.store.create_project(name)
    printed = find_peer("neptune").run(
        LEGACY,
        cwd=tmp_path,
        NEPTUNE_API_TOKEN=hub.admin,
        OAUTHLIB_INSECURE_TRANSPORT="1",  # it refreshes its tokens over TLS only, otherwise
    )
    assert json.loads(printed.splitlines()[-1]) == {
        "all": ["other/a", "team/a", "team/c"],
        "of team": ["team/a", "team/b (old)", "team/c"],
        "counts": [3, 3],
    }
    hub.stop()
