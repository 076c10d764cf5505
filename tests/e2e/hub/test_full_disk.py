"""A hub whose disk fills up: clients are told, nothing is lost, and it goes on with space."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.faults.processes import finish, linux_only
from tests.e2e.faults.test_full_disk import SETUP, small_disk

pytestmark = linux_only
__all__ = ["small_disk"]

HUB = """
import os, random, subprocess, urllib.request
from tests.serving import HubProcess
from mooring.client.settings import ClientSettings
from mooring.store.hub.store import HubStore
store.close()
hub = HubProcess(Path(path))
quick = ClientSettings(retries=0)

def open_hub(**options):
    return HubStore(
        hub.address, hub.admin, settings=quick, open_staging=open_store, **options
    )

store = open_hub(buffered=False)
key = store.find_run("faults", run_id="run").key
writer = store.open_writer(key)
"""


def _run(script: str, small_disk: tuple[Path, list[str]]) -> None:
    path, prefix = small_disk
    root = str(Path(__file__).parents[3])
    lines = f"import sys; sys.path.insert(0, {root!r})\n" + SETUP + HUB
    body = "\n".join(f"    {line}" for line in script.strip().splitlines())
    finish(f"{lines}\ntry:\n{body}\nfinally:\n    hub.kill()\n", path, prefix=prefix)


def test_logging_until_the_disk_is_full_and_on(small_disk: tuple[Path, list[str]]) -> None:
    script = """
done = []
fill()
for step in range(10**5):
    if is_full(lambda: writer.log({"loss": step * 0.5, "text": "x" * 3000}, step=step)):
        break
    done.append(step)
else:
    raise AssertionError("never full")
assert is_full(lambda: store.put_blob(random.randbytes(2_000_000)))
assert is_full(lambda: store.put_blob(random.randbytes(9_000_000)))  # in pieces, by a link
assert urllib.request.urlopen(hub.address + "/health").status == 200
assert store.list_projects() == ["local/faults"]
ballast.unlink()
for step in range(10**6, 10**6 + 50):
    writer.log({"loss": 1.0}, step=step)
    done.append(step)
digest, _ = store.put_blob(b"x" * 2_000_000)
with store.open_blob(digest) as file:
    assert len(file.read()) == 2_000_000
assert steps(store, key) == done
assert store.check().ok
store.close()
"""
    _run(script, small_disk)


def test_what_waits_in_the_spool_arrives_with_space(small_disk: tuple[Path, list[str]]) -> None:
    script = """
import tempfile
spool = Path(tempfile.mkdtemp(dir="/var/tmp"))  # another disk than the hub's
buffered = open_hub(buffered=True, spool=spool)
spooled = buffered.open_writer(key)
fill()
while not is_full(lambda: writer.log({"filler": "x" * 3000})):
    pass
for step in range(2000):
    spooled.log({"loss": step * 0.5, "text": "x" * 300}, step=step)
ballast.unlink()
spooled.close()
buffered.close()
assert steps(store, key) == list(range(2000))
assert store.check().ok
import shutil
shutil.rmtree(spool)
"""
    _run(script, small_disk)
