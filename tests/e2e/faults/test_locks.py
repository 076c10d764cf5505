"""A locked file: it waits, and then says who holds it; and network file systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import StoreLocked, Transient
from mooring.store import RunQuery, open_store
from mooring.store.sqlite import database
from mooring.store.sqlite.database import DatabaseSettings
from mooring.store.sqlite.filesystem import NETWORK_FILESYSTEMS, filesystem_type
from mooring.store.sqlite.store import SqliteStore
from tests.e2e.faults.processes import Child, finish, new_run, read_steps

HOLD = """
import sqlite3
store = open_store(path)
writer = store.open_writer(1)
connection = sqlite3.connect(path, isolation_level=None, timeout=10)
connection.execute(f"BEGIN {arguments[0]}")
acknowledge(os.getpid())
sys.stdin.readline()
connection.execute("ROLLBACK")
connection.close()
acknowledge("released")
sys.stdin.readline()
store.close()
"""


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_held_lock_is_named_after_the_time_out(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path, timeout_s=0.3) as store, Child(HOLD, path, mode) as child:
        writer = store.open_writer(key)
        writer.log({"loss": 0.0}, step=0)
        pid = child.line()
        for action in (
            lambda: writer.log({"loss": 0.5}, step=1),
            lambda: writer.log_events([({"row": 1}, None)]),
            lambda: store.ensure_project("other"),
            store.compact,
        ):
            with pytest.raises(StoreLocked, match=rf"pid {pid} on ") as caught:
                action()
            assert "nothing was written, try again" in str(caught.value)
            assert "0.3 s" in str(caught.value)
            assert isinstance(caught.value, Transient)
        # Who only reads does not wait.
        with open_store(path, read_only=True, timeout_s=0.3) as reader:
            assert read_steps(reader, key) == [0]
        child.go_on()
        assert child.line() == "released"
        writer.log({"loss": 0.5}, step=1)
        assert read_steps(store, key) == [0, 1]
        child.go_on()
        child.finish()


def test_a_lock_that_is_released_in_time_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    hold = HOLD.replace("sys.stdin.readline()\nconnection", "time.sleep(0.7)\nconnection")
    with Child(hold, path, "IMMEDIATE") as child, open_store(path, timeout_s=30) as store:
        child.line()
        store.open_writer(key).log({"loss": 0.0}, step=0)
        assert read_steps(store, key) == [0]


def test_opening_a_locked_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    settings = DatabaseSettings(journal="delete", timeout_s=0.3)
    SqliteStore(path, settings=settings).close()
    hold = """
import sqlite3
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
acknowledge("held")
time.sleep(60)
"""
    with Child(hold, path) as child:
        child.line()
        for read_only in (False, True):
            with pytest.raises(StoreLocked, match=r"stayed locked for 0\.3 s"):
                SqliteStore(path, read_only=read_only, settings=settings)
    with SqliteStore(path, settings=settings) as store:
        assert store.query_runs(RunQuery()).total == 0


# ---- network file systems -------------------------------------------------------------------

MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb1 /home/local xfs rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
s3fs /mnt/bucket fuse.s3fs rw 0 0
server:/old /data nfs rw 0 0
tmpfs /data tmpfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/runs.db", "ext4"),
        ("/home/me/runs.db", "nfs4"),
        ("/home/local/runs.db", "xfs"),
        ("/home/locally/runs.db", "nfs4"),
        ("/mnt/my share/runs.db", "cifs"),
        ("/mnt/bucket/runs.db", "fuse.s3fs"),
        ("/data/runs.db", "tmpfs"),  # mounted over the other
        ("/homes/runs.db", "ext4"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert filesystem_type(Path(path), MOUNTS) == kind


def test_an_empty_mount_table() -> None:
    assert filesystem_type(Path("/srv/runs.db"), "") is None


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_told_of_and_used_safely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    assert kind in NETWORK_FILESYSTEMS
    monkeypatch.setattr(database, "network_filesystem", lambda path: kind)
    path = tmp_path / "runs.db"
    with pytest.warns(RuntimeWarning, match=rf"network file system \({kind}\).*local disk") as told:
        store = open_store(path)
    assert len(told) == 1
    key = store.create_run(new_spec()).key
    writer = store.open_writer(key)
    for step in range(50):
        writer.log({"loss": step * 0.5}, step=step)
    assert read_steps(store, key) == list(range(50))
    assert not Path(f"{path}-wal").exists()
    assert not Path(f"{path}-shm").exists()
    store.close()
    with open_store(path, read_only=True) as store:
        assert read_steps(store, key) == list(range(50))


def new_spec():  # type: ignore[no-untyped-def]
    from mooring.model import RunSpec

    return RunSpec(project="faults")


SAFE = """
from mooring.store.sqlite.database import DatabaseSettings
from mooring.store.sqlite.store import SqliteStore
settings = DatabaseSettings(journal="delete", timeout_s=60)
store = SqliteStore(path, settings=settings)
"""


def test_many_processes_in_the_safe_mode(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    settings = DatabaseSettings(journal="delete")
    with SqliteStore(path, settings=settings) as store:
        key = store.create_run(new_spec()).key
    work = """
key, start = map(int, arguments)
writer = store.open_writer(key)
acknowledge("ready")
sys.stdin.readline()
for step in range(start, start + 40):
    writer.log({"loss": step * 0.5}, step=step)
    if step % 10 == 0:
        steps(store, key)
    if step % 20 == 5:
        store.compact()
store.close()
"""
    children = [Child(SAFE + work, path, key, i * 40) for i in range(4)]
    for child in children:
        child.line()
    for child in children:
        child.go_on()
    for child in children:
        with child:
            child.finish()
    with SqliteStore(path, settings=settings) as store:
        assert read_steps(store, key) == list(range(160))
        assert store.check().ok


def test_a_kill_in_the_safe_mode(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    settings = DatabaseSettings(journal="delete")
    with SqliteStore(path, settings=settings) as store:
        key = store.create_run(new_spec()).key
    work = """
writer = store.open_writer(int(arguments[0]))
start = int(arguments[1])
acknowledge(-1)
for step in range(start, start + 10**6):
    writer.log({"loss": step * 0.5}, step=step)
    acknowledge(step)
"""
    count = 0
    for _ in range(3):
        with Child(SAFE + work, path, key, count) as child:
            child.line()
            acknowledged = child.kill_after(0.2)
        with SqliteStore(path, settings=settings) as store:
            found = read_steps(store, key)
        assert set(map(int, acknowledged)) <= set(found)
        assert found == list(range(len(found)))
        count = len(found)


def test_a_store_in_use_is_not_switched_to_the_safe_mode(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        writer = store.open_writer(key)
        writer.log({"loss": 0.0}, step=0)
        with pytest.raises(StoreLocked):
            SqliteStore(path, settings=DatabaseSettings(journal="delete", timeout_s=0.3))
        writer.log({"loss": 0.5}, step=1)
    finish("assert steps(open_store(path), int(arguments[0])) == [0, 1]", path, key)
