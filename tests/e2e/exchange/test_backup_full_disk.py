"""A disk that fills up during a backup: it says so, and nothing on it is half."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.faults.processes import finish, linux_only

pytestmark = linux_only

NAMESPACE = ["unshare", "-m"] if hasattr(os, "getuid") and os.getuid() == 0 else ["unshare", "-rm"]

SCRIPT = """
from pathlib import Path
from mooring.exchange.sources.backup import BackupSource
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.targets.backup import back_up

folder, size = Path(arguments[0]), 1 << 20
with open_store(path) as store:
    for number in range(6):
        run = store.create_run(RunSpec(project="team/digits", run_id=f"run-{number}"))
        writer = store.open_writer(run.key)
        digest, length = store.put_blob(random.Random(number).randbytes(size))
        writer.assign({"ckpt": FileRef(digest, length, "", "c.pt")})
        for step in range(100):
            writer.log({"loss": step * 0.5}, step=step)
        writer.close()
    source = StoreSource(store)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(5 * size))
    try:
        back_up(source, folder / "saved")
    except StoreFull as error:
        acknowledge("full" if "full" in str(error) else error)
    copy = BackupSource(folder / "saved")
    runs = copy.list_runs("team/digits")
    acknowledge(len(runs))
    for run in runs:
        assert not copy.check_files(run)
    ballast.unlink()
    report = back_up(source, folder / "saved", verify=True)
    assert report.is_complete, report
    acknowledge(sum(run.outcome == "present" for run in report.runs))
    copy = BackupSource(folder / "saved")
    assert len(copy.list_runs("team/digits")) == 6
    assert not copy.problems.named
"""


def test_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = f'mount -t tmpfs -o size=8m none "{folder}" && exec "$@"'
    prefix = [*NAMESPACE, "sh", "-c", mount, "sh"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk here: {error}")
    full, saved, present = finish(SCRIPT, tmp_path / "runs.db", folder, prefix=prefix)
    assert full == "full"
    assert 0 < int(saved) < 6
    assert present == saved
