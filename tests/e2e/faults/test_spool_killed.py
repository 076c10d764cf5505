"""SIGKILL at random instants: what a spool took is delivered once and in order, by who is next."""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from mooring.client.spool import Spool
from mooring.client.syncing import list_spools
from tests.e2e.faults.processes import LONG, SRC, Child, finish, linux_only

ROUNDS = 40 if LONG else 5

SPOOL = """
import uuid, sqlite3, threading
from pathlib import Path
from mooring.client.spool import *
from mooring.client.sending import *
from mooring.client.syncing import *
folder = Path(path) / "spool"

def create(run="run", *, limit=1 << 30, segment=8192, created=None):
    created = time.time_ns() // 1000 if created is None else created
    head = SpoolHead("http://hub", "faults", run, 1, uuid.uuid4().hex, created)
    return Spool.create(folder, head, limit_bytes=limit, segment_bytes=segment)

def body(number):
    return b"%d:" % number + bytes(random.Random(number).choice((0, 10, 100, 5000)))

def deliver(head, first, records):
    # A hub by the law of AppendsBatches: one transaction, each number once, no gaps.
    hub = sqlite3.connect(Path(path) / "hub.db", isolation_level=None, timeout=60)
    try:
        hub.execute("pragma synchronous=off")
        hub.execute("create table if not exists log (id integer primary key, run, writer, "
                    "number, record, unique (writer, number))")
        hub.execute("begin immediate")
        sql = "select coalesce(max(number), 0) from log where writer = ?"
        last = hub.execute(sql, (head.writer,)).fetchone()[0]
        assert first <= last + 1, "a gap"
        rows = [(head.run_id, head.writer, first + index, record)
                for index, record in enumerate(records) if first + index > last]
        hub.executemany("insert into log (run, writer, number, record) values (?, ?, ?, ?)", rows)
        hub.execute("commit")
        return Delivery(max(last, first + len(records) - 1))
    finally:
        hub.close()
"""

APPEND = """
random.seed(arguments[0])
spool = create()
acknowledge(spool.path)
chance = random.Random(arguments[0])
while True:
    first = spool.last + 1
    if chance.random() < 0.2:
        count = chance.randrange(2, 30)
        records = [body(first + index) + b"|%d/%d" % (index + 1, count) for index in range(count)]
        acknowledge(spool.append_all(records))
    else:
        acknowledge(spool.append(body(first) + b"|1/1"))
    if arguments[1] == "yes" and chance.random() < 0.1:
        found = spool.read(after=spool.acknowledged, max_bytes=20_000, max_count=100)
        assert found[0][0] == spool.acknowledged + 1
        spool.acknowledge(found[-1][0])
        acknowledge(f"done {found[-1][0]}")
"""


@pytest.mark.parametrize("acknowledging", ["no", "yes"])
def test_records_survive_a_kill(tmp_path: Path, acknowledging: str) -> None:
    chance = random.Random(8)
    for round in range(ROUNDS):
        with Child(SPOOL + APPEND, tmp_path, round, acknowledging) as child:
            path = Path(child.line())
            lines = child.kill_after(chance.uniform(0.0, 0.4))
        returned = max((int(line) for line in lines if line.isdigit()), default=0)
        done = max((int(line[5:]) for line in lines if line.startswith("done")), default=0)
        spool = Spool.adopt(path)
        assert spool is not None
        assert spool.acknowledged >= done
        found = spool.read(after=spool.acknowledged, max_bytes=1 << 40, max_count=1 << 40)
        assert [number for number, _ in found] == list(
            range(spool.acknowledged + 1, spool.last + 1)
        )
        assert spool.last >= returned
        calls = []
        for number, record in found:
            match = re.fullmatch(rb"(\d+):\x00*\|(\d+)/(\d+)", record)
            assert match is not None
            assert int(match[1]) == number
            calls.append((int(match[2]), int(match[3])))
        if calls:
            assert calls[-1][0] == calls[-1][1], "a part of a call was left"
            assert spool.last <= returned + calls[-1][1], "more than one call was under way"
        spool.acknowledge(spool.last)
        spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


TRAIN = """
random.seed(arguments[0])
sender = Sender(deliver)
runs = [create(f"run-{n}") for n in range(3)]
for spool in runs:
    sender.add(spool)
for step in range(10**9):
    spool = runs[step % 3]
    number = spool.append(body(spool.last + 1))
    sender.wake()
    acknowledge(f"{spool.head.writer} {number}")
    if step % 1000 == 999:
        time.sleep(0.05)
"""

SYNC = """
report = sync(folder, deliver, settings=SendSettings(batch_count=20))
assert report.ok, report
acknowledge(report.sent)
"""


def hub_log(folder: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Return what a hub has, by writer, in the order in which it came."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    with sqlite3.connect(folder / "hub.db") as hub:
        for writer, number, record in hub.execute(
            "select writer, number, record from log order by id"
        ):
            found.setdefault(writer, []).append((number, record))
    hub.close()
    return found


def assert_delivered(folder: Path, returned: dict[str, int]) -> None:
    """The hub has all that was returned for, at most one record more, in order, and once."""
    log = hub_log(folder)
    for writer, last in returned.items():
        numbers = [number for number, _ in log.get(writer, [])]
        assert numbers == list(range(1, len(numbers) + 1))
        assert last <= len(numbers) <= last + 1
        assert all(record.startswith(b"%d:" % number) for number, record in log.get(writer, []))


def test_training_and_sync_are_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(9)
    returned: dict[str, int] = {}
    for round in range(ROUNDS):
        with Child(SPOOL + TRAIN, tmp_path, round) as child:
            child.line()
            for line in child.kill_after(chance.uniform(0.0, 0.5)):
                writer, _, number = line.partition(" ")
                returned[writer] = int(number)
        for _ in range(3):
            with Child(SPOOL + SYNC, tmp_path) as child:
                time.sleep(chance.uniform(0.1, 0.4))
                child.process.kill()
                _, err = child.process.communicate()
                assert child.process.returncode in (0, -signal.SIGKILL), err.decode()
    with Child(SPOOL + SYNC, tmp_path) as one, Child(SPOOL + SYNC, tmp_path) as other:
        one.finish()
        other.finish()
    finish(SPOOL + SYNC, tmp_path)
    assert len(returned) >= ROUNDS
    assert_delivered(tmp_path, returned)
    assert list_spools(tmp_path / "spool") == []


EXIT = """
class Away:
    def __call__(self, head, first, records):
        raise HubUnreachable("no answer\\nfrom there")

sender = Sender(deliver if arguments[0] == "there" else Away(),
                settings=SendSettings(exit_timeout_s=60 if arguments[0] == "there" else 0.2))
spool = create()
sender.add(spool)
for number in range(1, 2001):
    spool.append(body(number))
    sender.wake()
acknowledge(f"{spool.head.writer} {spool.path}")
if arguments[0] == "raising":
    raise SystemExit("stopped")
"""


def test_the_end_of_a_process_sends_what_is_left(tmp_path: Path) -> None:
    with Child(SPOOL + EXIT, tmp_path, "there") as child:
        out, err = child.process.communicate(timeout=120)
    assert err == b""
    writer = out.decode().split()[0]
    assert_delivered(tmp_path, {writer: 2000})
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("how", ["away", "raising"])
def test_the_end_of_a_process_tells_what_waits(tmp_path: Path, how: str) -> None:
    with Child(SPOOL + EXIT, tmp_path, how) as child:
        out, err = child.process.communicate(timeout=120)
    writer, path = out.decode().split()
    (line,) = [line for line in err.decode().splitlines() if line.startswith("mooring")]
    assert line == (
        f"mooring: 2,000 updates of run run wait in {path}; `mooring sync` sends them to "
        "http://hub (HubUnreachable: no answer from there)"
    )
    assert finish(SPOOL + SYNC, tmp_path) == ["2000"]
    assert_delivered(tmp_path, {writer: 2000})


FORK = """
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)

def keep(head, first, records):
    # SQLite does not outlive a fork amid its work; this hub has one file for each writer.
    with open(Path(path) / head.writer, "a+b") as file:
        file.seek(0)
        last = len(file.readlines())
        assert first == last + 1, "a gap, or a repeat"
        file.write(b"".join(record.partition(b":")[0] + b"\\n" for record in records))
    return Delivery(first + len(records) - 1)

sender = Sender(keep)
spool = create()
sender.add(spool)

def log(count):
    for _ in range(count):
        spool.append(body(spool.last + 1))
        sender.wake()
    acknowledge(f"{spool.head.writer} {spool.last}")

log(500)
context = multiprocessing.get_context("fork")
workers = [context.Process(target=log, args=(700,)) for _ in range(3)]
for worker in workers:
    worker.start()
log(500)
child = os.fork()
if child == 0:
    log(300)
    assert sender.flush(timeout_s=60)
    spool.close()
    os._exit(0)
for worker in workers:
    worker.join()
    assert worker.exitcode == 0
assert os.waitpid(child, 0)[1] == 0
log(500)
"""


@linux_only
def test_forked_processes_send_their_own(tmp_path: Path) -> None:
    returned: dict[str, int] = {}
    for line in finish(SPOOL + FORK, tmp_path):
        writer, _, number = line.partition(" ")
        returned[writer] = int(number)
    assert sorted(returned.values()) == [300, 700, 700, 700, 1500]
    for writer, last in returned.items():
        numbers = [int(line) for line in (tmp_path / writer).read_text().splitlines()]
        assert numbers == list(range(1, last + 1))
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_costs_few_imports(tmp_path: Path) -> None:
    script = """
import subprocess
code = "import mooring.client.syncing, sys; print(*sys.modules)"
out = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": arguments[0]},
                     check=True, capture_output=True, text=True).stdout.split()
heavy = {"numpy", "httpx", "pandas", "pyarrow", "sqlite3", "asyncio", "ssl", "multiprocessing"}
acknowledge(sorted(heavy & set(out)))
"""
    assert finish(script, tmp_path, SRC) == ["[]"]
