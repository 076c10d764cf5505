"""Names that try something, from `neptune-scale` to `neptune-query`: data, or refused.

They are names of runs; and of attributes, of tags, and of files that are sent and fetched.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

LONE = "lone \ud800 surrogate"
NAMES = [
    "a/../../b",
    "../../etc/passwd",
    "..",
    ".",
    "/absolute",
    "a//b",
    "end/",
    "C:\\windows\\..\\x",
    "%2e%2e%2fx",
    "a%00b",
    "a?b=c&d#e",
    "nul\0nul",
    "line\nline\r\ttab\x1b[31m",
    "' OR 1=1 --",
    '"; DROP TABLE runs; --',
    "<script>alert(1)</script>",
    "$(touch x) `touch x` ${x}",
    "{0} {name} %s %d",
    "NFC \N{LATIN SMALL LETTER E WITH ACUTE}",
    "NFD e\N{COMBINING ACUTE ACCENT}",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    "zero\N{ZERO WIDTH SPACE}width",
    "日本/語 🦜",
    " leading and trailing ",
    "*?[x](y)|z^",
    "CON",
    "-rf",
    LONE,
    "a" * 700,
    "b" * 1024,
    "c" * 1025,
    "é" * 600,
]
RUNS = [
    "../../etc/passwd",
    "..",
    "' OR 1=1 --",
    "<script>",
    "NFD e\N{COMBINING ACUTE ACCENT}",
    "日",
]
LOGGING = """
import json, sys
from neptune_scale import Run
from neptune_scale.types import File

def main():
    names, runs = map(json.loads, sys.argv[1:])
    told, refused = [], []
    def tell(error, *_):
        told.append(type(error).__name__)

    def open_run(run_id):
        return Run(
            project="team/odd", run_id=run_id, source_tracking_config=None,
            enable_console_log_capture=False, on_error_callback=tell, on_warning_callback=tell,
        )

    for run_id in runs:
        try:
            run = open_run(run_id)
        except ValueError:
            refused.append(run_id)
            continue
        run.log_configs({"name": run_id})
        run.close()
    run = open_run("r")
    for number, name in enumerate(names):
        file = File(name.encode(errors="replace"), destination=name)
        for act in (
            lambda: run.log_configs({name: name}),
            lambda: run.add_tags([name]),
            lambda: run.assign_files({f"files/{number}": file}),
        ):
            try:
                act()
            except (ValueError, UnicodeError):
                refused.append(name)
    run.wait_for_processing(timeout=90)
    run.close()
    print(json.dumps([refused, told]))

if __name__ == "__main__":
    main()
"""
READING = """
import json, sys
import neptune_query.runs as runs
from neptune_query.filters import AttributeFilter

def read(run, what):
    return runs.fetch_runs_table(project="team/odd", runs=[run], attributes=what).iloc[0].to_dict()

names = runs.list_runs(project="team/odd")
ids = {name: read(name, ["name"])["name"] for name in names if name != "r"}
values = {
    path: value for path, value in read("r", AttributeFilter(type=["string"])).items()
    if not path.startswith("sys/")
}
table = runs.fetch_runs_table(
    project="team/odd", runs=["r"], attributes=AttributeFilter(name="^files/", type=["file"])
)
paths = runs.download_files(files=table, destination="downloaded").iloc[0].dropna()
files = {name: open(path, "rb").read().decode() for name, path in paths.items()}
print(json.dumps([ids, values, sorted(read("r", ["sys/tags"])["sys/tags"]), files]))
"""


def test_names_from_writer_to_reader(tmp_path: Path) -> None:
    for folder in ("data", "writer", "reader"):
        (tmp_path / folder).mkdir()
    hub = HubThread(tmp_path / "data" / "runs.db")
    try:
        printed = find_peer("neptune_scale").run(
            LOGGING,
            json.dumps(NAMES),
            json.dumps(RUNS),
            cwd=tmp_path / "writer",
            NEPTUNE_API_TOKEN=hub.admin,
        )
        refused, told = json.loads(printed.splitlines()[-1])
        printed = find_peer("neptune_query").run(
            READING, cwd=tmp_path / "reader", NEPTUNE_API_TOKEN=hub.admin
        )
        ids, values, tags, files = json.loads(printed.splitlines()[-1])
    finally:
        hub.stop()
    # Its own checks let neither of these out: they never came to the hub.
    assert refused == ["../../etc/passwd", *[LONE] * 3]
    assert ids == {name: name for name in RUNS[1:]}
    # Control characters are in no path; longer ones the client leaves out by itself.
    assert set(told) == {"NeptuneAttributePathInvalid"}
    kept = [name for name in NAMES if name != LONE]
    controls = {name for name in kept if any(character < " " for character in name)}
    long = {name for name in kept if len(name.encode()) > 1024}
    assert len(controls) == len(long) == 2
    assert values == {name: name for name in kept if name not in controls | long}
    assert tags == sorted(kept)
    uploaded = {f"files/{n}": name for n, name in enumerate(NAMES) if name in kept and fits(name)}
    assert files == uploaded
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "reader", "writer"]
    stored = {path.name for path in (tmp_path / "data").rglob("*")}
    assert not stored & {part for name in NAMES for part in name.split("/")}


def fits(destination: str) -> bool:
    """Whether the client takes a name as the destination of a file."""
    return len(destination) <= 800
