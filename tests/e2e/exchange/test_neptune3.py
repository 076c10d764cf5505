"""`--source neptune3`: a hub, read through the real `neptune-query`, as our own export has it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mooring import open_store
from mooring.client.token import ApiToken
from mooring.exchange import Selection, export_runs
from mooring.exchange.comparing import compare_runs
from mooring.exchange.sources.store import StoreSource
from mooring.hub.accounts import Role
from mooring.hub.accounts.accounts import accounts_of
from mooring.hub.doors.neptune3.system import IDENTITY
from mooring.hub.settings import HubSettings
from mooring.model import RunKind
from mooring.store.computed import COMPUTED
from tests.e2e.exchange.neptune3 import SCALE, AsTold, Beside, fill, floor_times, train
from tests.serving import HubProcess, free_port

ONLY_TOLD = {*IDENTITY, *COMPUTED} - {"sys/size"}
"""Attributes that a server tells of every run, and a store does not keep."""


@dataclass(frozen=True)
class Served:
    hub: HubProcess
    store: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    fill(folder / "runs.db")
    hub = HubProcess(folder / "runs.db")
    try:
        train(hub, folder / "client")
        yield Served(hub, folder / "runs.db")
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def exported(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Beside:
    """An export through the server, below `exports`."""
    beside = Beside(tmp_path_factory.mktemp("exported"), served.hub.admin)
    out, _ = beside.run(
        "export", "--source", "neptune3", "--include-archived-runs", "--verify", "--format", "json"
    )
    found = json.loads(out)
    assert [one["project"] for one in found] == [
        "other/secret", "team/nets", "team/parts", "team/scale", "team/series", "team/table",
    ]  # fmt: skip
    assert all(one["done"] == one["runs"] for one in found), found
    return beside


@pytest.fixture(scope="module")
def own(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our own export of the same store."""
    folder = tmp_path_factory.mktemp("own")
    with open_store(served.store, read_only=True) as store:
        report = export_runs(StoreSource(store), folder, selection=Selection(archived=True))
    assert report.is_complete, report
    return folder


def read_rows(data: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the rows of an export; a part may hold what it wants."""
    rows = [
        row for part in sorted(data.glob("*/*.parquet")) for row in pq.read_table(part).to_pylist()
    ]
    names = ("project_id", "run_id", "attribute_path", "attribute_type", "step")
    found = {tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_the_tables_are_those_of_our_own_export(exported: Beside, own: Path) -> None:
    theirs, ours = read_rows(exported.folder / "exports/data"), read_rows(own / "data")
    (far,) = (key for key in ours if key[2] == "far" and key[0] == "team/parts")
    assert far[-1] == Decimal("10000000000.000003")
    # Steps are told as doubles: this one is between two of them.
    ours[*far[:-1], Decimal("10000000000.000004")] = ours.pop(far)
    more = theirs.keys() - ours.keys()
    assert {path for _, _, path, _, _ in more} == ONLY_TOLD
    assert ours.keys() <= theirs.keys()
    assert sum(type == "float_series" for _, _, _, type, _ in ours) > 4_000
    for key, row in ours.items():
        # Below the milliseconds the server says nothing.
        expected = row | {"timestamp_us": row["timestamp_us"] and 0, "step": key[-1]}
        if key[2] == "sys/running_time_seconds":
            expected["float_value"] = theirs[key]["float_value"]  # goes on while a run is open
        assert repr(theirs[key]) == repr(expected), key


def test_the_files_are_those_of_our_own_export(exported: Beside, own: Path) -> None:
    def contents(root: Path) -> Mapping[str, bytes]:
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }

    found = contents(own / "files")
    assert len(found) > 15
    assert contents(exported.folder / "exports/files") == found


def test_the_manifests_tell_the_same_but_for_what_no_server_tells(
    exported: Beside, own: Path
) -> None:
    told = exported.folder / "exports/data"
    names = [path.relative_to(own / "data") for path in (own / "data").glob("*/.mooring/*.json")]
    assert len(names) == 15
    assert {path.relative_to(told) for path in told.glob("*/.mooring/*.json")} == set(names)
    for name in names:
        ours, theirs = (json.loads((root / name).read_text()) for root in (own / "data", told))
        for what in ("project", "run_id", "kind", "sys_id", "name", "parent", "fork_step"):
            assert theirs[what] == ours[what], (name, what)
        for what in ("trashed", "files", "missing", "not_inherited"):
            assert theirs[what] == ours[what], (name, what)
        counts = [{(s[0], s[1], s[4]) for s in one["series"]} for one in (ours, theirs)]
        assert counts[0] == counts[1], name
        # What cannot be equal: the microseconds, types that Neptune 3 lacks, rows of a table.
        assert theirs["created"] == ours["created"] // 1_000 * 1_000
        assert [one[0] for one in ours["others"]] == ["sys/state"]
        assert theirs["others"] == []
        assert theirs["rows"] is None
        assert (ours["rows"] is not None) == (ours["project"] == "team/table")
        assert (theirs["previews"] is None) == (ours["previews"] is None)
        if ours["previews"]:
            ours, theirs = (
                pq.read_table((root / name).with_suffix(".previews"))
                for root in (own / "data", told)
            )
            assert theirs.equals(floor_times(ours))


def test_an_import_makes_an_equal_store(served: Served, tmp_path: Path) -> None:
    beside = Beside(tmp_path, served.hub.admin)
    for outcome in ("done", "present"):
        out, _ = beside.run(
            "import", "--source", "neptune3", "--store", "new.db", "--verify", "--format", "json"
        )
        assert sum(one[outcome] for one in json.loads(out)) == 15
    with (
        open_store(served.store, read_only=True) as store,
        open_store(tmp_path / "new.db") as new,
    ):
        before, after = AsTold(store), AsTold(new)
        assert after.list_projects() == before.list_projects()
        for project in before.list_projects():
            ours = {run.run_id: run for run in before.list_runs(project)}
            theirs = {run.run_id: run for run in after.list_runs(project)}
            assert theirs.keys() == ours.keys()
            for id, run in ours.items():
                other = theirs[id]
                assert run.kind is RunKind.RUN
                assert (other.sys_id, other.name, other.parent, other.fork_step, other.trashed) == (
                    run.sys_id, run.name, run.parent, run.fork_step, run.trashed,
                )  # fmt: skip
                assert compare_runs(before, run, after, other).differences == ()


def test_a_run_can_be_read_again_through_the_hub_that_took_it_in(
    served: Served, tmp_path: Path
) -> None:
    beside = Beside(tmp_path, served.hub.admin)
    beside.run("import", "--source", "neptune3", "-p", SCALE, "--store", "new.db")
    again = HubProcess(tmp_path / "new.db")
    try:
        second = Beside(tmp_path / "second", again.admin)
        second.folder.mkdir()
        second.run("export", "--source", "neptune3")
        beside.run("export", "--source", "neptune3", "-p", SCALE)
    finally:
        again.stop()
    ours, theirs = (read_rows(one.folder / "exports/data") for one in (beside, second))
    assert theirs.keys() == ours.keys()
    for key, row in ours.items():
        if not key[2].endswith(("_uuid", "running_time_seconds")):
            assert repr(theirs[key]) == repr(row)


def test_what_is_chosen(served: Served, tmp_path: Path) -> None:
    beside = Beside(tmp_path, served.hub.admin)

    def attributes(*options: str) -> dict[tuple[str, str], set[str]]:
        beside.run("export", "--source", "neptune3", *options, "-d", "d", "-f", "f", "--overwrite")
        found: dict[tuple[str, str], set[str]] = {}
        for project, run, path, *_ in read_rows(tmp_path / "d"):
            if not path.startswith("sys/"):
                found.setdefault((project, run), set()).add(path)
        for file in (*tmp_path.glob("d/*/*.parquet"), *tmp_path.glob("d/*/.mooring/*.json")):
            file.unlink()
        return found

    some = attributes("-p", SCALE, "-r", "^ro", "-a", "^(lr|loss|line|model)$")
    assert some == {(SCALE, "root"): {"lr", "loss", "line", "model"}}
    exact = attributes("-p", SCALE, "-a", "lr", "-a", "far", "-c", "metrics")
    assert exact == {(SCALE, "root"): {"far"}}
    found = attributes("-p", SCALE, "--exclude", "files", "--exclude", "metrics")
    assert found[SCALE, "fork"] >= {"lr", "line"}
    assert not found[SCALE, "fork"] & {"loss", "mine", "model", "images", "h"}
    assert found[SCALE, "root"] >= {"lr", "line", "h"}
    wide = attributes("--workspace", "team", "--project-pattern", "^n", "--project-pattern", "^t",
                      "--project-exclude-pattern", "le$")  # fmt: skip
    assert {project for project, _ in wide} == {"team/nets"}
    assert ("team/nets", "gone") not in wide


def test_it_is_backed_up_and_summarised(served: Served, tmp_path: Path) -> None:
    beside = Beside(tmp_path, served.hub.admin)
    beside.run("backup", "saved", "--source", "neptune3", "--verify")
    beside.run("restore", "saved", "--store", "restored.db", "--verify")
    with (
        open_store(served.store, read_only=True) as store,
        open_store(tmp_path / "restored.db") as new,
    ):
        before, after = AsTold(store), AsTold(new)
        found = {run.run_id: run for run in after.list_runs(SCALE)}
        for run in before.list_runs(SCALE):
            assert compare_runs(before, run, after, found[run.run_id]).differences == ()
    out, _ = beside.run("summary", "--from", "neptune3", "--format", "json")
    projects = {one["project"]: one for one in json.loads(out)["projects"]}
    assert projects["team/nets"]["runs"] == 6
    assert projects["team/nets"]["trashed"] == 1
    assert projects[SCALE]["forks"] == 1


# what goes wrong


def test_what_cannot_be_asked_is_told(served: Served, tmp_path: Path) -> None:
    beside = Beside(tmp_path, served.hub.admin)
    export = ("export", "--source", "neptune3")

    def refusal(*arguments: str, **environment: str) -> str:
        _, err = beside.run(*export, *arguments, code=1, **environment)
        assert "Traceback" not in err
        for token in (served.hub.admin, environment.get("NEPTUNE_API_TOKEN", "none")):
            assert not token or token not in err
        return err

    assert "team/net" in refusal("-p", "team/net")
    assert "team/nets" in refusal("-p", "team/net")  # what was meant
    assert "NEPTUNE_API_TOKEN is not set" in refusal(NEPTUNE_API_TOKEN="")
    assert "holds no API token" in refusal(NEPTUNE_API_TOKEN="secret words")
    assert f"is for {served.hub.address}, not for http://else" in refusal("--store", "http://else")
    fields = json.loads(base64.b64decode(served.hub.admin))
    wrong = base64.b64encode(json.dumps(fields | {"api_key": "wrong"}).encode()).decode()
    assert "refuses the token in NEPTUNE_API_TOKEN" in refusal(NEPTUNE_API_TOKEN=wrong)
    nowhere = f"http://127.0.0.1:{free_port()}"
    away = json.dumps(fields | {"api_url": nowhere, "api_address": nowhere}).encode()
    told = refusal(
        NEPTUNE_API_TOKEN=base64.b64encode(away).decode(), NEPTUNE_QUERY_RETRY_SOFT_TIMEOUT="1"
    )
    assert f"no Neptune server answers at {nowhere} (waited " in told
    assert not (tmp_path / "exports").exists()


def test_a_project_that_others_own_is_not_there(served: Served, tmp_path: Path) -> None:
    with closing(accounts_of(HubSettings(store=str(served.store)))) as accounts:
        accounts.create_user("viewer")
        accounts.grant(SCALE, "viewer", Role.VIEWER)
        secret = accounts.create_token("viewer").secret
    beside = Beside(tmp_path, ApiToken(served.hub.address, secret).encode())
    beside.run("export", "--source", "neptune3", "-p", "team/nets", code=1)
    beside.run("export", "--source", "neptune3")
    projects = {project for project, *_ in read_rows(tmp_path / "exports/data")}
    assert projects == {SCALE}


# kills


KILLED = """
import os, sys
last, *sys.argv[1:] = sys.argv[1:]

def die(event, args):
    # at the n-th change of the export, just before it happens
    global counted
    if event == "open":
        changes = isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
    else:
        changes = event in ("os.rename", "os.mkdir", "os.remove")
    if changes and "exports" in str(args[0]):
        counted += 1
        if counted == int(last):
            os.kill(os.getpid(), 9)

counted = 0
from mooring.cli import main
from mooring.exchange.targets.parquet import exporting, parts
parts.PART_BYTES = 20_000  # so that runs have several parts
exporting.POINTS_AT_ONCE = 1_000
sys.addaudithook(die)
try:
    main()
finally:
    print("changes", counted, file=sys.stderr)
"""


def test_an_export_that_is_killed_goes_on(served: Served, own: Path, tmp_path: Path) -> None:
    beside = Beside(tmp_path, served.hub.admin)
    options = ("export", "--source", "neptune3", "-p", "team/parts", "-p", SCALE)

    def attempt(last: int) -> tuple[int, str]:
        process = beside.start(last, *options, code=("-c", KILLED))
        _, err = process.communicate(timeout=120)
        return process.returncode, err

    kills = 0
    for last in (3, 8, 13, 18, 25, 30):
        code, err = attempt(last)
        if code == 0:
            break
        assert code == -9, err
        kills += 1
    assert kills >= 3
    code, err = attempt(0)
    assert code == 0, err
    data = tmp_path / "exports/data"
    assert [*data.rglob("*.tmp"), *data.rglob("*.journal")] == []
    assert len([*data.glob("*/parts-*.parquet")]) > 1
    ours, theirs = read_rows(own / "data"), read_rows(data)
    assert {key for key in ours if key[0] in ("team/parts", SCALE) and key[2] != "far"} <= {*theirs}
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "exports").rglob("*.*")}
    assert len(written) > 10
    code, err = attempt(0)
    assert code == 0, err
    assert {path: path.stat().st_mtime_ns for path in written} == written  # nothing again


def test_a_hub_that_dies_meanwhile_is_waited_for_and_then_told(tmp_path: Path) -> None:
    fill(tmp_path / "runs.db")
    port = free_port()
    hub = HubProcess(tmp_path / "runs.db", port=port)
    beside = Beside(tmp_path, hub.admin)
    options = ("export", "--source", "neptune3")
    process = beside.start(*options, NEPTUNE_QUERY_RETRY_SOFT_TIMEOUT="2")
    data = tmp_path / "exports/data"
    while not [*data.glob("*/*.parquet")] and process.poll() is None:
        time.sleep(0.01)
    hub.kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert f"the server at {hub.address} did not answer as it should for 2 s" in err
    assert "Traceback" not in err
    again = HubProcess(tmp_path / "runs.db", port=port)
    try:
        out, _ = beside.run(*options, "--format", "json")
        assert sum(one["done"] + one["present"] for one in json.loads(out)) == 12
        assert sum(one["present"] for one in json.loads(out)) >= 1
    finally:
        again.stop()
