"""W&B offline: records go to a service process, which writes a file of the run."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import Log, Peer, Values, serve

_BLOCK = 32_768
_HEADER = 7


class WandB(Peer):
    """`wandb.init(mode="offline")` and `run.log(dict, step=)`."""

    package = "wandb"
    _run: Any = None

    def open(self, folder: Path, run: str) -> Log:
        """Start an offline run."""
        import wandb

        settings = wandb.Settings(silent=True, x_disable_stats=True, x_disable_meta=True)
        self._run = wandb.init(
            project="bench", id=run, name=run, dir=str(folder), mode="offline", settings=settings
        )
        run_log = self._run.log

        def log(values: Values, step: int) -> None:
            run_log(values, step=step)

        return log

    def close(self) -> None:
        """Finish the run: the service has written all."""
        self._run.finish()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Count the items of all history records in all files of runs."""
        from wandb.proto.wandb_internal_pb2 import Record

        found: Counter[str] = Counter()
        for file in folder.rglob("run-*.wandb"):
            if not file.parent.is_symlink():
                for content in _records(file.read_bytes()):
                    history = Record.FromString(content).history
                    found.update(item.key or "/".join(item.nested_key) for item in history.item)
        return found


def _records(content: bytes) -> Iterator[bytes]:
    """Yield the whole records of a log in LevelDB's layout, after W&B's own 7 bytes.

    Blocks of 32 KiB hold pieces: check (4 bytes), length (2), kind (1: whole, 2: first, 3: middle,
    4: last), content. Fewer than 7 bytes at the end of a block are filling.
    """
    position, pieces = _HEADER, b""
    while position + _HEADER <= len(content):
        rest = _BLOCK - position % _BLOCK
        if rest < _HEADER:
            position += rest
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)
        position += _HEADER
        if kind == 0 or position + length > len(content):
            return
        piece = content[position : position + length]
        position += length
        pieces = piece if kind in (1, 2) else pieces + piece
        if kind in (1, 4):
            yield pieces


if __name__ == "__main__":
    serve(WandB())
