"""Aim: RocksDB files in a repository folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import Log, Peer, Values, serve


class Aim(Peer):
    """`Run.track(dict, step=)`; samples of the system and of the terminal are off."""

    package = "aim"
    _run: Any = None

    def open(self, folder: Path, run: str) -> Log:
        """Start a run; the repository is made when it is missing."""
        from aim import Run

        self._run = Run(
            repo=str(folder),
            experiment=run,
            system_tracking_interval=None,
            log_system_params=False,
            capture_terminal_logs=False,
        )
        track = self._run.track

        def log(values: Values, step: int) -> None:
            track(values, step=step)

        return log

    def close(self) -> None:
        """Close the run."""
        self._run.close()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Index the runs as `aim up` does, then count the values of every series."""
        from aim import Repo
        from aim.sdk.index_manager import RepoIndexManager

        repo = Repo.from_path(str(folder))
        index = RepoIndexManager(repo)
        for name in repo.list_all_runs():
            index.index(name)
        repo.container_pool.clear()
        found: Counter[str] = Counter()
        for run in repo.iter_runs():
            for metric in run.metrics():
                found[metric.name] += len(metric.values.sparse_list()[0])
        return found


if __name__ == "__main__":
    serve(Aim())
