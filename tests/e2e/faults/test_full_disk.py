"""A disk of a few MiB that fills up: each call says so, and loses nothing that was said before."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.faults.processes import finish, linux_only

pytestmark = linux_only

NAMESPACE = ["unshare", "-m"] if hasattr(os, "getuid") and os.getuid() == 0 else ["unshare", "-rm"]


def _mount(folder: Path, size: str) -> list[str]:
    """Return the start of a command that sees a small disk at `folder`; it vanishes with it."""
    script = f'mount -t tmpfs -o size={size} none "{folder}" && exec "$@"'
    return [*NAMESPACE, "sh", "-c", script, "sh"]


@pytest.fixture
def small_disk(tmp_path: Path) -> tuple[Path, list[str]]:
    folder = tmp_path / "disk"
    folder.mkdir()
    prefix = _mount(folder, "24m")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk here: {error}")
    return folder / "runs.db", prefix


SETUP = """
from pathlib import Path
ballast = Path(path).with_name("ballast")

def fill():
    with open(ballast, "ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass

def is_full(action):
    try:
        action()
    except StoreFull as error:
        assert isinstance(error, Transient)
        assert "full" in str(error) and "Free some space" in str(error), error
        assert "safe" in str(error), error
        return True
    return False

store = open_store(path, timeout_s=2)
key = store.create_run(RunSpec(project="faults", run_id="run")).key
writer = store.open_writer(key)
"""


def test_logging_until_the_disk_is_full(small_disk: tuple[Path, list[str]]) -> None:
    script = """
ballast.write_bytes(bytes(1 << 20))
done = []
refused = 0
for step in range(10**6):
    if is_full(lambda: writer.log({"loss": step * 0.5, "text": "x" * 300}, step=step)):
        refused += 1
        if refused == 3:
            break
    else:
        done.append(step)
fill()
assert is_full(lambda: writer.log({"loss": 1.0}, step=-1))
reader = open_store(path, read_only=True)
assert steps(reader, key) == done
assert len(reader.query_runs(RunQuery()).runs) == 1
reader.close()
ballast.unlink()
for step in range(10**6, 10**6 + 5):
    writer.log({"loss": 1.0}, step=step)
    done.append(step)
store.close()
with open_store(path) as store:
    assert steps(store, key) == done
    assert store.check().ok
acknowledge(len(done))
"""
    path, prefix = small_disk
    (count,) = finish(SETUP + script, path, prefix=prefix)
    assert int(count) > 1000


def test_logging_goes_on_when_there_is_space_again(small_disk: tuple[Path, list[str]]) -> None:
    script = """
for step in range(500):
    writer.log({"loss": step * 0.5}, step=step)
fill()
done = list(range(500))
for step in range(500, 10**6):
    if is_full(lambda: writer.log({"loss": step * 0.5}, step=step)):
        break
    done.append(step)
else:
    raise AssertionError("never full")
with open_store(path, read_only=True) as reader:
    assert steps(reader, key) == done
ballast.unlink()
for step in range(5000, 5100):
    writer.log({"loss": step * 0.5}, step=step)
    done.append(step)
assert steps(store, key) == done
store.close()
with open_store(path) as store:
    assert steps(store, key) == done and store.check().ok
"""
    path, prefix = small_disk
    finish(SETUP + script, path, prefix=prefix)


@pytest.mark.parametrize("what", ["fold", "seal", "join", "files", "bulk", "delete", "create"])
def test_work_on_a_full_disk(small_disk: tuple[Path, list[str]], what: str) -> None:
    script = """
what = arguments[0]
random.seed(1)
actions = {
    "fold": lambda: store.get_stats(key, "loss"),
    "seal": lambda: store.compact(events=True),
    "join": lambda: store.compact(events=True),
    "files": lambda: store.put_blob(random.randbytes(400_000)),
    "bulk": lambda: store.write_points(
        key, "bulk", steps=range(50_000), values=[random.random() for _ in range(50_000)]),
    "delete": lambda: store.delete_runs([store.create_run(RunSpec(project="faults")).key]),
    "create": lambda: [store.create_run(RunSpec(project="faults")) for _ in range(1000)],
}
for step in range(3000):
    writer.log({"loss": step * 0.5, "noise": random.random()}, step=step)
    writer.log_event({"row": step})
    if what == "join" and step == 1500:
        store.compact(events=True)
def fill_log():
    while not is_full(lambda: writer.log({"filler": 1.0})):
        pass

before = {str(f) for f in Path(f"{path}-data").rglob("*")}
fill()
fill_log()
assert is_full(actions[what]), "it found space"
if what == "fold":
    try:
        store.get_stats(key, "loss")
    except StoreFull as error:  # folding needs space, and the message tells how to read without
        assert "read_only=True" in str(error), error
left = {str(f) for f in Path(f"{path}-data").rglob("*") if f.is_file()} - before
assert not left, left  # a failed call does not take what little space there is
with open_store(path, read_only=True) as reader:
    assert len(floats(reader, key, "noise")) == 3000
    assert reader.read_events("faults", [key]).columns["row"] == list(range(3000))
ballast.unlink()
actions[what]()
assert len(floats(store, key, "noise")) == 3000
assert store.read_events("faults", [key]).columns["row"] == list(range(3000))
assert store.check().ok
store.close()
"""
    path, prefix = small_disk
    finish(SETUP + script, path, what, prefix=prefix)


def test_closing_on_a_full_disk_can_be_done_again(small_disk: tuple[Path, list[str]]) -> None:
    script = """
for step in range(100):
    writer.log({"loss": step * 0.5}, step=step)
fill()
while not is_full(lambda: writer.log({"text": "x" * 5000})):
    pass
failed = is_full(store.close)
ballast.unlink()
store.close()
with open_store(path) as again:
    assert steps(again, key)[:100] == list(range(100))
    assert again.get_value(key, "sys/state")[1] == "inactive"
"""
    path, prefix = small_disk
    finish(SETUP + script, path, prefix=prefix)


def test_a_store_that_cannot_be_made_says_so(small_disk: tuple[Path, list[str]]) -> None:
    script = """
store.close()
fill()
other = Path(path).with_name("other.db")
assert is_full(lambda: open_store(other))
ballast.unlink()
with open_store(other) as store:
    store.create_run(RunSpec(project="faults"))
"""
    path, prefix = small_disk
    finish(SETUP + script, path, prefix=prefix)


def test_a_spool_on_a_full_disk(small_disk: tuple[Path, list[str]]) -> None:
    script = """
from mooring.client.spool import *
store.close()
folder = Path(path).with_name("spool")
head = SpoolHead("http://hub", "faults", "run", 1, "0" * 32, 1)
spool = Spool.create(folder, head, limit_bytes=1 << 30, segment_bytes=1 << 18)
done = [b"%d" % number for number in range(1000)]
for record in done:
    spool.append(record)
fill()
refused = 0
random.seed(3)
while refused < 200:
    record = random.randbytes(random.choice((10, 3000, 9000)))
    if is_full(lambda: spool.append(record)):
        refused += 1
    else:
        done.append(record)
    records = [random.randbytes(700)] * 20
    if not is_full(lambda: spool.append_all(records)):
        done.extend(records)

def waiting(spool):
    return [record for _, record in spool.read(after=0, max_bytes=1 << 40, max_count=1 << 40)]

assert waiting(spool) == done
other = SpoolHead("http://hub", "faults", "run", 1, "1" * 32, 1)
assert is_full(lambda: [Spool.create(folder, other, limit_bytes=1 << 30).append(bytes(9000))])
ballast.unlink()
for number in range(500):
    done.append(b"again %d" % number)
    assert spool.append(done[-1]) == len(done)
assert waiting(spool) == done
spool.close()
left = Spool.adopt(spool.path)
assert waiting(left) == done
fill()
left.acknowledge(len(done) - 1)
assert left.pending == 1
assert left.read(after=len(done) - 1, max_bytes=1, max_count=1)
acknowledge(len(done))
"""
    path, prefix = small_disk
    (count,) = finish(SETUP + script, path, prefix=prefix)
    assert int(count) > 1500
