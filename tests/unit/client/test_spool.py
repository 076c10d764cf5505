"""A spool as its process sees it: order, numbers, segments, limits, what adoption finds."""

from __future__ import annotations

import json
import os
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from mooring.client.frames import HEAD_BYTES, encode_all
from mooring.client.spool import Spool, SpoolHead, default_folder
from mooring.errors import (
    InvalidInput,
    StoreClosed,
    StoreCorrupt,
    StoreFull,
    StoreNotFound,
    StoreReadOnly,
    StoreTooNew,
)

MANY = {"max_bytes": 1 << 30, "max_count": 1 << 30}


def new_head(run_id: str = "run", *, hub: str = "http://hub", created: int = 1) -> SpoolHead:
    return SpoolHead(hub, "team/project", run_id, 7, uuid.uuid4().hex, created)


def new_spool(folder: Path, *, segment_bytes: int = 1 << 20, limit: int = 1 << 30) -> Spool:
    return Spool.create(folder, new_head(), limit_bytes=limit, segment_bytes=segment_bytes)


def adopt(path: Path) -> Spool:
    spool = Spool.adopt(path)
    assert spool is not None
    return spool


def segments(spool: Spool) -> list[Path]:
    return sorted(spool.path.glob("*.seg"))


def flip(file: Path, offset: int) -> None:
    data = bytearray(file.read_bytes())
    data[offset] ^= 0xFF
    file.write_bytes(data)


def test_records_come_out_in_order_with_their_numbers(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    assert [spool.append(record) for record in (b"a", b"", b"\x00" * 300)] == [1, 2, 3]
    assert spool.append_all([b"b", b"c"]) == 5
    assert spool.append_all([]) == 5
    expected = [(1, b"a"), (2, b""), (3, b"\x00" * 300), (4, b"b"), (5, b"c")]
    assert spool.read(after=0, **MANY) == expected
    assert spool.read(after=3, **MANY) == expected[3:]
    assert spool.read(after=0, max_bytes=1 << 20, max_count=2) == expected[:2]
    assert spool.read(after=1, max_bytes=1, max_count=9) == [(2, b"")]
    assert spool.read(after=2, max_bytes=1, max_count=9) == [(3, b"\x00" * 300)]
    assert spool.read(after=5, **MANY) == []
    assert (spool.last, spool.acknowledged, spool.pending) == (5, 0, 5)


@pytest.mark.parametrize("durability", ["process", "power"])
def test_acknowledged_segments_leave_the_disk(tmp_path: Path, durability: str) -> None:
    spool = Spool.create(
        tmp_path,
        new_head(),
        durability=durability,  # type: ignore[arg-type]
        limit_bytes=1 << 20,
        segment_bytes=100,
    )
    for number in range(1, 21):
        spool.append(str(number).encode() * 10)
    assert len(segments(spool)) > 5
    found = spool.read(after=0, max_bytes=200, max_count=100)
    spool.acknowledge(found[-1][0])
    assert int(segments(spool)[0].stem) <= found[-1][0] + 1
    assert spool.pending == 20 - found[-1][0]
    with pytest.raises(InvalidInput, match="acknowledged"):
        spool.read(after=0, **MANY)
    rest = spool.read(after=spool.acknowledged, **MANY)
    assert [number for number, _ in rest] == list(range(found[-1][0] + 1, 21))
    spool.acknowledge(20)
    spool.acknowledge(3)
    assert (spool.pending, spool.pending_bytes, spool.acknowledged) == (0, 0, 20)
    assert len(segments(spool)) == 1
    assert spool.append(b"next") == 21
    assert spool.read(after=20, **MANY) == [(21, b"next")]


def test_closing_deletes_what_is_done_and_keeps_what_is_not(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"a")
    spool.close()
    spool.close()
    with pytest.raises(StoreClosed):
        spool.append(b"b")
    with pytest.raises(StoreClosed):
        spool.append_all([b"b"])
    with pytest.raises(StoreClosed):
        spool.read(after=0, **MANY)
    left = adopt(spool.path)
    assert left.read(after=0, **MANY) == [(1, b"a")]
    assert left.head == spool.head
    with pytest.raises(StoreReadOnly, match="sent, not added to"):
        left.append(b"b")
    left.acknowledge(1)
    left.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreNotFound):
        Spool.adopt(spool.path)


def test_a_living_spool_is_not_adopted(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    assert Spool.adopt(spool.path) is None
    spool.append(b"a")
    spool.close()
    first = adopt(spool.path)
    assert Spool.adopt(spool.path) is None
    first.close()
    assert adopt(spool.path).pending == 1


def test_of_many_adopters_one_gets_it(tmp_path: Path) -> None:
    for _ in range(20):
        spool = new_spool(tmp_path)
        spool.append(b"a")
        spool.close()
        start = threading.Barrier(4)
        found: list[Spool | None] = []

        def take(
            path: Path, start: threading.Barrier = start, found: list[Spool | None] = found
        ) -> None:
            start.wait()
            found.append(Spool.adopt(path))

        threads = [threading.Thread(target=take, args=(spool.path,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (got,) = [spool for spool in found if spool is not None]
        assert got.pending == 1
        got.close()


def test_threads_share_one_sequence(tmp_path: Path) -> None:
    spool = new_spool(tmp_path, segment_bytes=3000)
    numbers: dict[bytes, int] = {}

    def log(name: int) -> None:
        for index in range(500):
            record = f"{name}/{index}".encode()
            numbers[record] = spool.append(record)

    threads = [threading.Thread(target=log, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    seen: list[tuple[int, bytes]] = []
    while any(thread.is_alive() for thread in threads) or spool.pending:
        seen += spool.read(after=spool.acknowledged, max_bytes=5000, max_count=100)
        spool.acknowledge(seen[-1][0] if seen else 0)
    assert [number for number, _ in seen] == list(range(1, 2001))
    assert {record: number for number, record in seen} == numbers


def test_the_limit_is_told_and_costs_nothing_that_was_kept(tmp_path: Path) -> None:
    spool = new_spool(tmp_path, limit=1000)
    while True:
        try:
            spool.append(b"x" * 80)
        except StoreFull as error:
            full = str(error)
            break
    assert spool.pending == 10
    assert "10 updates" in full
    assert "http://hub" in full
    assert "1,000 bytes" in full
    with pytest.raises(StoreFull):
        spool.append_all([b"x" * 10] * 100)
    assert len(spool.read(after=0, **MANY)) == 10
    spool.acknowledge(4)
    assert [spool.append(b"y" * 80) for _ in range(4)] == [11, 12, 13, 14]
    with pytest.raises(StoreFull):
        spool.append(b"y" * 80)


def test_a_torn_tail_is_cut_wherever_it_was_torn(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"first")
    spool.append(b"second")
    spool.close()
    file = segments(spool)[0]
    whole = file.read_bytes()
    begin = HEAD_BYTES + len(b"first")
    for length in range(begin, len(whole)):
        file.write_bytes(whole[:length])
        left = adopt(spool.path)
        assert left.read(after=0, **MANY) == [(1, b"first")]
        assert left.cut_bytes == length - begin
        assert file.read_bytes() == whole[:begin]
        left.close()
    file.write_bytes(whole[:begin] + bytes(500))
    assert adopt(spool.path).last == 1


def test_a_torn_call_leaves_none_of_its_records(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"first")
    spool.close()
    file = segments(spool)[0]
    whole = file.read_bytes()
    frames = encode_all(2, [b"a", b"b", b"c"])
    for length in range(len(frames)):
        file.write_bytes(whole + frames[:length])
        left = adopt(spool.path)
        assert left.read(after=0, **MANY) == [(1, b"first")]
        left.close()
    file.write_bytes(whole + frames)
    assert adopt(spool.path).last == 4


@pytest.mark.parametrize("place", ["magic", "crc", "number", "length", "record"])
@pytest.mark.parametrize("segment", [0, 1])
def test_damage_is_named_and_what_is_before_it_comes(
    tmp_path: Path, place: str, segment: int
) -> None:
    spool = new_spool(tmp_path, segment_bytes=10 * (HEAD_BYTES + 5))
    records = [f"{number:05}".encode() for number in range(1, 21)]
    for record in records:
        spool.append(record)
    spool.close()
    file = segments(spool)[segment]
    offset = 4 * (HEAD_BYTES + 5)
    flip(file, offset + {"magic": 0, "crc": 5, "number": 8, "length": 18, "record": 22}[place])
    left = adopt(spool.path)
    assert left.pending == 20
    found = left.read(after=0, **MANY)
    assert [record for _, record in found] == records[: segment * 10 + 4]
    left.acknowledge(found[-1][0])
    with pytest.raises(StoreCorrupt) as raised:
        left.read(after=left.acknowledged, **MANY)
    assert str(file) in str(raised.value)
    assert f"byte {offset}:" in str(raised.value)


def test_a_segment_that_is_gone_is_damage(tmp_path: Path) -> None:
    spool = new_spool(tmp_path, segment_bytes=100)
    for _ in range(20):
        spool.append(b"x" * 30)
    spool.close()
    segments(spool)[2].unlink()
    left = adopt(spool.path)
    found = left.read(after=0, **MANY)
    assert found[-1][0] == 4
    with pytest.raises(StoreCorrupt, match="record 5 cannot be read"):
        left.read(after=4, **MANY)


def test_a_lost_mark_repeats_and_skips_nothing(tmp_path: Path) -> None:
    spool = new_spool(tmp_path, segment_bytes=100)
    for _ in range(20):
        spool.append(b"x" * 30)
    spool.acknowledge(9)
    spool.close()
    for damage in (b"", b"\xff" * 12, b"\x00" * 5):
        (spool.path / "acknowledged").write_bytes(damage)
        left = adopt(spool.path)
        assert left.acknowledged == 8
        assert left.last == 20
        left.close()
    (spool.path / "acknowledged").unlink()
    assert adopt(spool.path).read(after=8, **MANY)[0][0] == 9


@pytest.mark.parametrize(
    "head",
    [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe", b'{"format": "1"}', b"[" * 100_000],
)
def test_a_damaged_head_is_named(tmp_path: Path, head: bytes) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"a")
    spool.close()
    (spool.path / "head.json").write_bytes(head)
    with pytest.raises(StoreCorrupt) as raised:
        Spool.adopt(spool.path)
    assert str(spool.path / "head.json") in str(raised.value)


def test_heads_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"a")
    spool.close()
    file = spool.path / "head.json"
    good = json.loads(file.read_bytes())
    assert good == {
        "format": 1,
        "hub": "http://hub",
        "project": "team/project",
        "run_id": "run",
        "key": 7,
        "writer": spool.head.writer,
        "created": 1,
    }
    for change in (
        {"key": "7"},
        {"key": True},
        {"writer": "../../x"},
        {"writer": "0" * 32},
        {"more": 1},
    ):
        file.write_text(json.dumps({**good, **change}))
        with pytest.raises(StoreCorrupt):
            Spool.adopt(spool.path)
    file.write_text(json.dumps({**good, "format": 2, "more": 1}))
    with pytest.raises(StoreTooNew):
        Spool.adopt(spool.path)
    file.unlink()
    with pytest.raises(StoreCorrupt, match="missing"):
        Spool.adopt(spool.path)


def test_names_cannot_lead_elsewhere(tmp_path: Path) -> None:
    for writer in ("../escape", "", "A" * 32, "0" * 31, f"{'0' * 32}\n"):
        with pytest.raises(InvalidInput):
            Spool.create(tmp_path, replace(new_head(), writer=writer), limit_bytes=1)
    spool = Spool.create(tmp_path, new_head("../../\x00é"), limit_bytes=1 << 20)
    assert spool.path.parent == tmp_path
    spool.append(b"a")
    spool.close()
    assert adopt(spool.path).head.run_id == "../../\x00é"


def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    spool = new_spool(tmp_path / "state" / "spool")
    spool.append(b"a")
    for path in (spool.path.parent, spool.path, *spool.path.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_where_spools_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MOORING_SPOOL", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    usual = tmp_path / ".local" / "state" / "mooring" / "spool"
    assert default_folder() == usual
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_folder() == usual
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_folder() == Path("/state/mooring/spool")
    monkeypatch.setenv("MOORING_SPOOL", "~/mine")
    assert default_folder() == tmp_path / "mine"


def test_an_interrupted_call_does_not_take_a_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"first")
    real = os.write

    def interrupted(file: int, data: bytes) -> int:
        real(file, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        spool.append(b"stopped")
    monkeypatch.undo()
    assert spool.last == 1
    assert spool.append(b"second") == 2
    assert spool.read(after=0, **MANY) == [(1, b"first"), (2, b"second")]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from 3.12 on, beside threads
def test_a_forked_child_goes_on_under_a_name_of_its_own(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"parent 1")
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            assert spool.pending == 0
            assert not spool.exists
            assert spool.read(after=0, **MANY) == []
            assert spool.append(b"child 1") == 1
            os.write(told, spool.head.writer.encode())
            assert spool.append(b"child 2") == 2
            spool.close()
        except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
            os._exit(1)
        os._exit(0)
    assert spool.append(b"parent 2") == 2
    assert os.waitpid(child, 0)[1] == 0
    writer = os.read(ready, 100).decode()
    assert writer != spool.head.writer
    assert spool.read(after=0, **MANY) == [(1, b"parent 1"), (2, b"parent 2")]
    assert Spool.adopt(spool.path) is None
    left = adopt(tmp_path / f"{writer}.spool")
    assert left.read(after=0, **MANY) == [(1, b"child 1"), (2, b"child 2")]
    assert replace(left.head, writer="", created=0) == replace(spool.head, writer="", created=0)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from 3.12 on, beside threads
def test_a_child_that_logs_nothing_leaves_nothing_and_holds_nothing(tmp_path: Path) -> None:
    spool = new_spool(tmp_path)
    spool.append(b"parent")
    waits, go_on = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_on)
        os.read(waits, 1)  # until the parent is done
        spool.close()
        os._exit(0)
    os.close(waits)
    spool.close()
    left = Spool.adopt(spool.path)  # while the child lives, which inherited the lock
    os.close(go_on)
    assert os.waitpid(child, 0)[1] == 0
    assert left is not None
    assert left.pending == 1
    assert [path.name for path in tmp_path.iterdir()] == [spool.path.name]
