"""The calls of `neptune-scale` that trainings seldom make: what they answer, and what is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mooring.model import FileRef
from mooring.store.contract import PathSelector, SeriesQuery
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

PROJECT = "team/digits"
SCRIPT = Path(__file__).parent / "clients" / "scale_calls.py"
SYNC = """
from neptune_scale.cli.commands import main

if __name__ == "__main__":
    main()
"""


class Called:
    """A hub, what a script told, and the folder in which it ran."""

    def __init__(self, hub: HubThread, folder: Path) -> None:
        self.hub, self.folder, self.store = hub, folder, hub.hub.store
        printed = find_peer("neptune_scale").run(
            SCRIPT.read_text(),
            cwd=folder,
            NEPTUNE_API_TOKEN=hub.admin,
            NEPTUNE_PROJECT=PROJECT,
        )
        self.told: dict[str, Any] = json.loads(printed.splitlines()[-1])

    def run(self, run_id: str) -> int | None:
        found = self.store.find_run(PROJECT, run_id=run_id)
        return found.key if found else None

    def value(self, run_id: str, path: str) -> Any:
        return self.store.get_value(self.run(run_id), path)[1]

    def content(self, file: FileRef) -> bytes:
        with self.store.open_blob(file.digest) as stream:
            return stream.read()

    def values(self, run_id: str, path: str, *, previews: bool = False) -> list[Any]:
        key = self.run(run_id)
        kind = self.store.get_value(key, path)[0]
        select = PathSelector(paths=(path,), types=frozenset({kind}))
        query = SeriesQuery(include_previews=previews)
        found: list[Any] = self.store.read_series([key], select, query)["value"].to_pylist()
        return found


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    hub = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    yield Called(hub, tmp_path_factory.mktemp("client"))
    hub.stop()


def test_nothing_was_refused(called: Called) -> None:
    assert called.told["errors"] == []


def test_projects(called: Called) -> None:
    told = called.told["projects"]
    assert told["created"] == ["made/a", "made/b", "made/b"]
    assert told["again"] == "NeptuneProjectAlreadyExists"
    assert told["a name that cannot be"] == "ValueError"
    assert told["listed"] == ["made/a", "made/b"]
    assert told["extracted"] == ["made", "a"]
    assert told["normalized"] == "made/a"
    assert called.store.list_projects() == ["made/a", "made/b", PROJECT]


def test_histograms_tell_their_lists(called: Called) -> None:
    assert called.told["histograms"] == [[0, 1, 2], [3, 4], [0.5]]


def test_log_and_the_end_of_a_with_block(called: Called) -> None:
    assert called.told["submitted"] is True
    assert called.value("with", "lr") == 0.5
    assert called.value("with", "names") == frozenset({"x", "y"})
    assert called.value("with", "sys/tags") == frozenset({"a"})
    assert called.values("with", "loss") == [0.25]


def test_the_manner_of_the_older_client(called: Called) -> None:
    assert called.value("legacy", "params/lr") == 0.5
    assert called.value("legacy", "params/deep/layers") == 3
    assert called.value("legacy", "name") == "x"
    assert called.values("legacy", "loss") == [0.5]
    assert called.values("legacy", "loss", previews=True) == [0.5, 9.0]
    assert called.values("legacy", "accuracy") == [0.1, 0.2, 0.3]
    assert called.value("legacy", "sys/tags") == frozenset({"a"})


def test_messages_and_the_console(called: Called) -> None:
    assert called.values("messages", "messages") == ["began", "well", "ends"]
    assert "said on the console" in called.values("messages", "runtime/stdout")


def test_the_source(called: Called) -> None:
    assert called.value("source", "code/commit/message") == "Begin\n"
    assert called.value("source", "code/commit/author_name") == "Ann"
    assert called.value("source", "code/branch") == "trunk"
    assert called.value("source", "code/dirty") is True
    assert b"+layers = 3" in called.content(called.value("source", "code/diff/head"))


def test_a_disabled_run_logs_nothing(called: Called) -> None:
    assert called.told["disabled"] == [True, False]
    assert called.run("disabled") is None


def test_a_run_that_is_terminated(called: Called) -> None:
    """What it had logged is there; what comes after is not."""
    assert called.values("ended", "loss") == [1.0]
    for url in called.told["urls"]:
        page = httpx.get(url)
        assert page.status_code == 200
        assert PROJECT in page.text


def test_a_run_that_was_logged_offline(called: Called) -> None:
    assert called.run("offline") is None
    (kept,) = (called.folder / "offline").rglob("*.sqlite3")
    find_peer("neptune_scale").run(
        SYNC, "sync", kept, cwd=called.folder, NEPTUNE_API_TOKEN=called.hub.admin
    )
    assert called.value("offline", "lr") == 0.5
    assert called.value("offline", "sys/tags") == frozenset({"kept"})
    assert called.values("offline", "loss") == [1.0, 0.5, 1 / 3]
    assert called.values("offline", "line") == ["line 0", "line 1", "line 2"]
    (weights,) = called.values("offline", "weights")
    assert weights["values"] == [0.25, 0.75]
    assert called.content(called.value("offline", "notes")) == b"text"
    images = [FileRef(**image) for image in called.values("offline", "images")]
    assert [called.content(image) for image in images] == [b"0", b"1", b"2"]
