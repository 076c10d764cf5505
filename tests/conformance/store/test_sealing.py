"""Sealing, compaction and deletion: nobody who reads notices, and the disk is really freed."""

from __future__ import annotations

import math
import os
import random
import time
from io import BytesIO
from pathlib import Path

import pytest

from mooring.errors import MooringError, NotFound
from mooring.model import FileRef, Histogram, RunSpec
from mooring.store import PathSelector, RunQuery, SeriesQuery, Store
from tests.conformance.store.conftest import Place
from tests.conformance.store.reading import (
    FILES,
    FLOATS,
    HISTOGRAMS,
    STRINGS,
    in_every_state,
    plain,
    points,
    run_ids,
    table,
)

SERIES = (FLOATS, STRINGS, HISTOGRAMS, FILES)


def everything(store: Store) -> dict[str, object]:
    """Return all that a store holds, as plain values."""
    runs = store.query_runs(RunQuery(trashed=None)).runs
    keys = [run.key for run in runs]
    held: dict[str, object] = {"runs": list(runs), "projects": store.list_projects()}
    for type in SERIES:
        select = PathSelector(types=frozenset({type}))
        query = SeriesQuery(include_previews=True)
        held[type] = plain(store.read_series(keys, select, query).to_pydict())
    held["attributes"] = [
        (column.path, column.type, [int(row) for row in column.rows], plain(list(column.values)))
        for column in store.read_attributes(keys, PathSelector())
    ]
    for project in store.list_projects():
        found = store.read_events(project)
        held[f"events of {project}"] = (
            list(found.sequence),
            list(found.runs),
            list(found.times),
            plain(dict(found.columns)),
        )
    return held


def fill(store: Store, chance: random.Random, rounds: int) -> None:
    """Log a bit of everything to all runs of a store."""
    for run in store.query_runs(RunQuery()).runs:
        writer = store.open_writer(run.key)
        for _ in range(rounds):
            step = chance.randrange(200) / 4
            value = chance.choice([chance.gauss(0, 1), math.nan, math.inf])
            writer.log({"x": value, "y": chance.random()}, step=step, time=chance.randrange(10**15))
            writer.log({"t": str(chance.random()), "x": 1.0}, step=chance.randrange(50))
            writer.log({"h": Histogram((0.0, 1.0), (chance.random(),))}, step=step)
            writer.log_event({"e": chance.randrange(5), "word": "w" * chance.randrange(4)})
        digest, size = store.put_blob(str(chance.random()).encode())
        writer.log({"f": FileRef(digest, size)}, step=chance.randrange(9))
        writer.log({"p": 1.0}, step=chance.randrange(99), preview_completion=0.5)
        writer.assign({"v": chance.random()})
        writer.close()


def test_nobody_notices(store: Store) -> None:
    chance = random.Random(5)
    for i in range(4):
        parent = store.query_runs(RunQuery(limit=1)).runs[0].key if i > 1 else None
        store.create_run(
            RunSpec(project="p", run_id=str(i), parent=parent, fork_step=10**7 if parent else None)
        )
    for round in range(4):
        fill(store, chance, 12)
        before = everything(store)
        for events in (bool(round % 2), False, True, True):
            store.compact(events=events)
            assert everything(store) == before
    assert store.check().ok


def test_reports(store: Store) -> None:
    run = store.create_run(RunSpec(project="p"))
    writer = store.open_writer(run.key)
    for step in range(10):
        writer.log({"x": step, "y": step}, step=step)
    seen: list[tuple[int, int]] = []
    report = store.compact(progress=lambda done, total: seen.append((done, total)))
    assert report.points_sealed == 20
    assert report.segments_written == 1
    assert seen[-1] == (1, 1)
    report = store.compact()
    assert (report.points_sealed, report.segments_written, report.segments_removed) == (0, 0, 0)
    writer.log({"x": 0.0}, step=99)
    report = store.compact()
    assert report.points_sealed == 1
    assert report.segments_removed == 2  # joined with the one before


def test_one_project_at_a_time(store: Store) -> None:
    for project in ("p", "q"):
        run = store.create_run(RunSpec(project=project))
        store.open_writer(run.key).log({"x": 1.0})
    assert store.compact("p").points_sealed == 1
    with pytest.raises(NotFound):
        store.compact("unknown")
    assert store.compact().points_sealed == 1


def test_an_empty_store_can_be_compacted(store: Store) -> None:
    report = store.compact(events=True)
    assert report.points_sealed == 0
    assert store.check().ok


def test_many_small_segments_become_one(store: Store) -> None:
    run = store.create_run(RunSpec(project="p"))
    writer = store.open_writer(run.key)
    for i in range(8):
        writer.log({"x": float(i)}, step=i % 3)
        store.compact()
    assert points(store, run.key, "x") == [(0, 6.0), (1, 7.0), (2, 5.0)]
    assert store.check().ok


class TestDeletedRuns:
    @pytest.mark.parametrize("sealed", [False, True])
    def test_are_gone(self, store: Store, sealed: bool) -> None:
        runs = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(3)]
        for run in runs:
            writer = store.open_writer(run.key)
            writer.assign({"v": run.key})
            writer.log({"x": run.key}, step=1)
            writer.log_event({"e": run.key})
            writer.close()
        if sealed:
            store.compact(events=True)
        store.trash_runs([runs[0].key])
        store.delete_runs([runs[0].key, runs[1].key])
        left = runs[2].key

        def check() -> None:
            assert run_ids(store, trashed=None) == ["2"]
            assert store.find_run("p", run_id="0") is None
            assert points(store, left, "x") == [(1, float(left))]
            assert list(store.read_events("p").runs) == [left]
            assert table(store, [runs[0].key]).num_rows == 0
            for key in (runs[0].key, runs[1].key):
                with pytest.raises(NotFound):
                    store.get_runs([key])
                with pytest.raises(NotFound):
                    store.delete_runs([key])

        in_every_state(store, check)
        again = store.create_run(RunSpec(project="p", run_id="0"))
        assert again.key not in [run.key for run in runs]
        assert points(store, again.key, "x") == []

    @pytest.mark.parametrize("sealed", [False, True])
    def test_free_the_disk(self, place: Place, sealed: bool) -> None:
        store = place.open()
        runs = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(2)]
        chance = random.Random(1)
        store.open_writer(runs[0].key).log({"x": 1.0}, step=0)
        writer = store.open_writer(runs[1].key)
        for step in range(400):
            writer.log({f"x/{i}": chance.random() for i in range(100)}, step=step)
        writer.log({"text": os.urandom(200_000).hex()}, step=0)
        writer.close()
        digest, size = store.put_blob(os.urandom(300_000))
        writer = store.open_writer(runs[1].key)
        writer.assign({"file": FileRef(digest, size)})
        writer.close()
        if sealed:
            store.compact()
        before = sum(map(len, place.files.values()))
        assert before > 600_000
        _age(place.folder)
        store.delete_runs([runs[1].key])
        report = store.compact()
        assert report.bytes_freed > 500_000
        assert report.blobs_removed == 1
        store.close()
        after = sum(map(len, place.files.values()))
        assert after < before - 500_000
        assert after < 300_000
        store = place.open()
        assert points(store, runs[0].key, "x") == [(0, 1.0)]
        assert store.check().ok


def _age(folder: Path) -> None:
    """Make every file below a folder two hours old."""
    then = time.time() - 7_200
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


class TestBlobs:
    def test_content_comes_back(self, store: Store) -> None:
        for content in (b"", b"abc", os.urandom(3_000_000)):
            for source in (content, BytesIO(content), bytearray(content)):
                digest, size = store.put_blob(source)
                assert size == len(content)
                with store.open_blob(digest) as file:
                    assert file.read() == content

    def test_the_name_is_the_sha256(self, store: Store) -> None:
        digest, _ = store.put_blob(b"abc")
        assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    def test_unknown_content(self, store: Store) -> None:
        with pytest.raises(MooringError, match="missing"):
            store.open_blob("ab" * 32)
        for bad in ("../../etc/passwd", "", "AB" * 32):
            with pytest.raises(MooringError):
                store.open_blob(bad)

    def test_one_copy_however_often(self, place: Place) -> None:
        store = place.open()
        content = os.urandom(100_000)
        for _ in range(3):
            store.put_blob(content)
            store.put_blob(BytesIO(content))
        assert sum(len(held) == 100_000 for held in place.files.values()) == 1
        assert sum(map(len, place.files.values())) < 400_000

    @pytest.mark.parametrize("events", [False, True])
    def test_what_is_used_stays(self, place: Place, events: bool) -> None:
        store = place.open()
        run = store.create_run(RunSpec(project="p"))
        trashed = store.create_run(RunSpec(project="p"))
        files = [FileRef(*store.put_blob(f"{i}".encode())) for i in range(7)]
        writer = store.open_writer(run.key)
        writer.assign({"value": files[0]})
        writer.log({"series": files[1]}, step=0)
        writer.log({"series": files[2]}, step=1)
        writer.log_event({"cell": files[3], "value": files[4]})
        store.open_writer(trashed.key).assign({"value": files[5]})
        store.trash_runs([trashed.key])
        _age(place.folder)
        for _ in range(3):
            store.compact(events=events)
            _age(place.folder)
        for used in files[:6]:
            with store.open_blob(used.digest) as file:
                assert len(file.read()) == 1
        with pytest.raises(MooringError):
            store.open_blob(files[6].digest)
        assert store.check().ok

    def test_what_is_young_stays(self, place: Place) -> None:
        store = place.open()
        digest, _ = store.put_blob(b"abc")
        assert store.compact().blobs_removed == 0
        _age(place.folder)
        store.put_blob(b"abc")  # its writer has not referred to it yet
        assert store.compact().blobs_removed == 0
        store.open_blob(digest).__enter__().close()
        _age(place.folder)
        store.put_blob(BytesIO(b"abc"))
        assert store.compact().blobs_removed == 0
        _age(place.folder)
        report = store.compact()
        assert (report.blobs_removed, report.bytes_freed >= 3) == (1, True)

    def test_replaced_and_deleted_files_go(self, place: Place) -> None:
        store = place.open()
        run = store.create_run(RunSpec(project="p"))
        writer = store.open_writer(run.key)
        for i in range(3):
            writer.assign({"value": FileRef(*store.put_blob(f"v{i}".encode()))})
            writer.log({"series": FileRef(*store.put_blob(f"s{i}".encode()))}, step=0)
        store.compact()
        _age(place.folder)
        assert store.compact().blobs_removed == 4
        writer.delete("series")
        assert store.compact().blobs_removed == 1
        assert store.check().ok

    def test_damage_is_found(self, place: Place) -> None:
        store = place.open()
        run = store.create_run(RunSpec(project="p"))
        digest, size = store.put_blob(b"abc")
        writer = store.open_writer(run.key)
        writer.assign({"file": FileRef(digest, size)})
        writer.log({"x": 1.0})
        store.compact()
        assert store.check().ok
        for path in place.folder.rglob("*"):
            if path.name == digest or path.suffix == ".parquet":
                path.write_bytes(path.read_bytes()[:-1] + b"!")
        found = store.check()
        assert not found.ok
        assert sum(each.severity == "error" for each in found.findings) == 2
