"""What dead processes left: listed, and sent in order."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mooring.client.sending import Delivery, SendSettings
from mooring.client.spool import Spool, SpoolHead
from mooring.client.syncing import list_spools, sync
from mooring.errors import HubFailed, HubUnreachable, InvalidValue, RunNotFound, StoreCorrupt
from tests.unit.client.test_spool import flip, new_head, segments
from tests.unit.client.test_spool_sending import Received

FAST = SendSettings(first_pause_s=0.001, longest_pause_s=0.002, batch_count=4)


def leave(
    folder: Path,
    *records: bytes,
    run_id: str = "run",
    hub: str = "http://hub",
    created: int = 1,
) -> Spool:
    head = new_head(run_id, hub=hub, created=created)
    spool = Spool.create(folder, head, limit_bytes=1 << 20, segment_bytes=60)
    for record in records:
        spool.append(record)
    spool.close()
    return spool


def test_everything_left_is_sent_oldest_first(tmp_path: Path) -> None:
    hub = Received()
    spools = [
        leave(tmp_path, *(f"{created}/{n}".encode() for n in range(10)), created=created)
        for created in (3, 1, 2)
    ]
    living = Spool.create(tmp_path, new_head(), limit_bytes=1 << 20)
    living.append(b"mine")
    told: list[tuple[int, int]] = []
    report = sync(
        tmp_path,
        hub.deliver,
        progress=lambda head, sent, pending: told.append((sent, pending)),
        settings=FAST,
    )
    assert (report.ok, report.sent, report.left, report.alive) == (True, 30, 0, 1)
    assert told == [(4, 6), (8, 2), (10, 0)] * 3
    order = [spools[index].head.writer for index in (1, 2, 0)]
    assert list(hub.records) == order
    assert hub.records[order[0]] == [f"1/{n}".encode() for n in range(10)]
    assert [path.name for path in tmp_path.iterdir()] == [living.path.name]
    assert living.pending == 1
    assert sync(tmp_path / "missing", hub.deliver).ok


def test_one_hub_is_chosen(tmp_path: Path) -> None:
    hub = Received()
    here = leave(tmp_path, b"a", hub="http://here")
    there = leave(tmp_path, b"b", b"c", hub="http://there")
    assert [state.head for state in list_spools(tmp_path, "http://there")] == [there.head]
    report = sync(tmp_path, hub.deliver, hub="http://here", settings=FAST)
    assert report.ok
    assert list(hub.records) == [here.head.writer]
    assert [state.pending for state in list_spools(tmp_path)] == [2]


def test_a_list_tells_what_waits(tmp_path: Path) -> None:
    dead = leave(tmp_path, b"a", b"b", created=1)
    living = Spool.create(tmp_path, new_head(created=2), limit_bytes=1 << 20)
    living.append(b"x" * 100)
    living.append(b"x")
    living.acknowledge(1)
    damaged = leave(tmp_path, b"a")
    (damaged.path / "head.json").write_bytes(b"?")
    (tmp_path / "other.spool").write_text("no folder")
    (tmp_path / "notes").mkdir()
    broken, first, second = list_spools(tmp_path)
    assert (first.head, first.pending, first.alive, first.damage) == (dead.head, 2, False, "")
    assert (second.head, second.pending, second.alive) == (living.head, 1, True)
    assert second.size_bytes == 141
    assert broken.head is None
    assert "head.json" in broken.damage
    assert list_spools(tmp_path / "missing") == []
    assert Spool.adopt(dead.path) is not None  # looking at it took nothing


def test_a_hub_that_is_away_is_asked_for_one_spool_only(tmp_path: Path) -> None:
    asked: list[str] = []

    def deliver(head: SpoolHead, first: int, records: list[bytes]) -> Delivery:
        asked.append(head.writer)
        raise HubUnreachable("no answer")

    for run in "abc":
        leave(tmp_path, b"x", b"y", run_id=run)
    report = sync(tmp_path, deliver, settings=FAST)
    assert not report.ok
    assert (report.sent, report.left) == (0, 6)
    assert len(set(asked)) == 1
    assert all(isinstance(result.error, HubUnreachable) for result in report.spools)
    hub = Received()
    hub.failures = [HubFailed("500"), HubUnreachable("cut off")]
    assert sync(tmp_path, hub.deliver, settings=FAST).sent == 6


def test_later_spools_of_a_run_wait_for_an_earlier_one(tmp_path: Path) -> None:
    hub = Received()
    hub.failures = [RunNotFound("run")]
    leave(tmp_path, b"a", created=1)
    leave(tmp_path, b"b", created=2)
    leave(tmp_path, b"c", created=1, run_id="other")
    spools = {state.path: state for state in list_spools(tmp_path)}
    report = sync(tmp_path, hub.deliver, settings=FAST)
    # All have one key, which is what tells runs of a hub apart.
    assert [type(result.error) for result in report.spools] == [RunNotFound] * 3
    assert {result.path for result in report.spools} == set(spools)
    assert sync(tmp_path, hub.deliver, settings=FAST).ok


def test_damaged_records_are_set_aside_after_those_before_them(tmp_path: Path) -> None:
    hub = Received()
    spool = leave(tmp_path, *(b"%d" % n for n in range(9)))
    later = leave(tmp_path, b"later", created=2)
    file = segments(spool)[2]
    flip(file, 20)
    report = sync(tmp_path, hub.deliver, settings=FAST)
    result = report.spools[0]
    assert (result.sent, result.left) == (4, 5)
    assert isinstance(result.error, StoreCorrupt)
    assert f"{file} is damaged at byte 0" in str(result.error)
    assert hub.records == {
        spool.head.writer: [b"0", b"1", b"2", b"3"],
        later.head.writer: [b"later"],
    }
    assert result.path.name == f"{spool.head.writer}.damaged"
    assert (result.path / file.name).exists()
    again = sync(tmp_path, hub.deliver, settings=FAST)
    assert again.spools == ()
    (state,) = list_spools(tmp_path)
    assert (state.path, state.pending) == (result.path, 5)
    assert "set aside" in state.damage


def test_a_damaged_head_is_reported_and_left(tmp_path: Path) -> None:
    spool = leave(tmp_path, b"a")
    (spool.path / "head.json").write_bytes(b"?")
    report = sync(tmp_path, Received().deliver, settings=FAST)
    assert not report.ok
    assert "head.json" in str(report.spools[0].error)
    assert segments(spool)


def test_refused_records_are_reported(tmp_path: Path) -> None:
    hub = Received()
    hub.refuse = {b"b": InvalidValue("no value")}
    leave(tmp_path, b"a", b"b")
    report = sync(tmp_path, hub.deliver, settings=FAST)
    assert report.ok
    assert report.spools[0].refused == {"InvalidValue": 1}


def test_two_syncs_at_once_send_each_spool_once(tmp_path: Path) -> None:
    hub = Received()
    spools = [leave(tmp_path, b"a", b"b", run_id=str(n)) for n in range(30)]
    start = threading.Barrier(3)
    sent: list[int] = []

    def run() -> None:
        start.wait()
        sent.append(sync(tmp_path, hub.deliver, settings=FAST).sent)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) + sync(tmp_path, hub.deliver, settings=FAST).sent == 60
    assert hub.records == {spool.head.writer: [b"a", b"b"] for spool in spools}
    assert len(hub.batches) == 30
    assert list(tmp_path.iterdir()) == []


def test_what_kills_left_of_making_and_deleting_is_swept(tmp_path: Path) -> None:
    old, new = tmp_path / f".{'a' * 32}.gone", tmp_path / f".{'b' * 32}.new"
    for folder in (old, new, tmp_path / ".other"):
        folder.mkdir()
        (folder / "head.json").write_text("{}")
    os.utime(old, (1, 1))
    os.utime(tmp_path / ".other", (1, 1))
    sync(tmp_path, Received().deliver)
    assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, ".other"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user")
def test_spools_of_others_are_not_sent_in_our_name(tmp_path: Path) -> None:
    spool = leave(tmp_path, b"a")
    os.chown(spool.path, 12345, -1)
    assert list_spools(tmp_path) == []
    assert sync(tmp_path, Received().deliver).spools == ()
