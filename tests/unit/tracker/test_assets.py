"""Objects in rows: stored once, found again, and never loaded unless asked for."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import mooring
from mooring.errors import (
    AssetNotFound,
    AssetUnreadable,
    InvalidInput,
    InvalidPath,
    InvalidValue,
    StoreCorrupt,
    StoreError,
)
from mooring.model import AttributeType, FileRef
from mooring.store import open_store
from mooring.store.contract import PathSelector, Store
from mooring.tracker import Assets, AssetsManager, File, Reader, Tracker
from mooring.tracker.assets.objects import (
    MIME_PICKLE,
    MIME_PICKLE_ZLIB,
    asset_path,
    hash_bytes,
    is_hash_candidate,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(str(tmp_path / "runs.db"))
    yield store
    store.close()


@pytest.fixture
def tracker(store: Store) -> Iterator[Tracker]:
    with Tracker(store, on_error="raise") as tracker:
        yield tracker


def files_of(tracker: Tracker) -> dict[str, FileRef]:
    run = tracker.store.find_run("local/events", run_id=tracker.track_id)
    assert run is not None
    select = PathSelector(patterns=("^assets/",), types=frozenset({AttributeType.FILE}))
    columns = tracker.store.read_attributes([run.key], select)
    return {column.path: column.values[0] for column in columns}


def run_python(code: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# what becomes of objects


def test_a_model_is_stored_loaded_and_scored_again(tmp_path: Path) -> None:
    inputs, targets = load_iris(return_X_y=True)
    with Tracker(tmp_path / "database.db", params={"model": "logistic regression"}) as tracker:
        lr = LogisticRegression(max_iter=1000).fit(inputs, targets)
        score = float(lr.score(inputs, targets))
        row = tracker.log({"accuracy": score, "lr": lr})
        assert is_hash_candidate(row["lr"])
        assert tracker.latest["lr"] == row["lr"]
        assert tracker.get(str(row["lr"])).score(inputs, targets) == score
    code = """
import sys
from sklearn.datasets import load_iris
from mooring import Reader
with Reader("database.db") as reader:
    for key in (sys.argv[1], "lr"):
        print(float(reader.get(key).score(*load_iris(return_X_y=True))))
"""
    assert run_python(code, tmp_path, str(row["lr"])).split() == [str(score)] * 2


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), lambda a, b: a.equals(b)),
        (pd.DataFrame(), lambda a, b: a.equals(b)),
        (pd.Series([1.0, 2.0]), lambda a, b: a.equals(b)),
        (np.arange(6).reshape(2, 3), np.array_equal),
        (np.zeros(0), np.array_equal),
        (np.zeros(1), np.array_equal),
        (1 + 2j, lambda a, b: a == b),
        (0j, lambda a, b: a == b),
        (range(0), lambda a, b: a == b),
        ([np.arange(3)], lambda a, b: np.array_equal(a[0], b[0])),
        ({(1, 2): "tuple"}, lambda a, b: a == b),
        (len, lambda a, b: a is b),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_cell_comes_back(tracker: Tracker, value: Any, same: Any) -> None:
    row = tracker.log({"v": value})
    for found in (tracker.get("v"), tracker.get(str(row["v"])), Reader(tracker.store).get("v")):
        assert type(found) is type(value)
        assert same(found, value)


@pytest.mark.parametrize("value", [set(), frozenset(), {}, [], 0, None, False, "", b""])
def test_falsy_objects_that_were_inserted_come_back(tracker: Tracker, value: object) -> None:
    hash_value = tracker.assets.insert("v", value)
    assert tracker.get("v") == value
    assert tracker.get(hash_value) == value
    assert type(tracker.get("v")) is type(value)


def test_functions(tracker: Tracker) -> None:
    offset = 10
    row = tracker.log({"f": lambda x: x + offset, "p": functools.partial(int, base=2)})
    assert tracker.get("f")(1) == 11
    assert tracker.get(str(row["p"]))("101") == 5


def test_a_class_of_the_main_module(tmp_path: Path) -> None:
    code = """
from mooring import Tracker
class Net:
    def __init__(self, width): self.width = width
    def area(self): return self.width ** 2
with Tracker("track.db") as tracker:
    print(tracker.log({"net": Net(3), "kind": Net})["net"])
"""
    hash_value = run_python(code, tmp_path)
    with Reader(tmp_path / "track.db") as reader:
        assert reader.get(hash_value).area() == 9
        assert reader.get("kind")(4).area() == 16


def test_cells_stay_cells(tracker: Tracker) -> None:
    row = tracker.log(
        {"a": [1, 2], "b": {"c": (1,)}, "d": {3}, "e": np.float32(0.5), "f": Path("x")}
    )
    assert (row["a"], row["b"], row["d"], row["e"], row["f"]) == (
        "[1, 2]",
        '{"c": [1]}',
        "[3]",
        0.5,
        "x",
    )
    assert tracker.log({"g": b"\x00\xff", "h": bytearray(b"x")})["g"] == b"\x00\xff"
    assert len(tracker.assets) == 0


def test_params_and_set_value_take_objects(tracker: Tracker) -> None:
    tracker.set_params({"vector": np.arange(3)})
    row = tracker.log({"x": 1})
    assert row["vector"] == tracker.params["vector"]
    assert tracker.get("vector").tolist() == [0, 1, 2]
    tracker.set_value("final", np.arange(4))
    assert tracker["final"].tolist() == [tracker.latest["final"]]
    assert tracker.get("final").tolist() == [0, 1, 2, 3]


def test_batches_take_objects(tracker: Tracker) -> None:
    last = tracker.log_batch([{"v": np.arange(n)} for n in (1, 2, 2)])
    assert len(tracker.assets) == 2
    assert tracker.get("v").tolist() == tracker.get(str(last["v"])).tolist() == [0, 1]


def test_one_copy_however_often_logged(tracker: Tracker, store: Store, tmp_path: Path) -> None:
    value = np.arange(1000)
    rows = [tracker.log({key: value}) for key in ("a", "a", "b")]
    with Tracker(store) as other:
        rows.append(other.log({"c": value}))
    assert len({row[key] for row, key in zip(rows, "aabc", strict=True)}) == 1
    assert len(list(tmp_path.glob("runs.db-data/blobs/*/*"))) == 1
    (entry,) = tracker.assets.list()
    assert sorted(entry.runs) == sorted([tracker.track_id, other.track_id])


def test_what_is_written(tracker: Tracker) -> None:
    value = np.arange(3)
    content = cloudpickle.dumps(value, protocol=5)
    row = tracker.log({"weights/last": value})
    assert row["weights/last"] == hash_bytes(content)
    ((path, file),) = files_of(tracker).items()
    assert path == asset_path(hash_bytes(content))
    assert (file.mime_type, file.size_bytes) == (MIME_PICKLE, len(content))
    assert file.name == "weights/last.cloudpickle"
    assert tracker.get_bytes("weights/last") == content
    with tracker.store.open_blob(file.digest) as blob:
        assert blob.read() == content


def test_compressed(store: Store) -> None:
    value = np.zeros(10_000)
    with Tracker(store, compress=True) as tracker:
        row = tracker.log({"v": value})
        (file,) = files_of(tracker).values()
        assert file.mime_type == MIME_PICKLE_ZLIB
        assert file.size_bytes < 1000
    with Tracker(store) as plain:
        assert plain.log({"v": value})["v"] == row["v"]
    reader = Reader(store)
    assert np.array_equal(reader.get("v"), value)
    assert reader.get_bytes(str(row["v"])) == cloudpickle.dumps(value, protocol=5)
    assert reader.assets.list()[0].compressed


def test_files_are_seen_by_the_fetch_api(tracker: Tracker, tmp_path: Path) -> None:
    row = tracker.log({"v": np.arange(3)})
    run = mooring.ReadOnlyRun(
        mooring.ReadOnlyProject("local/events", store=tracker.store), custom_id=tracker.track_id
    )
    run[f"assets/{row['v']}"].download(str(tmp_path / "v.cloudpickle"))
    assert cloudpickle.loads((tmp_path / "v.cloudpickle").read_bytes()).tolist() == [0, 1, 2]


# what cannot be stored


class Spiteful:
    def __reduce__(self) -> Any:
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (threading.Lock(), "_thread.lock"),
        ((n for n in range(3)), "generator"),
        (Spiteful(), "not today"),
        (File("no-such-file.png"), "File"),
    ],
    ids=["lock", "generator", "reduce", "file"],
)
def test_refused(store: Store, value: object, what: str) -> None:
    with Tracker(store) as tracker:
        row = tracker.log({"x": 1, "v": value})
        assert (row["x"], "v" in row) == (1, False)
        assert tracker.failures == {"InvalidValue": 1}
        assert tracker["x"].tolist() == [1]
    with Tracker(store, on_error="raise") as strict:
        with pytest.raises(InvalidValue, match=what) as caught:
            strict.log({"x": 1, "array": np.arange(3), "v": value})
        assert "'v'" in str(caught.value)
        assert len(strict) == 0
    assert len(Reader(store).assets) == 0


def test_a_name_that_no_column_can_have(tracker: Tracker) -> None:
    with pytest.raises(InvalidPath):
        tracker.log({"": np.arange(3)})
    assert len(tracker.assets) == 0


def test_a_disk_that_refuses_the_content(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "runs.db-data" / "blobs"
    folder.parent.mkdir(exist_ok=True)
    folder.symlink_to(tmp_path / "a disk that is not there")
    with Tracker(store) as tracker:
        row = tracker.log({"x": 1, "v": np.arange(3)})
        assert "v" not in row
        assert sum(tracker.failures.values()) == 1
        assert list(tracker.to_df()) == ["track_id", "timestamp", "x"]
        with pytest.raises(StoreError):
            tracker.assets.insert("v", np.arange(3))
        folder.unlink()
        assert tracker.get(str(tracker.log({"v": np.arange(3)})["v"])).tolist() == [0, 1, 2]


def test_skip_insert_stores_nothing() -> None:
    with Tracker(Tracker.SKIP_INSERT) as tracker:
        assert is_hash_candidate(tracker.log({"v": np.arange(3)})["v"])
        assert len(tracker.assets) == 0
        with pytest.raises(AssetNotFound):
            tracker.get("v")


# the hash alone


def test_a_hash_alone_keeps_the_asset_alive(store: Store) -> None:
    with Tracker(store, track_id="first") as first:
        hash_value = str(first.log({"v": np.arange(3)})["v"])
    with Tracker(store, track_id="second") as second:
        second.log({"x": 0.5})
        second.log({"again": hash_value, "x": 1.5})
    with Tracker(store, track_id="third", params={"from": hash_value}):
        pass
    reader = Reader(store)
    (entry,) = reader.assets.list()
    assert sorted(entry.runs) == ["first", "second", "third"]
    reader.delete_run("first", for_good=True)
    reader.delete_run("third", for_good=True)
    assert reader.get("again").tolist() == [0, 1, 2]
    reader.delete_run("second", for_good=True)
    assert list(reader.assets) == []


def test_texts_that_only_look_like_hashes(tracker: Tracker) -> None:
    for n in range(30):
        tracker.log({"span": f"{n:016x}"})
    assert len(tracker) == 30
    assert files_of(tracker) == {}
    hash_value = tracker.assets.insert("v", {1})
    with Tracker(tracker.store) as other:
        other.log({"span": "0123456789abcdef"})
        other.log({"v": hash_value})
        assert list(files_of(other)) == [asset_path(hash_value)]


# finding


def test_a_column_gives_what_it_was_given_last(store: Store) -> None:
    with Tracker(store, track_id="one") as one, Tracker(store, track_id="two") as two:
        small, large = (str(one.log({"v": np.arange(n)})["v"]) for n in (1, 2))
        two.log({"v": np.arange(3)})
        assert len(one.get("v")) == 2
        assert len(two.get("v")) == len(Reader(store).get("v")) == 3
        one.log({"v": small})
        assert len(one.get("v")) == len(Reader(store).get("v")) == 1
        one.set_value("v", large)
        assert len(one.get("v")) == 2
        with Tracker(store, track_id="three") as three:
            assert three.get("v") is not None


def test_a_column_of_mixed_cells(tracker: Tracker) -> None:
    tracker.log({"v": 0.5})
    for n in (1, 2, 1):
        tracker.log({"v": np.arange(n)})
    assert tracker.get("v").tolist() == [0]


def test_not_found(tracker: Tracker) -> None:
    tracker.log({"weights": np.arange(3), "loss": 0.5})
    for key in ("weigths", "loss", "", "0123456789abcdef"):
        with pytest.raises(AssetNotFound, match="asset"):
            tracker.get(key)
    with pytest.raises(AssetNotFound, match="closest: weights") as caught:
        tracker.get_bytes("weigths")
    assert isinstance(caught.value, KeyError)
    with pytest.raises(InvalidInput):
        tracker.get(5)  # type: ignore[arg-type]


def test_assets_of_other_tables_are_found_by_hash(store: Store) -> None:
    with Tracker(store, table="predictions") as tracker:
        hash_value = str(tracker.log({"v": np.arange(3)})["v"])
    with Tracker(store) as events:
        assert events.get(hash_value).tolist() == [0, 1, 2]
        with pytest.raises(AssetNotFound):
            events.get("v")


def test_manager(tracker: Tracker) -> None:
    assets = tracker.assets
    assert AssetsManager is Assets
    assert isinstance(assets, AssetsManager)
    hashes = [assets.insert(f"key{n}", {n}) for n in range(3)]
    assert sorted(hashes) == list(assets)
    assert len(assets) == 3
    assert hashes[0] in assets
    assert "0123456789abcdef" not in assets
    assert 5 not in assets
    entries = {entry.hash: entry for entry in assets.list()}
    assert [entries[hash_value].key for hash_value in hashes] == ["key0", "key1", "key2"]
    assert entries[hashes[0]].runs == (tracker.track_id,)
    assert entries[hashes[0]].size_bytes == len(assets.get_bytes("key0"))
    assert not entries[hashes[0]].compressed
    assert (
        assets.get("key1") == assets.get_from_key("key1") == assets.get_from_hash(hashes[1]) == {1}
    )
    with pytest.raises(AssetNotFound):
        assets.get_from_key(hashes[1])
    with pytest.raises(AssetNotFound):
        assets.get_from_hash("key1")
    assert assets.pop("key1") == {1}
    assert len(assets) == 2
    assert assets.remove("key0")
    with pytest.raises(AssetNotFound):
        assets.remove("key0")
    assert assets.remove_hash(hashes[2])
    assert not assets.remove_hash(hashes[2])
    assert len(assets) == 0
    assert assets
    assert assets.hash_bytes(b"") == "ef46db3751d8e999"
    assert assets.is_hash_candidate("ef46db3751d8e999")
    for no in ("EF46DB3751D8E999", "ef46db3751d8e99", "ef46db3751d8e999\n", b"ef46db3751d8e999", 5):
        assert not assets.is_hash_candidate(no)
    with pytest.raises(InvalidInput, match=r"Tracker\.assets"):
        Reader(tracker.store).assets.insert("v", 1)


# removal


def test_remove_asset(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    value = np.arange(3)
    with Tracker(path, track_id="one") as one, Tracker(path, track_id="two") as two:
        hash_value = str(one.log({"v": value, "w": value, "x": 1})["v"])
        two.log({"v": value})
        two.log({"v": "kept"})
        with Reader(path) as reader:
            assert reader.remove_asset(hash_value, "v")
            assert not reader.remove_asset(hash_value, "v")
            assert not reader.remove_asset("no hash")
            frame = reader.to_df()
            assert frame["v"].isna().tolist() == [True, True, False]
            assert frame["w"].tolist()[0] == hash_value
            assert list(reader.assets) == []
            with pytest.raises(AssetNotFound):
                reader.get(hash_value)
        one.log({"y": np.arange(9)})
        assert one.remove_asset(str(one.latest["y"]), column="y", remove_keys=False)
        one.log({"y": np.arange(9)})
        assert one.get("y").tolist() == list(range(9)), "stored anew"


# opening what others wrote


EVIL = """
import os, sys
from mooring import Tracker
class Evil:
    def __reduce__(self):
        return os.mkdir, (sys.argv[1],)
with Tracker("evil.db") as tracker:
    print(tracker.log({"model": Evil(), "x": 1})["model"])
"""


def test_nothing_is_loaded_unasked(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    hash_value = run_python(EVIL, tmp_path, str(trap))
    assert not trap.exists()
    path = tmp_path / "evil.db"
    with Reader(path) as reader:
        assert len(reader.assets) == 1
        assert list(reader.assets) == [hash_value]
        assert hash_value in reader.assets
        (entry,) = reader.assets.list()
        assert entry.key == "model"
        assert reader.assets.find_hash("model") == hash_value
        assert b"mkdir" in reader.get_bytes("model")
        assert len(reader.to_df()) == len(reader.latest()) == 1
    assert mooring.copy(path, tmp_path / "copy.db") == 1
    with Tracker(tmp_path / "copy.db") as tracker:
        tracker.log({"again": hash_value})
        repr(tracker.assets)
        tracker.store.compact(events=True)
        assert tracker.store.check().ok
        assert tracker.remove_asset(hash_value)
    assert not trap.exists()
    with Reader(path) as reader:
        assert reader.get("model") is None
    assert trap.exists(), "the trap works"


@pytest.mark.parametrize("compress", [False, True])
def test_damaged_content_is_not_loaded(tmp_path: Path, compress: bool) -> None:
    run_python(EVIL, tmp_path, str(tmp_path / "trap"))
    (evil,) = tmp_path.glob("evil.db-data/blobs/*/*")
    with Tracker(tmp_path / "runs.db", compress=compress) as tracker:
        tracker.log({"v": np.arange(3)})
        (blob,) = tmp_path.glob("runs.db-data/blobs/*/*")
        for damage in (evil.read_bytes(), blob.read_bytes()[:-1], b""):
            blob.write_bytes(damage)
            with pytest.raises(StoreCorrupt, match="damaged"):
                tracker.get("v")
            with pytest.raises(StoreCorrupt, match="damaged"):
                tracker.get_bytes("v")
        blob.unlink()
        with pytest.raises(StoreCorrupt, match="missing"):
            tracker.get("v")
    assert not (tmp_path / "trap").exists()


def test_a_file_under_another_assets_name(tracker: Tracker) -> None:
    """An attribute can be forged; then the content is not what its name says."""
    content = cloudpickle.dumps({1})
    digest, size = tracker.store.put_blob(content)
    run = tracker.store.find_run("local/events", run_id=tracker.track_id)
    assert run is not None
    with closing(tracker.store.open_writer(run.key)) as writer:
        writer.assign(
            {
                asset_path("0123456789abcdef"): FileRef(digest, size, MIME_PICKLE, "v.cloudpickle"),
                asset_path("fedcba9876543210"): FileRef(digest, size, "text/plain", "notes.txt"),
            }
        )
    with pytest.raises(StoreCorrupt):
        tracker.get("0123456789abcdef")
    with pytest.raises(AssetNotFound):
        tracker.get("fedcba9876543210")
    assert [entry.hash for entry in tracker.assets.list()] == ["0123456789abcdef"]


def test_what_cannot_be_loaded_here(tmp_path: Path) -> None:
    (tmp_path / "lost_module.py").write_text("class Model:\n    pass\n")
    code = """
import sys
sys.path.insert(0, ".")
from lost_module import Model
from mooring import Tracker
with Tracker("track.db") as tracker:
    print(tracker.log({"model": Model()})["model"])
"""
    hash_value = run_python(code, tmp_path)
    with Reader(tmp_path / "track.db") as reader:
        with pytest.raises(AssetUnreadable, match="No module named 'lost_module'") as caught:
            reader.get("model")
        assert caught.value.hash_value == hash_value
        assert b"lost_module" in reader.get_bytes("model")
