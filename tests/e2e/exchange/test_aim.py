"""What the real Aim leaves on the disk, read as a source.

Both run in Aim's environment: a repository can only be read through its package.
"""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mooring.errors import SourceUnreadable
from mooring.exchange.sources import detect_source
from mooring.exchange.sources.aim import open_aim
from tests.e2e.exchange.peer import Peer, find_peer

ROOT = Path(__file__).parents[3]

WRITE = """
import numpy as np
from aim import Distribution, Image, Run, Text

def start(experiment):
    return Run(repo=".", experiment=experiment, system_tracking_interval=None,
               capture_terminal_logs=False)

run = start("digits")
run["hparams"] = {"lr": 0.1, "n": 3, "flag": True, "opt": "adam", "list": [1, 2], "none": None,
                  "deep": {"er": "v"}}
run["single"] = 5
for i in range(50):
    run.track(1 / (i + 1), name="loss", step=i, context={"subset": "train", "fold": 2})
    run.track(2 / (i + 1), name="loss", step=i, context={"subset": "val"})
    run.track(float(i), name="plain", epoch=i // 10)
run.track(float("nan"), name="odd", step=1)
run.track(float("inf"), name="odd", step=2)
run.track(7, name="subset=val/loss", step=1)
run.track(Text("hello"), name="said", step=1)
run.track([Text("a"), Text("b")], name="many", step=1)
run.track(Image(np.zeros((4, 4, 3), dtype=np.uint8), caption="of what"), name="image", step=2)
run.track(Distribution(hist=np.array([1, 2]), bin_range=(0, 4)), name="spread", step=1)
run.add_tag("t1")
run.add_tag("t2")
run.name = "named"
run.description = "described"
run.close()
other = start("other")
other.track(1.0, name="loss")
other.archived = True
other.close()
killed = start("digits")
for i in range(1000):
    killed.track(float(i), name="loss", step=i)
import time, os
time.sleep(1.5)  # the queue of the tracker is emptied in the background
os.kill(os.getpid(), 9)
"""

READ = """
import base64, json, math, sys
from mooring.exchange.source import SourceFile
from mooring.exchange.sources.aim import open_aim
from mooring.model import AttributeType

source = open_aim(sys.argv[1], project="team/digits")
runs = {}
for run in source.list_runs("team/digits"):
    points, files = {}, []
    try:
        values, series = source.read_values(run), source.list_series(run)
    except Exception as error:
        runs[run.run_id] = {"error": error.__class__.__name__, "name": run.name}
        continue
    for type in AttributeType:
        if type.is_series:
            for row in source.read_points(run, type).to_pylist():
                points.setdefault(row["path"], []).append([row["step"], row["time"], row["value"]])
                if type is AttributeType.FILE_SERIES:
                    with source.open_file(SourceFile(location=row["value"]["location"])) as file:
                        files.append(base64.b64encode(file.read()).decode())
    runs[run.run_id] = {
        "name": run.name,
        "values": {path: sorted(value) if isinstance(value, frozenset) else value
                   for path, value in values.items()},
        "series": {each.path: [each.type.value, each.count] for each in series},
        "points": points, "files": files, "trashed": run.trashed, "created": run.created,
        "incomplete": run.incomplete,
    }
source.close()
print(json.dumps({"runs": runs, "problems": list(map(str, source.problems.named))}))
"""


@pytest.fixture(scope="module")
def peer() -> Peer:
    return find_peer("aim")


@pytest.fixture(scope="module")
def repository(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aim")
    peer.run(WRITE, cwd=folder, check=False)
    return folder


def read(peer: Peer, repository: Path, cwd: Path) -> Any:
    told = peer.run(READ, repository, cwd=cwd, PYTHONPATH=str(ROOT / "src"))
    return json.loads(told.splitlines()[-1])


@pytest.fixture(scope="module")
def found(peer: Peer, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    found = read(peer, repository, tmp_path_factory.mktemp("reader"))
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before
    return found


def first(found: Any) -> Any:
    return next(iter(found["runs"].values()))


def test_values(found: Any) -> None:
    assert [run["name"] for run in found["runs"].values()] == ["digits", "other", "digits"]
    assert first(found)["values"] == {
        "hparams/lr": 0.1,
        "hparams/n": 3,
        "hparams/flag": True,
        "hparams/opt": "adam",
        "hparams/list": "[1,2]",
        "hparams/deep/er": "v",
        "single": 5,
        "sys/tags": ["t1", "t2"],
        "sys/description": "described",
        "aim/run_name": "named",
    }
    assert [run["trashed"] for run in found["runs"].values()] == [False, True, False]


def test_series(found: Any) -> None:
    run = first(found)
    assert run["series"] == {
        "fold=2,subset=train/loss": ["float_series", 50],
        "subset=val/loss": ["float_series", 50],
        "subset=val/loss~2": ["float_series", 1],
        "plain": ["float_series", 50],
        "plain/epoch": ["float_series", 50],
        "odd": ["float_series", 2],
        "said": ["string_series", 1],
        "many/0": ["string_series", 1],
        "many/1": ["string_series", 1],
        "image": ["file_series", 1],
        "spread": ["histogram_series", 1],
    } or run["series"] == {
        # which of two sequences of one name is read first depends on hashes of their contexts
        **run["series"],
        "subset=val/loss": ["float_series", 1],
        "subset=val/loss~2": ["float_series", 50],
    }
    points = run["points"]["fold=2,subset=train/loss"]
    assert [step for step, _, _ in points] == [i * 1_000_000 for i in range(50)]
    assert [value for _, _, value in points] == [1 / (i + 1) for i in range(50)]
    assert all(0 <= time - run["created"] < 60_000_000 for _, time, _ in points)
    assert [value for _, _, value in run["points"]["plain/epoch"]] == [i // 10 for i in range(50)]
    ((_, _, spread),) = run["points"]["spread"]
    assert spread == {"kind": "COUNTING", "edges": [0, 2, 4], "values": [1, 2]}
    assert run["points"]["many/1"][0][2] == "b"


def test_files_and_what_is_left_out(found: Any) -> None:
    run = first(found)
    (image,) = run["files"]
    assert base64.b64decode(image).startswith(b"\x89PNG")
    assert run["points"]["image"][0][2]["name"] == "2.png"
    names, captions = found["problems"]
    assert "came as subset=val/loss~2" in names
    assert "1 captions were left out" in captions


def test_killed_process(found: Any) -> None:
    *_, killed = found["runs"].values()
    assert killed["series"] == {"loss": ["float_series", 1000]}


def test_missing_parts(peer: Peer, repository: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(repository, tmp_path / "copy")
    (copy / ".aim" / "run_metadata.sqlite").write_bytes(b"nothing")
    without, damaged, whole = sorted((copy / ".aim" / "seqs" / "chunks").iterdir())
    shutil.rmtree(without)
    (manifest,) = (copy / ".aim" / "meta" / "chunks" / damaged.name).glob("MANIFEST-*")
    manifest.write_bytes(b"damage" * 20)
    found = read(peer, copy, tmp_path)
    assert found["runs"][without.name]["incomplete"] == "its sequences are missing"
    assert found["runs"][without.name]["series"] == {}
    assert found["runs"][damaged.name]["error"] == "SourceUnreadable"
    assert found["runs"][whole.name]["series"]
    assert "names, tags and experiments of runs were left out" in found["problems"][0]


def test_damaged_points(peer: Peer, repository: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(repository, tmp_path / "copy")
    chunks = [*(copy / ".aim" / "seqs" / "chunks").iterdir()]
    for chunk in chunks:
        (manifest,) = chunk.glob("MANIFEST-*")
        manifest.write_bytes(b"damage" * 20)
    found = read(peer, copy, tmp_path)
    assert first(found)["values"]["single"] == 5
    told = [each for each in found["problems"] if "sequences were not read to their end" in each]
    assert len(told) == len(chunks)


def test_import(peer: Peer, repository: Path, tmp_path: Path) -> None:
    told = peer.run(
        """
        import json, sys
        from mooring.exchange.importing import import_runs
        from mooring.exchange.sources.aim import open_aim
        from mooring.store import open_store

        with open_store("runs.db") as store:
            for _ in range(2):
                report = import_runs(open_aim(sys.argv[1]), store, verify=True)
                print(json.dumps([[run.outcome, run.verified] for run in report.runs]))
        """,
        repository,
        cwd=tmp_path,
        PYTHONPATH=str(ROOT / "src"),
    )
    first, again = map(json.loads, told.splitlines())
    assert first == [["partly", True], ["done", True]]  # the archived one is left out
    # What Aim has and a store cannot hold is told again; nothing is changed.
    assert again == [["partly", True], ["present", True]]


def test_is_known_by_its_looks(repository: Path) -> None:
    assert detect_source(str(repository)) == detect_source(str(repository / ".aim")) == "aim"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="is no repository of Aim"):
        open_aim(tmp_path)
