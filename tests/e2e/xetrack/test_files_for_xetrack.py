"""Files that an export wrote are read, and gone on with, by the real xetrack."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mooring
from mooring.exchange.sources.xetrack import import_xetrack
from mooring.exchange.targets.xetrack import export_xetrack
from mooring.exchange.targets.xetrack.naming import KEYWORDS
from mooring.store import open_store
from mooring.store.contract import Store

if TYPE_CHECKING:
    from tests.e2e.xetrack.conftest import Peer

READ = """
import json, sys
from xetrack import Reader, Tracker
path, options = sys.argv[1], json.loads(sys.argv[2])
reader = Reader(path, **options)
frame = reader.to_df()
rows = json.loads(frame.to_json(orient="records", double_precision=15, default_handler=repr))
tracker = Tracker(path, log_system_params=False, log_network_params=False, **options) if not (
    options.get("engine") is None) else None
everything = len(tracker.to_df(all=True)) if tracker else len(frame)
print(json.dumps([rows, len(reader), len(reader.latest()), everything]))
"""


class Model:
    """What is pickled by its definition: the other side has no such module."""


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


@pytest.fixture
def exported(tmp_path: Path, store: Store) -> Path:
    with mooring.Tracker(store, track_id="first-run-1", params={"model": "resnet"}) as tracker:
        tracker.log({"epoch": 1, "loss/train": 0.5, "note": "é", "flag": True, "order": 1})
        tracker.log({"epoch": 2, "loss/train": 1, "note": 2.5, "drift": float("nan")})
        tracker.log_batch([{"epoch": n, "default_lr": n} for n in range(3, 9)])
        tracker.log({"vocabulary": complex(1, 2), "drift": 0.5})
    path = tmp_path / "new.db"
    report = export_xetrack(store, path)
    assert report.is_complete, report.problems
    assert report.assets == 1
    return path


@pytest.mark.parametrize("engine", ["sqlite", "duckdb", "seed"])
def test_every_reader_shows_the_rows(exported: Path, peer: Peer, engine: str) -> None:
    seed = engine == "seed"
    options = json.dumps({} if seed else {"engine": engine})
    rows, count, latest, everything = peer.run(READ, exported, options, seed=seed)
    assert count == latest == everything == 9
    first, second = rows[:2]
    assert (first["track_id"], first["model"]) == ("first-run-1", "resnet")
    assert (first["epoch"], first["loss_train"], first["flag"]) == (1, 0.5, 1)
    assert (second["loss_train"], second["note"], second["drift"]) == (1.0, "2.5", None)
    assert [row["d_efault_lr"] for row in rows[2:8]] == [3, 4, 5, 6, 7, 8]
    assert len({row["timestamp"] for row in rows}) == 9


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_tracker_goes_on(exported: Path, peer: Peer, engine: str, store: Store) -> None:
    (count, made) = peer.run(
        """
        import json, sys
        from xetrack import Tracker
        tracker = Tracker(sys.argv[1], engine=sys.argv[2], track_id="second-run-2")
        tracker.log({"epoch": 1, "loss/train": 0.25, "order_": 3, "d_efault_lr": 4, "fresh": "x"})
        tracker.log_batch([{"epoch": 2, "loss_train": 0.125, "flag": 1}])
        frame = tracker.to_df(all=True)
        print(json.dumps([len(frame), repr(tracker.get("vocabulary"))]))
        """,
        exported,
        engine,
    )
    assert count == 11
    assert made == "(1+2j)"
    report = import_xetrack(exported, store)
    assert report.rows_added == 2, "what was exported is there already"
    frame = mooring.Reader(store).to_df(track_id="second-run-2")
    assert frame["loss/train"].tolist() == [0.25, 0.125]
    assert frame["order"].tolist()[0] == 3
    assert frame["fresh"].tolist()[0] == "x"


def test_the_commands_read_it(exported: Path, peer: Peer, tmp_path: Path) -> None:
    assert "first-run-1" in peer.xt("head", exported, "--n=2")
    assert "resnet" in peer.xt("tail", exported, "--n=1", "--engine=duckdb")
    assert "loss_train" in peer.xt("ls", exported)
    listed = peer.xt("assets", "ls", exported)
    hash_value = mooring.Reader(exported).file.list_assets()[0].hash
    assert f"vocabulary: {hash_value}" in listed
    for seed, command in ((False, ("assets", "export")), (True, ("get",))):
        output = tmp_path / f"model-{seed}"
        peer.xt(*command, exported, hash_value, output, seed=seed)
        assert pickle.loads(output.read_bytes()) == complex(1, 2)
    peer.xt("assets", "delete", exported, hash_value, "--column=vocabulary")
    assert mooring.Reader(exported).file.list_assets() == ()


def test_any_name_can_be_written_to(peer: Peer, tmp_path: Path, store: Store) -> None:
    names = [
        *KEYWORDS,
        "default_lr",
        "my default",
        "1st",
        "a b",
        "a-b",
        "Loss",
        "loss",
        "Timestamp",
    ]
    with mooring.Tracker(store) as tracker:
        tracker.log(dict.fromkeys(names, 1))
    for table in ("t", "select", "a b", "timestamps", "my default", "INT"):
        with mooring.Tracker(store, table=table) as tracker:
            tracker.log({"timestamps": 1, "it": 2, "MINT": 3, f"{table}_x": 4})
    path = tmp_path / "new.db"
    report = export_xetrack(store, path)
    tables = [one.table for one in report.tables]
    for engine in ("sqlite", "duckdb"):
        counts: dict[str, Any] = peer.run(
            """
            import json, sys
            from xetrack import Tracker
            counts = {}
            for table in json.loads(sys.argv[2]):
                tracker = Tracker(sys.argv[1], engine=sys.argv[3], table=table)
                names = sorted(tracker.columns - {"track_id", "timestamp"})
                tracker.log({name: 2 for name in names})
                tracker.set_value(names[0], 3)
                counts[table] = [len(names), len(tracker.to_df(all=True)), len(tracker)]
            print(json.dumps(counts))
            """,
            path,
            json.dumps(tables),
            engine,
        )
        rows = 2 if engine == "sqlite" else 3
        assert counts.pop("default") == [len(names), rows, 1]
        assert set(map(tuple, counts.values())) == {(4, rows, 1)}
        assert len(counts) == 6
