"""The sender: order, retries, what parks a spool, fairness, waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.client.sending import Delivery, Sender, SendSettings, pause_after
from mooring.client.spool import Spool, SpoolHead
from mooring.errors import (
    HubBusy,
    HubFailed,
    HubUnreachable,
    InvalidInput,
    InvalidValue,
    MooringError,
    RunNotFound,
    TypeConflict,
)
from tests.unit.client.test_spool import flip, new_head, new_spool, segments

FAST = SendSettings(first_pause_s=0.001, longest_pause_s=0.01, exit_timeout_s=1.0)


class Received:
    """What was delivered, by the law of `AppendsBatches`: each number once, without gaps."""

    def __init__(self) -> None:
        self.records: dict[str, list[bytes]] = {}
        self.batches: list[tuple[str, int]] = []
        self.failures: list[Exception] = []
        self.refuse: dict[bytes, MooringError] = {}

    def deliver(self, head: SpoolHead, first: int, records: list[bytes]) -> Delivery:
        self.batches.append((head.writer, len(records)))
        if self.failures:
            raise self.failures.pop(0)
        known = self.records.setdefault(head.writer, [])
        assert first <= len(known) + 1, "a gap"
        new = records[len(known) + 1 - first :]
        refused = [
            (len(known) + 1 + index, self.refuse[record])
            for index, record in enumerate(new)
            if record in self.refuse
        ]
        known.extend(new)
        return Delivery(len(known), refused)


@pytest.fixture
def hub() -> Received:
    return Received()


@pytest.fixture
def sender(hub: Received) -> Iterator[Sender]:
    sender = Sender(hub.deliver, settings=FAST)
    yield sender
    sender.close()


def log(sender: Sender, spool: Spool, count: int, name: str = "") -> list[bytes]:
    records = [f"{name}{index}".encode() for index in range(count)]
    for record in records:
        spool.append(record)
        sender.wake()
    return records


def test_everything_arrives_in_order(tmp_path: Path, hub: Received, sender: Sender) -> None:
    spool = new_spool(tmp_path, segment_bytes=5000)
    sender.add(spool)
    records = log(sender, spool, 20_000)
    assert sender.flush(spool, timeout_s=60)
    assert hub.records[spool.head.writer] == records
    assert spool.pending == 0
    state = sender.state
    assert (state.sent, state.pending, state.retrying_since, state.parked) == (20_000, 0, None, ())
    assert sender.remove(spool, timeout_s=60)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_one_record_is_sent_without_being_asked_for(
    tmp_path: Path, hub: Received, sender: Sender
) -> None:
    spool = new_spool(tmp_path)
    sender.add(spool)
    for count in range(1, 4):
        log(sender, spool, 1)
        until = time.monotonic() + 60
        while spool.pending and time.monotonic() < until:
            time.sleep(0.002)
        assert len(hub.records[spool.head.writer]) == count


def test_requests_are_bounded(tmp_path: Path, hub: Received) -> None:
    settings = SendSettings(batch_count=7, batch_bytes=50)
    sender = Sender(hub.deliver, settings=settings)
    spool = new_spool(tmp_path)
    for _ in range(20):
        spool.append(b"x")
    for _ in range(20):
        spool.append(b"x" * 20)
    spool.append(b"x" * 500)
    sender.add(spool)
    assert sender.flush(timeout_s=60)
    sizes = [count for _, count in hub.batches]
    assert max(sizes) == 7
    assert sizes[-1] == 1
    assert sum(sizes) == 41
    sender.close()


def test_a_hub_that_is_away_for_a_while(tmp_path: Path, hub: Received, sender: Sender) -> None:
    hub.failures = [
        HubUnreachable("no answer"),
        HubBusy("later", retry_after_s=0.001),
        HubFailed("502"),
        HubUnreachable("no answer"),
    ]
    first, second = new_spool(tmp_path), new_spool(tmp_path)
    sender.add(first)
    sender.add(second)
    wanted = [log(sender, first, 100, "a"), log(sender, second, 100, "b")]
    assert sender.flush(timeout_s=60)
    assert [hub.records[spool.head.writer] for spool in (first, second)] == wanted
    assert not hub.failures
    assert sender.state.retrying_since is None


def test_waiting_for_a_hub_that_stays_away(tmp_path: Path) -> None:
    def deliver(head: SpoolHead, first: int, records: list[bytes]) -> Delivery:
        raise HubUnreachable("no answer")

    sender = Sender(deliver, settings=FAST)
    spool = new_spool(tmp_path)
    sender.add(spool)
    log(sender, spool, 10)
    assert not sender.flush(timeout_s=0.05)
    assert not sender.remove(spool, timeout_s=0.05)
    assert sender.state.pending == 0  # it sends nothing any more
    assert isinstance(sender.state.last_error, HubUnreachable)
    assert sender.state.retrying_since is not None
    assert spool.pending == 10
    sender.close()


def test_an_answer_that_was_lost_changes_nothing(tmp_path: Path, hub: Received) -> None:
    lost = iter([True, False, True, True])

    def deliver(head: SpoolHead, first: int, records: list[bytes]) -> Delivery:
        delivery = hub.deliver(head, first, records)
        if next(lost, False):
            raise HubUnreachable("cut off")
        return delivery

    sender = Sender(deliver, settings=FAST)
    spool = new_spool(tmp_path)
    sender.add(spool)
    records = log(sender, spool, 1000)
    assert sender.flush(timeout_s=60)
    assert hub.records[spool.head.writer] == records
    sender.close()


def test_a_hub_that_takes_a_part(tmp_path: Path) -> None:
    taken: list[bytes] = []

    def deliver(head: SpoolHead, first: int, records: list[bytes]) -> Delivery:
        assert first == len(taken) + 1
        taken.extend(records[:3])
        return Delivery(len(taken))

    sender = Sender(deliver, settings=FAST)
    spool = new_spool(tmp_path, segment_bytes=200)
    sender.add(spool)
    records = log(sender, spool, 100)
    assert sender.flush(timeout_s=60)
    assert taken == records
    sender.close()


def test_refused_records_are_counted_and_do_not_hold_up_the_others(
    tmp_path: Path, hub: Received, sender: Sender
) -> None:
    hub.refuse = {
        b"3": TypeConflict("loss", expected="float", got="string"),
        b"5": InvalidValue("no value"),
        b"7": InvalidValue("no value"),
    }
    spool = new_spool(tmp_path)
    sender.add(spool)
    records = log(sender, spool, 10)
    assert sender.flush(timeout_s=60)
    assert hub.records[spool.head.writer] == records
    assert sender.state.refused == {"TypeConflict": 1, "InvalidValue": 2}
    assert str(sender.state.last_error) == "no value"


@pytest.mark.parametrize("error", [RunNotFound("run"), ZeroDivisionError("a fault of ours")])
def test_an_error_that_stays_parks_the_spool(
    tmp_path: Path, hub: Received, sender: Sender, error: Exception
) -> None:
    hub.failures = [error]
    bad = new_spool(tmp_path)
    sender.add(bad)
    log(sender, bad, 3)
    with pytest.raises(type(error)):
        sender.flush(timeout_s=60)
    good = new_spool(tmp_path)
    sender.add(good)
    records = log(sender, good, 3)
    assert sender.flush(good, timeout_s=60)
    assert hub.records[good.head.writer] == records
    assert [(head, type(why)) for head, why in sender.state.parked] == [(bad.head, type(error))]
    assert bad.pending == 3
    sender.add(bad)  # tries again
    assert sender.flush(timeout_s=60)
    assert hub.records[bad.head.writer] == [b"0", b"1", b"2"]


def test_damage_on_the_disk_parks_the_spool_after_what_is_whole(
    tmp_path: Path, hub: Received, sender: Sender
) -> None:
    spool = new_spool(tmp_path)
    log(sender, spool, 10)
    flip(segments(spool)[0], 21 * 4 + 20)
    sender.add(spool)
    with pytest.raises(MooringError, match="byte 84"):
        sender.flush(timeout_s=60)
    assert hub.records[spool.head.writer] == [b"0", b"1", b"2", b"3"]


def test_a_full_spool_does_not_starve_the_others(tmp_path: Path, hub: Received) -> None:
    large, small = new_spool(tmp_path), new_spool(tmp_path)
    both, done = threading.Event(), threading.Event()

    def deliver(head: SpoolHead, first: int, records: list[bytes]) -> Delivery:
        assert both.wait(60)
        time.sleep(0.001)
        if head == small.head and first < 3:
            small.append(b"y")  # has to be sent while the large one still is full
        delivery = hub.deliver(head, first, records)
        if head == small.head and delivery.last == 3:
            done.set()
        return delivery

    sender = Sender(deliver, settings=SendSettings(batch_count=10, gather_s=0.0))
    for _ in range(2000):
        large.append(b"x")
    small.append(b"y")
    sender.add(large)
    sender.add(small)
    both.set()
    assert done.wait(60)  # flush would send all of them at once
    order = [writer for writer, _ in hub.batches]
    assert order[0] == large.head.writer
    assert order.index(small.head.writer) < 5  # the other one waits for a turn or two
    third = [index for index, writer in enumerate(order) if writer == small.head.writer][2]
    assert third < 100
    sender.close()


def test_an_idle_spool_tells_that_its_run_goes_on(tmp_path: Path, hub: Received) -> None:
    beats: list[SpoolHead] = []
    enough = threading.Event()

    def heartbeat(head: SpoolHead) -> None:
        beats.append(head)
        if len(beats) >= 3:
            enough.set()
        if len(beats) == 1:
            raise HubUnreachable("no answer")

    sender = Sender(hub.deliver, settings=SendSettings(heartbeat_s=0.01, longest_pause_s=0.01))
    spool = new_spool(tmp_path)
    sender.add(spool, heartbeat=heartbeat)
    assert enough.wait(60)
    assert set(beats) == {spool.head}
    assert sender.state.parked == ()
    sender.close()


def test_misuse_is_named(tmp_path: Path, sender: Sender) -> None:
    with pytest.raises(InvalidInput, match="not among"):
        sender.flush(Spool.create(tmp_path, new_head(), limit_bytes=1), timeout_s=1)
    assert sender.flush(timeout_s=0)


def test_a_closed_sender_goes_on_when_it_is_asked_to(
    tmp_path: Path, hub: Received, sender: Sender
) -> None:
    spool = new_spool(tmp_path)
    sender.add(spool)
    log(sender, spool, 5)
    sender.close()
    log(sender, spool, 5)
    assert sender.flush(timeout_s=60)
    assert len(hub.records[spool.head.writer]) == 10


def test_pauses_grow_to_a_bound_and_heed_the_hub() -> None:
    settings = SendSettings()
    gone = HubUnreachable("no answer")
    for failures in range(1, 2000):
        pause = pause_after(failures, gone, settings)
        assert 0 < pause <= settings.longest_pause_s
    assert pause_after(1, gone, settings) <= settings.first_pause_s
    assert pause_after(2000, gone, settings) >= settings.longest_pause_s / 2
    assert pause_after(1, HubBusy("later", retry_after_s=7), settings) >= 7
