"""The result cache: right hits only, in any process, and nothing loaded that is not trusted."""

from __future__ import annotations

import asyncio
import enum
import functools
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

from mooring.errors import (
    InvalidInput,
    NotAStore,
    StoreError,
    StoreNotFound,
    StoreTooNew,
    UnsafePermissions,
)
from mooring.tracker import Reader, Tracker
from mooring.tracker.cache.folder import Cache, delete_cache_by_track_id, read_cache, scan_cache
from mooring.tracker.cache.keys import call_key

CALLS: list[object] = []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def tracker(folder: Path) -> Iterator[Tracker]:
    CALLS.clear()
    with Tracker(Tracker.IN_MEMORY, cache=folder) as tracker:
        yield tracker


def square(x: Any) -> Any:
    CALLS.append(x)
    return x * x


@dataclass(frozen=True)
class Point:
    x: int
    label: str = ""


class Options(pydantic.BaseModel):
    points: list[int]


class Colour(enum.Enum):
    RED = 1


def run_script(code: str, folder: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_call_is_made_once(tracker: Tracker, folder: Path) -> None:
    assert tracker.cache_path == str(folder)
    assert tracker.track(square, args=[3]) == 9
    first = tracker.latest
    assert first["cache"] == ""
    with Tracker(Tracker.IN_MEMORY, cache=folder) as other:
        assert other.track(square, args=[3]) == 9
        row = other.latest
    assert (row["cache"], row["function_time"], row["error"]) == (tracker.track_id, 0.0, "")
    assert row["function_result"] == 9
    assert CALLS == [3]


def test_a_hit_has_the_columns_of_result_and_arguments(tracker: Tracker) -> None:
    def score(point: Point) -> dict[str, int]:
        return {"score": point.x}

    for _ in range(2):
        assert tracker.track(score, args=[Point(2, "a")], params={"p": 1}) == {"score": 2}
    row = tracker.latest
    assert (row["score"], row["point_x"], row["point_label"], row["p"]) == (2, 2, "a", 1)
    assert row["cache"] == tracker.track_id


def test_cache_force_computes_and_replaces(tracker: Tracker, folder: Path) -> None:
    def draw() -> int:
        CALLS.append("drawn")
        return len(CALLS)

    assert [tracker.track(draw, cache_force=force) for force in (False, True, False)] == [1, 2, 2]
    ((key, _),) = scan_cache(folder)
    assert read_cache(folder, key) == {"result": 2, "cache": tracker.track_id}


def test_params_of_call_and_tracker_are_part_of_the_key(tracker: Tracker) -> None:
    tracker.track(square, args=[1])
    tracker.track(square, args=[1], params={"model": "v1"})
    tracker.set_params({"model": "v2"})
    tracker.track(square, args=[1])
    assert [tracker.track(square, args=[1]), tracker.latest["cache"]] == [1, tracker.track_id]
    assert CALLS == [1, 1, 1]


def test_none_falsy_results_and_frames_are_hits(tracker: Tracker) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    for result in (None, 0, "", set(), frame):

        def make(result: Any = result) -> Any:
            return result

        first, second = tracker.track(make), tracker.track(make)
        assert tracker.latest["cache"] == tracker.track_id
        assert first is result
        if result is frame:
            assert second is not frame
            pd.testing.assert_frame_equal(second, frame)
        else:
            assert second == result


def test_exceptions_are_not_cached(tracker: Tracker) -> None:
    def fail() -> None:
        CALLS.append("fail")
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            tracker.track(fail)
        assert "cache" not in tracker.latest
    assert CALLS == ["fail", "fail"]


def test_what_cannot_be_hashed_is_not_cached(tracker: Tracker, folder: Path) -> None:
    for argument in (threading.Lock(), (n for n in "ab"), open(os.devnull)):  # noqa: PTH123, SIM115
        for _ in range(2):
            tracker.track(lambda x: CALLS.append(x), args=[argument])
            assert "cache" not in tracker.latest
        if hasattr(argument, "close"):
            argument.close()
    loop: list[object] = []
    loop.append(loop)
    tracker.track(len, args=[loop])
    assert "cache" not in tracker.latest
    assert len(CALLS) == 6
    assert list(scan_cache(folder)) == []


def test_a_result_that_cannot_be_pickled_is_returned_and_told_once(
    tracker: Tracker, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert isinstance(tracker.track(threading.Event), threading.Event)
    assert len(tracker) == 2
    assert tracker.failures == {"InvalidValue": 2}
    assert caplog.text.count("cannot be pickled") == 1
    assert list(scan_cache(folder)) == []


def test_async_functions_are_cached_and_generators_are_not(tracker: Tracker) -> None:
    async def fetch(x: int) -> int:
        CALLS.append(x)
        return x

    async def twice() -> list[int]:
        wrapped = tracker.wrap(fetch)
        return [await wrapped(1), await wrapped(1), await tracker.track(fetch, args=[1])]

    def stream() -> Iterator[int]:
        yield 1

    assert asyncio.run(twice()) == [1, 1, 1]
    assert CALLS == [1]
    for call in (stream, lambda: stream()):
        for _ in range(2):
            assert list(tracker.track(call)) == [1]
            assert "cache" not in tracker.latest

    async def wait() -> list[int]:
        return [await tracker.track(lambda: fetch(2)) for _ in range(2)]

    assert asyncio.run(wait()) == [2, 2]
    assert CALLS == [1, 2, 2]


def test_methods_depend_on_their_object(tracker: Tracker) -> None:
    class Model:
        def __init__(self, weight: int) -> None:
            self.weight = weight

        @tracker.wrap
        def score(self, x: int) -> int:
            return self.weight * x

    assert [Model(2).score(5), Model(3).score(5), tracker.track(Model(4).score, args=[5])] == [
        10,
        15,
        20,
    ]
    assert Model(2).score(5) == 10
    assert tracker.latest["cache"] == tracker.track_id


# keys


def key(func: object = square, *args: object, **kwargs: object) -> str | None:
    return call_key(func, args, kwargs, {}, {})


def make_scaler(factor: int) -> Callable[[int], int]:
    def scale(x: int) -> int:
        return x * factor

    return scale


def decorated(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        return -func(*args)

    return wrapper


@decorated
def negative(x: int) -> int:
    return x


class One:
    def run(self) -> int:
        return 1


class Two:
    def run(self) -> int:
        return 2


def recursive(n: int) -> Callable[[int], int]:
    def down(x: int) -> int:
        return n if x == 0 else down(x - 1)

    return down


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x: x, lambda x: x + 1),
        (make_scaler(2), make_scaler(3)),
        (recursive(2), recursive(3)),
        (One.run, Two.run),
        (negative, negative.__wrapped__),  # type: ignore[attr-defined]
        (functools.partial(square, 1), functools.partial(square, 2)),
        (lambda x=1: x, lambda x=2: x),
        (len, max),
        ("a".upper, "b".upper),
        (np.sin, np.cos),
    ],
)
def test_functions_that_differ(one: object, other: object) -> None:
    assert None not in (key(one), key(other))
    assert key(one) != key(other)
    assert key(square, one) != key(square, other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_scaler(2),
        lambda: recursive(3),
        lambda: lambda x: [x, {"a": 1}],
        lambda: functools.partial(square, x=1),
        lambda: Tracker.track,
    ],
)
def test_functions_that_are_equal(make: Callable[[], object]) -> None:
    assert key(make()) == key(make()) is not None


def test_a_tracked_function_has_the_key_of_the_one_within(tracker: Tracker) -> None:
    assert key(tracker.wrap(square), 1) == key(square, 1)


VALUES: list[Any] = [
    *(1, 1.0, True, "1", b"1", None, 0.0, -0.0, float("nan"), 1 + 0j, 10**5000, ...),
    *([1], (1,), {1}, frozenset({1}), [[1]], [1, None], [], {}, {1: 1}, {"1": 1}, {1: "1"}),
    *(Point(-1), Point(-2), Point(1), Point(1, "a"), Options(points=[1]), Options(points=[2])),
    *(Colour.RED, Colour, Point, Path("a"), Path("b"), Decimal("1.0"), Decimal("1.00"), range(3)),
    *(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1), datetime(2026, 1, 2)),  # noqa: DTZ001
    *(np.float64(1), np.int64(1), np.array(1), np.array([1]), np.array([[1]]), np.array([1.0])),
    *(np.array([1], dtype="int32"), np.array(["1"]), np.array([1], dtype=object)),
    *(np.array([[1, 2], [3, 4]]), np.array([[1, 3], [2, 4]]), np.array([], dtype="int64")),
    *(pd.Series([1, 2]), pd.Series([1, 2], name="a"), pd.Series([1, 2], index=[1, 0])),
    *(pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), pd.DataFrame({"a": ["1"]})),
    *(pd.DataFrame({"a": [1.5, None]}), pd.DataFrame({"a": [1, 2]}, index=["x", "y"])),
    *(pd.Series([1, None], dtype="Int64"), pd.Series(["a", "b"], dtype="category")),
    *(pd.Series(pd.Categorical(["a", "b"], ["b", "a"])), pd.Timestamp("2026-01-01"), pd.NA),
    *(pd.date_range("2026-01-01", periods=2, tz="UTC"), pd.MultiIndex.from_tuples([(1, 2)])),
]


def test_values_that_differ_have_keys_that_differ() -> None:
    keys = [key(square, value) for value in VALUES]
    assert None not in keys
    same = [
        (VALUES[one], VALUES[other])
        for one in range(len(keys))
        for other in range(one)
        if keys[one] == keys[other]
    ]
    assert same == []


def test_a_copy_has_the_same_key() -> None:
    for value in VALUES:
        if value is ... or isinstance(value, type):
            continue
        assert key(square, pickle.loads(pickle.dumps(value))) == key(square, value), repr(value)


def test_order_and_memory_layout_play_no_part() -> None:
    assert key(square, {"a": 1, "b": {1, 2}}) == key(square, {"b": {2, 1}, "a": 1})
    grid = np.arange(6).reshape(2, 3)
    assert key(square, grid) == key(square, np.asfortranarray(grid))
    assert key(square, grid.T) == key(square, grid.T.copy())
    assert key(square, pd.RangeIndex(2)) == key(square, pd.Index([0, 1]))
    twice = [1]
    assert key(square, [twice, twice]) == key(square, [[1], [1]])


def test_sharing_many_times_is_quick() -> None:
    value: list[object] = []
    for _ in range(100):
        value = [value, value]
    assert key(square, value)


def test_positional_and_keyword_arguments_are_told_apart() -> None:
    assert len({key(square, 1), key(square, x=1), key(square, y=1), key(square, ("x", 1))}) == 4


SCRIPT = """
from dataclasses import dataclass
from mooring import Tracker
@dataclass(frozen=True)
class Config:
    name: str
    tags: frozenset
class Plain:
    def __init__(self):
        self.names = {"a", "b", "c"}
def train(config, plain, f):
    print("computed")
    return config.name
with Tracker("track.db", cache="cache") as tracker:
    tracker.track(train, args=[Config("n", frozenset(["x", "y", "z"])), Plain(), lambda x: x + 1])
    print(tracker.latest["cache"] and "hit", tracker.track_id)
"""


def test_hits_in_another_process(tmp_path: Path) -> None:
    first = run_script(SCRIPT, tmp_path, PYTHONHASHSEED="1").split()
    assert first[0] == "computed"
    for seed in ("2", "3"):
        assert run_script(SCRIPT, tmp_path, PYTHONHASHSEED=seed).split()[0] == "hit"
    changed = SCRIPT.replace("return config.name", "return config.name + '!'")
    assert run_script(changed, tmp_path, PYTHONHASHSEED="1").split()[0] == "computed"
    ((_, entry), _) = scan_cache(tmp_path / "cache")
    assert entry.track_id == first[-1]


# the folder


def test_entries_are_listed_and_deleted_without_loading(tracker: Tracker, folder: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(folder / "ran"),)

    tracker.track(lambda x: Evil(), args=["a" * 5_000], kwargs={})
    tracker.track(square, args=[2])
    entries = dict(Reader.scan_cache(folder))
    assert [entry.function for entry in entries.values()] == ["<lambda>", "square"]
    evil, good = entries.values()
    assert good.arguments == "[2] {}"
    assert good.track_id == tracker.track_id
    assert (datetime.now(UTC) - good.time).total_seconds() < 3600
    assert good.size_bytes == len(pickle.dumps(4, protocol=5))
    assert len(evil.arguments) == 1_000
    with Tracker(Tracker.IN_MEMORY, cache=folder) as other:
        other.track(square, args=[3])
    assert Reader.delete_cache_by_track_id(folder, tracker.track_id) == 2
    assert [entry.track_id for _, entry in scan_cache(folder)] == [other.track_id]
    assert delete_cache_by_track_id(folder, "' OR 1=1 --") == 0
    assert not (folder / "ran").exists()
    assert read_cache(folder, "no such key") is None
    ((key, _),) = scan_cache(folder)
    assert Reader.read_cache(folder, key) == {"result": 9, "cache": other.track_id}


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for call in (
        lambda: list(scan_cache(missing)),
        lambda: read_cache(missing, "k"),
        lambda: delete_cache_by_track_id(missing, "t"),
    ):
        with pytest.raises(StoreNotFound, match="missing"):
            call()
    assert not missing.exists()


@pytest.mark.parametrize("name", ["", "cache.db", "cache.db-wal"])
def test_what_others_may_write_to_is_not_loaded(
    tracker: Tracker, folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracker.track(square, args=[2])
    path = folder / name
    path.chmod(path.stat().st_mode | 0o020)
    ((entry_key, _),) = scan_cache(folder)  # listing loads nothing
    for call in (lambda: Cache(folder), lambda: read_cache(folder, entry_key)):
        with pytest.raises(UnsafePermissions, match="chmod go-w"):
            call()
    assert tracker.track(square, args=[2]) == 4  # computed, and told
    assert CALLS == [2, 2]
    assert tracker.failures.keys() == {"UnsafePermissions"}
    assert "chmod go-w" in caplog.text
    with pytest.raises(UnsafePermissions):
        Tracker(Tracker.IN_MEMORY, cache=folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may chown")
@pytest.mark.parametrize("name", ["", "cache.db"])
def test_what_belongs_to_another_user_is_not_loaded(
    tracker: Tracker, folder: Path, name: str
) -> None:
    tracker.track(square, args=[2])
    os.chown(folder / name, 12345, -1)
    with pytest.raises(UnsafePermissions, match="belongs to another user \\(uid 12345\\)"):
        Cache(folder)


def test_a_new_folder_is_the_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Cache(tmp_path / "a" / "b").close()
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    Cache(tmp_path / "a" / "b").close()


def test_files_of_others_are_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(mode=0o700)
    with closing(sqlite3.connect(folder / "cache.db")) as other:
        other.execute("CREATE TABLE Cache (key, value)")
    (folder / "cache.db").chmod(0o600)
    with pytest.raises(NotAStore, match="another program"):
        Cache(folder)
    with pytest.raises(NotAStore):
        list(scan_cache(folder))
    (folder / "cache.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cache"):
        Cache(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Cache(tmp_path / "file")
    with Cache(tmp_path / "new"):
        pass
    with closing(sqlite3.connect(tmp_path / "new" / "cache.db")) as later:
        later.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreTooNew):
        Cache(tmp_path / "new")


def test_a_result_that_cannot_be_loaded_is_computed_again(
    tracker: Tracker, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker.track(square, args=[2])
    with closing(sqlite3.connect(folder / "cache.db")) as connection, connection:
        connection.execute("UPDATE entries SET value = ?", (b"\x80\x05cut",))
    assert tracker.track(square, args=[2]) == 4
    assert tracker.latest["cache"] == ""
    assert tracker.failures == {"UnpicklingError": 1}
    assert tracker.track(square, args=[2]) == 4
    assert tracker.latest["cache"] == tracker.track_id
    assert CALLS == [2, 2]


def test_a_folder_deleted_meanwhile_is_no_end(tracker: Tracker, folder: Path) -> None:
    tracker.track(square, args=[2])
    for path in folder.iterdir():
        path.unlink()
    assert tracker.track(square, args=[2]) == 4
    assert tracker.track(square, args=[2]) == 4
    assert CALLS == [2, 2]
    assert tracker.failures == {}


def test_the_oldest_go_first(folder: Path) -> None:
    with (
        Cache(folder, size_limit_bytes=25_000) as cache,
        Tracker(Tracker.IN_MEMORY, cache=cache) as tracker,
    ):
        for number in range(6):
            tracker.track(lambda number: b"x" * 10_000, args=[number])
        tracker.track(lambda number: b"x" * 10_000, args=[4], cache_force=True)
        assert [entry.arguments for _, entry in scan_cache(folder)] == ["[5] {}", "[4] {}"]
        tracker.track(lambda: b"x" * 30_000)
        assert tracker.failures == {"StoreFull": 1}
        assert len(list(scan_cache(folder))) == 2
    with pytest.raises(InvalidInput, match="size_limit_bytes"):
        Cache(folder, size_limit_bytes=0)


def test_threads_share_a_tracker(tracker: Tracker) -> None:
    threads = [
        threading.Thread(target=lambda: [tracker.track(square, args=[n]) for n in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.failures == {}
    assert sorted(set(CALLS)) == [*range(20)]  # type: ignore[type-var]
    assert len(tracker) == 80
