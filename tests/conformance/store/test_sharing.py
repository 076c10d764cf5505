"""Several store objects, threads and processes on one store; reading only; closing."""

from __future__ import annotations

import math
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mooring.errors import RunNotFound, StoreClosed, StoreNotFound, StoreReadOnly
from mooring.model import RunInfo, RunSpec
from mooring.query import Field
from mooring.store import PathSelector, RunQuery, Store
from tests.conformance.store.conftest import BackEnd, Place
from tests.conformance.store.reading import STRINGS, attributes, points, table
from tests.conformance.store.test_sealing import everything


def test_two_objects_see_each_other_at_once(place: Place) -> None:
    one, two = place.open(), place.open()
    run = one.create_run(RunSpec(project="p", run_id="a"))
    assert two.find_run("p", run_id="a") == run
    writers = [one.open_writer(run.key), two.open_writer(run.key)]
    for step in range(10):
        writers[step % 2].log({f"x/{step}": 1.0, "x": step})
        for store in (one, two):
            assert points(store, run.key, "x")[-1] == (step, float(step))
            assert points(store, run.key, f"x/{step}") == [(step, 1.0)]
        if step == 5:
            two.compact()
    writers[1].assign({"v": 1})
    assert attributes(one, run.key)["v"] == 1
    assert everything(one) == everything(two)
    two.delete_runs([run.key])
    with pytest.raises(RunNotFound):
        one.get_runs([run.key])


def test_a_store_that_is_opened_again(place: Place) -> None:
    store = place.open()
    run = store.create_run(RunSpec(project="p", run_id="a"))
    writer = store.open_writer(run.key)
    writer.log({"x": 1.0})
    writer.log({"x": math.nan})
    writer.log({"x": 1.0}, step=9, preview_completion=0.5)
    before = everything(store)
    writer.close()
    store.close()
    store = place.open()
    assert store.find_run("p", run_id="a") == run
    after = everything(store)
    assert after["float_series"] == before["float_series"]
    store.open_writer(run.key).log({"x": 3.0})
    assert points(store, run.key, "x")[-1] == (2, 3.0)


def test_threads(store: Store) -> None:
    run = store.create_run(RunSpec(project="p"))
    shared = store.open_writer(run.key)
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        last = 0
        try:
            while not stop.is_set():
                count = table(store, [run.key]).num_rows
                assert count >= last
                last = count
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    def log(number: int) -> None:
        own = store.open_writer(run.key)
        for step in range(100):
            shared.log({f"shared/{number}": step, "all": number}, step=step)
            own.log({f"own/{number}": step}, step=step)
            if step == 50 and number == 0:
                store.compact()
        own.close()

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(log, range(6)))
    stop.set()
    reader.join()
    assert not failures, failures
    for number in range(6):
        expected = [(step, float(step)) for step in range(100)]
        assert points(store, run.key, f"shared/{number}") == expected
        assert points(store, run.key, f"own/{number}") == expected
    assert len(points(store, run.key, "all")) == 100
    assert store.get_stats(run.key, "all").count == 100


def _log_in_process(back_end: BackEnd, folder: object, number: int) -> None:
    store = back_end.open(folder)
    own = store.create_run(RunSpec(project="p", run_id=f"own {number}"))
    shared = store.find_run("p", run_id="shared")
    assert shared is not None
    writers = [store.open_writer(own.key), store.open_writer(shared.key)]
    for step in range(60):
        writers[0].log({"x": step}, step=step)
        writers[1].log({f"x/{number}": step})
        writers[1].log_event({"number": number, "step": step})
        if step % 20 == 10 + number:
            store.compact(events=bool(number % 2))
        if step % 20 == 5:
            assert len(points(store, own.key, "x")) == step + 1
            assert len(store.read_events("p", [shared.key]).sequence) > step
    store.close()


def test_processes(place: Place) -> None:
    store = place.open()
    shared = store.create_run(RunSpec(project="p", run_id="shared"))
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_log_in_process, args=(place.back_end, place.folder, number))
        for number in range(3)
    ]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        table(store, [shared.key])
        store.query_runs(RunQuery())
        processes[0].join(0.05)
        processes[-1].join(0.05)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for number in range(3):
        run = store.find_run("p", run_id=f"own {number}")
        assert run is not None
        assert points(store, run.key, "x") == [(step, float(step)) for step in range(60)]
        assert [value for _, value in points(store, shared.key, f"x/{number}")] == list(range(60))
    events = store.read_events("p")
    pairs = list(zip(events.columns["number"], events.columns["step"], strict=True))
    assert sorted(pairs) == [(number, step) for number in range(3) for step in range(60)]
    assert store.get_value(shared.key, "sys/state")[1] == "inactive"
    store.compact(events=True)
    assert store.check().ok


class TestReadOnly:
    def filled(self, place: Place) -> tuple[Store, RunInfo]:
        store = place.open()
        run = store.create_run(RunSpec(project="p", run_id="a"))
        writer = store.open_writer(run.key)
        for step in range(3):
            writer.log({"x": step, "t": str(step)}, step=step)
        store.compact()
        writer.log({"x": 9.0}, step=2)
        writer.log_event({"e": 1})
        writer.assign({"v": 1})
        writer.log({"x": 9.0}, step=50, preview_completion=0.5)
        store.create_run(RunSpec(project="p", run_id="fork", parent=run.key, fork_step=10**6))
        return store, run

    def test_what_was_not_read_yet_is_seen(self, place: Place) -> None:
        store, run = self.filled(place)
        writer = store.open_writer(run.key)
        writer.log({"x": 10.0, "new": 1.0}, step=3)
        reader = place.open(read_only=True)
        assert reader.read_only
        assert not store.read_only
        assert points(reader, run.key, "x") == [(0, 0.0), (1, 1.0), (2, 9.0), (3, 10.0)]
        assert reader.get_stats(run.key, "x").count == 4
        writer.log({"x": 11.0}, step=4)
        assert points(reader, run.key, "x")[-1] == (4, 11.0)
        store.compact(events=True)
        writer.log({"x": 12.0}, step=4)
        assert points(reader, run.key, "x")[-1] == (4, 12.0)
        assert everything(reader) == everything(store)

    def test_the_files_stay_as_they_are(self, place: Place) -> None:
        if not place.back_end.here:
            pytest.skip("the files are the hub's, which writes of its users")
        store, run = self.filled(place)
        store.open_writer(run.key).log({"x": 10.0}, step=3)
        before = place.files
        reader = place.open(read_only=True)
        assert points(reader, run.key, "x")[-1] == (3, 10.0)
        everything(reader)
        reader.check()
        reader.close()
        after = place.files
        shared_memory = {name for name in after if name.endswith("-shm")}
        assert {name: held for name, held in after.items() if name not in shared_memory} == {
            name: held for name, held in before.items() if name not in shared_memory
        }

    def test_every_write_is_refused(self, place: Place) -> None:
        store, run = self.filled(place)
        before = everything(store)
        store.close()
        files = {name for name in place.files if not name.endswith(("-shm", "-wal"))}
        reader = place.open(read_only=True)
        for refused in _writes(reader, run):
            with pytest.raises(StoreReadOnly):
                refused()
        assert {name for name in place.files if not name.endswith(("-shm", "-wal"))} == files
        seen = everything(reader)
        assert seen["float_series"] == before["float_series"]
        reader.close()
        again = place.open()
        assert everything(again)["float_series"] == before["float_series"]

    def test_nothing_is_there(self, place: Place) -> None:
        with pytest.raises(StoreNotFound):
            place.open(read_only=True)
        assert place.files == {}

    def test_while_another_writes_and_compacts(self, place: Place) -> None:
        store = place.open()
        run = store.create_run(RunSpec(project="p", run_id="a"))
        writer = store.open_writer(run.key)
        reader = place.open(read_only=True)
        done = threading.Event()
        failures: list[BaseException] = []

        def write() -> None:
            try:
                for step in range(400):
                    writer.log({"x": step, "y": step}, step=step)
                    writer.log_event({"e": step})
                    if step % 40 == 39:
                        store.compact(events=step % 80 == 79)
            except BaseException as error:  # noqa: BLE001 - told by the test
                failures.append(error)
            finally:
                done.set()

        thread = threading.Thread(target=write)
        thread.start()
        try:
            last = rows = 0
            while not done.is_set():
                found = points(reader, run.key, "x")
                assert found == [(step, float(step)) for step in range(len(found))]
                assert len(found) >= last
                last = len(found)
                events = reader.read_events("p")
                assert len(events.sequence) >= rows
                rows = len(events.sequence)
                stats = {"x": 0} if not last else {"x": reader.get_stats(run.key, "x").count}
                assert stats["x"] >= last
        finally:
            thread.join()
        assert not failures, failures
        assert len(points(reader, run.key, "x")) == 400
        assert len(reader.read_events("p").sequence) == 400


def _writes(store: Store, run: RunInfo) -> list[Callable[[], object]]:
    return [
        lambda: store.create_project("new"),
        lambda: store.ensure_project("new"),
        lambda: store.delete_project("p"),
        lambda: store.create_run(RunSpec(project="p")),
        lambda: store.create_run(RunSpec(project="p", parent=run.key)),
        lambda: store.trash_runs([run.key]),
        lambda: store.restore_runs([run.key]),
        lambda: store.delete_runs([run.key]),
        lambda: store.open_writer(run.key),
        lambda: store.write_points(run.key, "x", steps=[1], values=[1.0]),
        lambda: store.set_events(run.key, "e", 2),
        lambda: store.put_blob(b"abc"),
        lambda: store.compact(),
        lambda: store.check(repair=True),
    ]


def _reads(store: Store, run: RunInfo) -> list[Callable[[], object]]:
    return [
        lambda: store.list_projects(),
        lambda: store.find_run("p", run_id="a"),
        lambda: store.get_runs([run.key]),
        lambda: store.query_runs(RunQuery()),
        lambda: store.list_attributes(None, PathSelector()),
        lambda: store.read_attributes([run.key], PathSelector()),
        lambda: store.read_aggregates([run.key], [Field("x")]),
        lambda: store.get_stats(run.key, "x"),
        lambda: store.get_value(run.key, "x"),
        lambda: table(store, [run.key]),
        lambda: store.read_events("p"),
        lambda: store.open_blob("ab" * 32),
        lambda: store.check(),
    ]


def test_a_closed_store(store: Store) -> None:
    run = store.create_run(RunSpec(project="p", run_id="a"))
    writer = store.open_writer(run.key)
    writer.log({"x": 1.0}, step=0)
    writer.log({"x": 1.0}, step=1)
    store.close()
    store.close()
    calls = [*_writes(store, run), *_reads(store, run)]
    calls += [
        lambda: writer.log({"x": 1.0}, step=2),
        lambda: writer.log_event({"x": 1.0}),
        lambda: writer.assign({"v": 1}),
        lambda: writer.delete("x"),
        lambda: store.find_run("p", sys_id="P-1"),
    ]
    for call in calls:
        with pytest.raises(StoreClosed):
            call()
    writer.close()


def test_closing_ends_the_activity_of_runs(place: Place) -> None:
    store = place.open()
    run = store.create_run(RunSpec(project="p", run_id="a"))
    store.open_writer(run.key).log({"t": "last words"})
    assert place.open().get_value(run.key, "sys/state")[1] == "active"
    store.close()
    other = place.open()
    assert other.get_value(run.key, "sys/state")[1] == "inactive"
    assert points(other, run.key, "t", STRINGS) == [(0, "last words")]
