"""Which modules importing Mooring, and logging with it, has loaded."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import serve_tasks


def modules(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Import, log when that is asked for, and return those watched that are loaded."""
    import mooring

    if task["log"]:
        file = str(Path(task["folder"]) / "bench.db")
        with mooring.Run(project="local/bench", store=file, run_id="r1") as run:
            for step in range(100):
                run.log({"loss": 1.0 / (step + 1), "accuracy": 0.5}, step=step)
            run["parameters/lr"] = 0.1
    return {"loaded": [name for name in task["watched"] if name in sys.modules]}


if __name__ == "__main__":
    serve_tasks({"modules": modules}, package="mooring")
