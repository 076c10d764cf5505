"""Log files and JSONL that the real xetrack wrote are read, and it reads ours."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from mooring.tracker import Logger, Reader, Tracker
from tests.e2e.xetrack.conftest import Peer

WRITE = """
    import json, sys
    from xetrack import Tracker
    from xetrack.logging import Logger
    folder, jsonl, seed, prettify = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    log = Logger(False, folder, None, bool(prettify), *([] if seed else [jsonl]))
    log.track({"accuracy": 0.9, "name": "é"})
    log.monitor([{"drift": float("nan"), "high": float("inf")}, {"nested": {"a": [1, None]}}])
    log.experiment({"params": {"lr": 0.1}, "note": "two\\nlines"})
    log.warning("Column accuracy already exists")
    log.track({"accuracy": 0.8})
    print("1")
"""


@pytest.mark.parametrize("prettify", [True, False])
@pytest.mark.parametrize("seed", [True, False])
def test_files_of_xetrack(tmp_path: Path, peer: Peer, seed: bool, prettify: bool) -> None:
    logs, jsonl = tmp_path / "logs", tmp_path / "rows.jsonl"
    peer.run(WRITE, logs, jsonl, int(seed), int(prettify), seed=seed)
    # the newer one writes NaN and infinity as null
    lost = (float("nan"), float("inf")) if seed else (None, None)
    rows = [
        {"accuracy": 0.9, "name": "é"},
        {"drift": lost[0], "high": lost[1]},
        {"nested": {"a": [1, None]}},
        {"params": {"lr": 0.1}, "note": "two\nlines"},
        {"accuracy": 0.8},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert repr(Logger(stdout=False).read_logs(logs)) == repr(rows)
        if not seed:
            frame = Reader.read_jsonl(jsonl)
            assert frame["accuracy"].dropna().tolist() == [0.9, 0.8]
            assert frame["level"].tolist() == [
                *("TRACKING", "MONITOR", "MONITOR", "EXPERIMENT", "TRACKING")
            ]


READ = """
    import json, sys
    from xetrack.logging import Logger
    print(json.dumps(Logger(False).read_logs(sys.argv[1])))
"""


@pytest.mark.parametrize("prettify", [True, False])
@pytest.mark.parametrize("seed", [True, False])
def test_our_files_in_xetrack(tmp_path: Path, peer: Peer, seed: bool, prettify: bool) -> None:
    logger = Logger(stdout=False, logs_path=tmp_path, prettify=prettify)
    rows = [{"text": "a !📁! in it", "x": 1.5}, {"params": {"!📁!": [1, None]}}]
    logger.monitor(rows[0])
    logger.experiment(rows[1])
    logger.info("hello")
    assert peer.run(READ, tmp_path, seed=seed) == rows


def test_our_jsonl_in_xetrack(tmp_path: Path, peer: Peer) -> None:
    path = tmp_path / "rows.jsonl"
    with Tracker(Tracker.IN_MEMORY, jsonl=path) as tracker:
        tracker.log({"accuracy": 0.9, "level": 3})
    code = """
        import sys
        from xetrack import Reader
        print(Reader.read_jsonl(sys.argv[1]).iloc[0].to_json())
    """
    row = peer.run(code, path)
    assert (row["level"], row["_level"], row["accuracy"]) == ("TRACKING", 3, 0.9)
    assert row["track_id"] == tracker.track_id
