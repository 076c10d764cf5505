"""Targets whose packages cannot live beside ours keep the law too, each in its environment.

There the tests of `tests/conformance/targets` and `tests/unit/exchange/targets` are run.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


# In two parts, each of which takes well below the time that a test has.
@pytest.mark.parametrize("part", ["contract", "law"])
@pytest.mark.parametrize("peer", ["zenml", "minfx", "pluto"])
def test_the_law_is_kept_beside(peer: str, part: str, tmp_path: Path) -> None:
    environment = ROOT / ".venv" / "peers" / peer
    if not (environment / ".installed").exists():
        reason = f"{peer} is not installed in {environment}; run: make {environment}/.installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [
            environment / "bin" / "python", "-m", "pytest", "-q", "-rs", "-k", peer,
            # Their packages warn, and are not ours to mend.
            "-o", "filterwarnings=default", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/own",
            f"tests/conformance/targets/test_{part}.py",
            *([f"tests/unit/exchange/targets/test_{peer}.py"] if part == "law" else []),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "MOORING_PEER": peer,
            "HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        timeout=290,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert "not installed" not in done.stdout, done.stdout[-2_000:]
    assert "of its own" not in done.stdout, done.stdout[-2_000:]
