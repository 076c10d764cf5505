"""Files that are unreadable, damaged, foreign, newer or gone: one clear error of ours each."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.errors import (
    NotAStore,
    SegmentMissing,
    StoreCorrupt,
    StoreError,
    StoreNotFound,
    StoreTooNew,
)
from mooring.model import FileRef, Histogram, RunSpec
from mooring.store import RunQuery, open_store
from mooring.store.sqlite.schema import FORMAT
from tests.e2e.faults.processes import Child, finish, linux_only, new_run, read_steps


def make_store(path: Path, *, steps: int = 300, sealed: bool = True) -> int:
    """A store with a run of points, half of them sealed, and a file."""
    key = new_run(path)
    with open_store(path) as store:
        writer = store.open_writer(key)
        digest, size = store.put_blob(b"content")
        writer.assign({"file": FileRef(digest, size)})
        for step in range(steps):
            writer.log({"loss": step * 0.5}, step=step)
            writer.log({"picture": FileRef(digest, size)}, step=step)
            if sealed and step == steps // 2:
                store.compact()
        writer.log({"shape": Histogram((0.0, 1.0), (2.0,))}, step=1)
    return key


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"x", b"hello", b"PK\x03\x04" * 5000, b"SQLite format 2\0" + bytes(5000), bytes(4096)],
    ids=["byte", "short", "zip", "other", "zeros"],
)
def test_garbage_is_refused_and_left_alone(tmp_path: Path, content: bytes, read_only: bool) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(content)
    with pytest.raises(NotAStore, match=r"runs\.db is not a Mooring store"):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_becomes_a_store_but_is_none_to_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.touch()
    for options in ({"read_only": True}, {"create": False}):
        with pytest.raises(StoreNotFound, match=r"no store at .*runs\.db"):
            open_store(path, **options)
    key = new_run(path)
    with open_store(path) as store:
        assert store.get_runs([key])[0].run_id == "run"


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_missing_or_a_folder(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(NotAStore, match="is a folder"):
        open_store(tmp_path, read_only=read_only)
    with pytest.raises(StoreNotFound):
        open_store(tmp_path / "missing.db", read_only=True)
    with pytest.raises(StoreNotFound):
        open_store(tmp_path / "missing.db", create=False)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        open_store(tmp_path / "file" / "runs.db", read_only=read_only)
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_another_program(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "runs.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE events (timestamp TEXT, track_id TEXT, loss REAL)")
    connection.execute("INSERT INTO events VALUES ('2024-01-01', 'a', 0.5)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NotAStore, match="of another program"):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_format(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "runs.db"
    make_store(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match=r"Upgrade Mooring") as caught:
        open_store(path, read_only=read_only)
    assert (caught.value.found, caught.value.supported) == (FORMAT + 1, FORMAT)
    assert path.read_bytes() == before


def read_file(path: Path, key: int, read_only: bool) -> None:
    with open_store(path, read_only=read_only) as store:
        read_steps(store, key)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_truncated_file(tmp_path: Path, read_only: bool) -> None:
    whole = tmp_path / "whole.db"
    key = make_store(whole)
    content = whole.read_bytes()
    for i, length in enumerate(
        [16, 99, 100, 512, 4095, 4096, 4097, len(content) // 2, len(content) - 4096]
    ):
        path = tmp_path / f"{i}.db"
        path.write_bytes(content[:length])
        with pytest.raises((StoreCorrupt, NotAStore)) as caught:
            read_file(path, key, read_only)
        assert str(path) in str(caught.value)
        if length >= 100:
            assert isinstance(caught.value, StoreCorrupt)
            assert "restore a backup" in str(caught.value)
        assert path.read_bytes() == content[:length]


def test_pages_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = make_store(path, sealed=False)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 2048] = b"\xa5" * 2048
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="damaged"), open_store(path) as store:
        read_steps(store, key)
    with pytest.raises(StoreCorrupt, match="restore a backup"):
        open_store(path, read_only=True).query_runs(RunQuery())


# ---- the folder beside the file -----------------------------------------------------------------


def segments(path: Path) -> list[Path]:
    return sorted((Path(f"{path}-data") / "segments").glob("*.parquet"))


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "garbage"])
def test_a_damaged_segment(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "runs.db"
    key = make_store(path)
    (segment,) = segments(path)
    content = segment.read_bytes()
    segment.write_bytes(
        {
            "flip": content[:200] + bytes(b ^ 0xFF for b in content[200:1200]) + content[1200:],
            "truncate": content[:-100],
            "empty": b"",
            "garbage": b"garbage" * 1000,
        }[damage]
    )
    with open_store(path) as store:
        with pytest.raises(StoreCorrupt, match=segment.name) as caught:
            read_steps(store, key)
        assert "backup" in str(caught.value)
        found = store.check()
        assert not found.ok
        assert any(segment.name in finding.what for finding in found.findings)
        # What does not need the segment goes on.
        store.open_writer(key).log({"other": 1.0}, step=1)
        assert read_steps(store, key, "other") == [1]
        assert store.query_runs(RunQuery()).total == 1
    segment.write_bytes(content)
    with open_store(path) as store:
        assert read_steps(store, key) == list(range(300))
        assert store.check().ok


@pytest.mark.parametrize("read_only", [False, True])
def test_a_missing_segment_or_folder(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "runs.db"
    key = make_store(path)
    (segment,) = segments(path)
    segment.rename(tmp_path / "aside")
    with open_store(path, read_only=read_only) as store:
        with pytest.raises(SegmentMissing, match=r"runs\.db-data belongs to the store file"):
            read_steps(store, key)
        assert any("No such file" in finding.what for finding in store.check().findings)
        assert not store.check().ok
    Path(tmp_path / "aside").rename(segment)
    shutil.move(f"{path}-data", tmp_path / "data-aside")
    with open_store(path, read_only=read_only) as store:
        with pytest.raises(SegmentMissing, match="moved and copied with it"):
            read_steps(store, key)
        digest = store.get_value(key, "file")[1].digest
        with pytest.raises(SegmentMissing, match="moved and copied with it"):
            store.open_blob(digest)
        assert not store.check().ok
    if not read_only:
        with open_store(path) as store:
            with pytest.raises(SegmentMissing):
                store.compact()
            store.open_writer(key).log({"other": 1.0}, step=1)
    assert not Path(f"{path}-data").exists()
    shutil.move(tmp_path / "data-aside", f"{path}-data")
    with open_store(path) as store:
        assert read_steps(store, key) == list(range(300))


def test_a_damaged_file_of_the_user_is_found(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    make_store(path)
    (blob,) = (f for f in (tmp_path / "runs.db-data" / "blobs").rglob("*") if f.is_file())
    blob.chmod(0o600)
    blob.write_bytes(b"Content")
    with open_store(path) as store:
        (finding,) = [f for f in store.check().findings if f.severity == "error"]
        assert blob.name in finding.what
        assert "damaged" in finding.what


def test_a_deleted_store_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    make_store(path)
    path.unlink()
    with pytest.raises(StoreNotFound):
        open_store(path, create=False)
    key = new_run(path)  # a new store beside the old folder: what is in it belongs to nothing
    with open_store(path) as store:
        assert read_steps(store, key) == []
        assert store.check().ok


# ---- another user, and what may only be read ----------------------------------------------------

as_another_user = pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions as on POSIX")

UNPRIVILEGED = """
import mooring.store.sqlite.reading, getpass
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
    os.environ["HOME"] = "/nonexistent"
key = 1

def refused(kind, action, *words):
    try:
        action()
    except kind as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError("not refused")
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that another user can reach; all is writable again at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mooring-faults-"))
    folder.chmod(0o755)
    inner = folder / "inner"
    inner.mkdir()
    yield inner
    for file in [inner, *inner.rglob("*")]:
        file.chmod(0o700)
    shutil.rmtree(folder)


def protect(folder: Path) -> None:
    for file in [*folder.rglob("*"), folder]:
        file.chmod(0o555 if file.is_dir() else 0o444)


@as_another_user
@pytest.mark.parametrize("read_only", [False, True])
def test_an_unreadable_file(shared: Path, read_only: bool) -> None:
    path = shared / "runs.db"
    make_store(path)
    path.chmod(0)
    opening = f"lambda: open_store(path, read_only={read_only})"
    script = f"refused(StoreReadOnly, {opening}, path, 'permission')"
    finish(UNPRIVILEGED + script, path)
    shared.chmod(0)
    finish(UNPRIVILEGED + script, path)


READ_ALL = """
with open_store(path, read_only=True) as store:
    assert steps(store, key) == list(range(int(arguments[0]))), len(steps(store, key))
    assert store.get_stats(key, "loss").count == int(arguments[0])
    with store.open_blob(store.get_value(key, "file")[1].digest) as file:
        assert file.read() == b"content"
    assert store.query_runs(RunQuery()).total == 1
    refused(StoreReadOnly, lambda: store.open_writer(key))
    refused(StoreReadOnly, lambda: store.create_run(RunSpec(project="faults")))
    refused(StoreReadOnly, lambda: store.put_blob(b"new"))
    refused(StoreReadOnly, store.compact)
    refused(StoreReadOnly, lambda: store.delete_runs([key]))
    refused(StoreReadOnly, lambda: store.write_points(key, "x", steps=[1], values=[1.0]))
refused(StoreReadOnly, lambda: open_store(path), path, "read_only=True")
"""


@as_another_user
@pytest.mark.parametrize("what", ["file", "folder", "both"])
def test_what_may_only_be_read(shared: Path, what: str) -> None:
    path = shared / "runs.db"
    make_store(path)
    protect(shared)
    if what == "file":
        shared.chmod(0o777)
    elif what == "folder":
        path.chmod(0o666)
    finish(UNPRIVILEGED + READ_ALL, path, 300)


@as_another_user
@pytest.mark.parametrize("index", ["kept", "gone"])
def test_reading_what_a_killed_writer_left(shared: Path, index: str) -> None:
    """Rows that are in SQLite's log only, and not folded, in a folder that cannot be written."""
    path = shared / "runs.db"
    make_store(path)
    script = """
store = open_store(path)
writer = store.open_writer(1)
for step in range(300, 400):
    writer.log({"loss": step * 0.5}, step=step)
acknowledge("logged")
time.sleep(60)
"""
    with Child(script, path) as child:
        child.line()
        child.kill_after(0)
    assert Path(f"{path}-wal").stat().st_size
    if index == "gone":
        Path(f"{path}-shm").unlink()
    before = {file: file.read_bytes() for file in shared.glob("runs.db*") if file.is_file()}
    protect(shared)
    finish(UNPRIVILEGED + READ_ALL, path, 400)
    shared.chmod(0o755)
    assert path.read_bytes() == before[path]
    assert Path(f"{path}-wal").read_bytes() == before[Path(f"{path}-wal")]


@as_another_user
def test_another_user_reads_while_the_owner_logs(shared: Path) -> None:
    path = shared / "runs.db"
    key = make_store(path)
    script = """
with open_store(path, read_only=True) as store:
    for count in (300, 310, 320):
        assert len(steps(store, key)) == count, len(steps(store, key))
        acknowledge(count)
        sys.stdin.readline()
"""
    with open_store(path) as store, Child(UNPRIVILEGED + script, path) as child:
        writer = store.open_writer(key)
        for count in (300, 310, 320):
            assert child.line() == str(count)
            for step in range(count, count + 10):
                writer.log({"loss": step * 0.5}, step=step)
            child.go_on()
        child.finish()


@as_another_user
def test_a_store_in_a_folder_that_cannot_be_written(shared: Path) -> None:
    shared.chmod(0o555)
    script = "refused(StoreReadOnly, lambda: open_store(path), path, 'another folder')"
    finish(UNPRIVILEGED + script, shared / "runs.db")
    deeper = shared / "deeper" / "runs.db"
    finish(UNPRIVILEGED + "refused(StoreReadOnly, lambda: open_store(path), path)", deeper)


@as_another_user
@linux_only
def test_a_data_folder_that_cannot_be_written(shared: Path) -> None:
    path = shared / "runs.db"
    make_store(path)
    protect(shared)
    for file in (shared, path):
        file.chmod(0o777)
    script = """
with open_store(path) as store:
    writer = store.open_writer(key)
    writer.log({"loss": 1.0}, step=1000)
    refused(StoreReadOnly, lambda: store.put_blob(b"new"), "runs.db-data")
    refused(StoreReadOnly, store.compact, "runs.db-data")
    assert len(steps(store, key)) == 301
"""
    finish(UNPRIVILEGED + script, path)


def test_a_store_that_was_made_by_root_is_not_needed_to_create_runs(tmp_path: Path) -> None:
    """A run's owner is kept where it is known, and nothing fails where it is not."""
    path = tmp_path / "runs.db"
    finish("open_store(path).create_run(RunSpec(project='faults'))", path)
    with open_store(path) as store:
        assert store.query_runs(RunQuery()).total == 1
        store.create_run(RunSpec(project="faults", owner="someone"))
