"""SIGKILL between any two calls of what takes requests of Neptune 3's writers, then again.

The watcher of `test_killed_at_steps` kills a process that applies one request. The request comes
again, as clients repeat what was not answered: then the store is as if it had come once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.hub.context import Hub, open_hub
from mooring.hub.doors.neptune3.door import Asked, Door
from mooring.hub.doors.neptune3.files import Files
from mooring.hub.doors.neptune3.incoming import Incoming
from mooring.hub.doors.neptune3.ingest import Ingest
from mooring.hub.doors.neptune3.links import Grant, StorageLinks
from mooring.hub.doors.neptune3.parts import Parts
from mooring.hub.settings import HubSettings
from mooring.model import AttributeType
from mooring.store import PathSelector, RunQuery, SeriesQuery
from mooring.wire.neptune3.requests import Code
from mooring.wire.neptune3.schema import message
from tests.e2e.faults.processes import LONG, Child, age_files, linux_only
from tests.e2e.faults.test_killed_at_steps import FORKS, Steps
from tests.unit.hub.doors.neptune3.writing import PROJECT, batch, configs, creation, points

pytestmark = linux_only

SAMPLES = 200 if LONG else 10
UPLOAD = "0123456789abcdef" * 2
PARTS = [b"first part, ", b"second part"]
DIGESTS = [f"{number:064x}" for number in (1, 2)]
"""The name of a part is what was answered to its upload."""

BEGIN = "for line in sys.stdin:"
OURS = f"""
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.e2e.faults.test_killed_neptune3 import act

{BEGIN}"""


def created(run_id: str, **fields: Any) -> Any:
    made = creation(run_id, experiment_id="exp", **fields)
    made.create.creation_time.seconds = 1_000
    return made


def tags(add: list[str], remove: list[str]) -> Any:
    made = message("UpdateRunSnapshot")()
    made.timestamp.seconds = 1_000
    for word, action in [*((word, 1) for word in add), *((word, 2) for word in remove)]:
        made.modify_sets["sys/tags"].string.values[word] = action
    return made


OPERATIONS = {
    "first": creation("r"),
    "begun": batch(*(points(step, {"loss": float(step)}) for step in range(5)), tags(["a"], [])),
    "create": created("new"),
    "fork": created("fork", parent="r", step=3),
    "update": batch(
        *(points(step, {"loss": step / 2, "acc": -float(step)}) for step in range(10, 60)),
        *(points(step, {"line": f"line {step}"}) for step in range(10, 20)),
        points(5, {"loss": 5.0}),
        points(70, {"loss": 5.0}, preview=0.5),
        points(20, {"image": ("file", "early"), "h": ("histogram", [0.0, 1.0], [3])}),
        points(21, {"image": ("file", "late")}),
        configs({"lr": 0.1, "n": 2, "other": "x", "f": ("file", "early 2"), "g": ("file", "late")}),
        tags(["b", "c"], ["a"]),
    ),
}


class Site:
    """A hub without its server: one user, who does what requests do."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._door = Door(hub)
        made = hub.accounts.create_token("admin")
        self._principal = hub.accounts.authenticate(made.secret)
        self._links = StorageLinks(hub.links, hub.settings.address)
        self._parts = Parts(hub.settings.data / "uploads")
        self._ingest = Ingest(self._door)

    def asked(self, body: bytes) -> Asked:
        store = self.hub.store_for(self._principal)
        return Asked(self._door, self._principal, store, {}, body, None)  # type: ignore[arg-type]

    def submit(self, what: str) -> dict[Code, int]:
        # The same bytes in each process, as a client repeats them.
        body = OPERATIONS[what].SerializeToString(deterministic=True)
        answer = self._ingest.submit(self.asked(body))
        wanted = message("RequestIdList")()
        wanted.ids.add(value=message("SubmitResponse").FromString(answer.body).request_ids[-1])
        told = self._ingest.check(self.asked(wanted.SerializeToString()))
        (status,) = message("BulkRequestStatus").FromString(told.body).statuses
        return {Code(each.detail): each.count for each in status.code_by_count}

    def upload(self, path: str, content: bytes) -> None:
        incoming = Incoming(self.hub, self._links, self._parts)
        grant = Grant(action="put", project=PROJECT, path=path, user=self._principal.user)
        with self._parts.create(UPLOAD) as file:
            file.write(content)
            incoming._store(file, grant)

    def complete(self) -> None:
        files = Files(self.hub, self._links, self._parts)
        files._join(self.asked(b""), PROJECT, "late", UPLOAD, DIGESTS)

    def send_parts(self) -> None:
        for number, content in enumerate(PARTS, 1):
            with self._parts.create(UPLOAD) as file:
                file.write(content)
                self._parts.keep(file, UPLOAD, number, DIGESTS[number - 1])

    def act(self, what: str) -> dict[Code, int]:
        """Do what a request does; return what is told of its operations."""
        match what:
            case "upload":
                self.upload("late", b"came late")
            case "complete":
                self.complete()
            case _:
                return self.submit(what)
        return {}

    def content(self) -> list[str]:
        """Return all that readers see of the project, for comparison."""
        store, found = self.hub.store, []
        runs = store.query_runs(RunQuery(project=PROJECT)).runs
        for run in sorted(runs, key=lambda run: run.run_id):
            found.append(f"{run.run_id} {run.parent} {run.fork_step} {run.created}")
            for column in store.read_attributes([run.key], PathSelector()):
                if column.path not in OF_THE_CLOCK:
                    found.append(f"{column.path} {column.type} {list(map(shown, column.values))}")
            for type in AttributeType:
                if type.is_series:
                    select = PathSelector(types=frozenset([type]))
                    query = SeriesQuery(include_previews=True)
                    found += map(str, store.read_series([run.key], select, query).to_pylist())
        return found


OF_THE_CLOCK = {"sys/modification_time", "sys/ping_time", "sys/running_time_seconds"}


def shown(value: object) -> str:
    return str(sorted(value) if isinstance(value, frozenset) else value)


@contextmanager
def opened(path: str | Path) -> Iterator[Site]:
    with closing(open_hub(HubSettings(store=str(path)))) as hub:
        yield Site(hub)


def act(what: str, path: str) -> None:
    """Do one request in a process that is being watched, but while the hub opens and closes."""
    watch = sys.getprofile()
    sys.setprofile(None)
    with opened(path) as site:
        sys.setprofile(watch)
        site.act(what)
        sys.setprofile(None)


def make_hub(path: Path, what: str) -> None:
    """A run, two files that came before they are told of; for uploads one that was told of."""
    with closing(open_hub(HubSettings(store=str(path)))) as hub:
        hub.accounts.ensure_administrator()
        site = Site(hub)
        site.submit("first")
        site.submit("begun")
        site.upload("early", b"came early")
        site.upload("early 2", b"came early too")
        if what in ("upload", "complete"):
            site.submit("update")
            site.send_parts()


@contextmanager
def stepping(folder: Path, what: str) -> Iterator[Steps]:
    template = folder / "template.db"
    make_hub(template, what)
    with Child(FORKS.replace(BEGIN, OURS), template) as child:
        yield Steps(child, folder, template)


def finish(path: Path, what: str) -> tuple[dict[Code, int], list[str], list[str]]:
    """Send a request again, and once more; return what is told, and what there is after it."""
    with opened(path) as site:
        told = site.act(what)
        assert site.act(what) in (told, {Code.RUN_DUPLICATE: 1})
        before = site.content()
        site.upload("late", b"came late")
        age_files(path)
        errors = [f for f in site.hub.store.check().findings if f.severity == "error"]
        assert not errors, errors
        return told, before, site.content()


def counted(path: Path) -> int:
    """Return how many points the metric has, of 5 before and 50 in the update."""
    with opened(path) as site:
        run = site.hub.store.find_run(PROJECT, run_id="r")
        assert run is not None
        return site.hub.store.get_stats(run.key, "loss").count


@pytest.mark.parametrize("what", ["create", "fork", "update", "upload", "complete"])
def test_a_kill_while_a_request_is_applied(tmp_path: Path, what: str) -> None:
    with stepping(tmp_path, what) as steps:
        path, calls = steps.run(what)
        assert calls is not None
        expected = finish(path, what)
        if what == "update":
            assert expected[0] == {Code.OK: 120, Code.SERIES_STEP_NON_INCREASING: 1}
        for number in range(SAMPLES):
            path, _ = steps.run(what, number=1 + calls * number // SAMPLES)
            assert counted(path) in (5, 55), number
            _compare(finish(path, what), expected, str(number))


def _compare(found: Any, expected: Any, where: str) -> None:
    told, *content = found
    # A run that is there already is told as a duplicate, also to those who were not told of it.
    assert told == expected[0] or expected[0] == {Code.RUN_DUPLICATE: 1}, where
    for lines, wanted in zip(content, expected[1:], strict=True):
        assert [line for line in lines if line not in wanted] == [], where
        assert lines == wanted, where
