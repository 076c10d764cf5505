"""TensorBoardX: event files, written by a thread behind a queue."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import Log, Peer, Values, serve


class TensorBoardX(Peer):
    """`SummaryWriter.add_scalar` for each metric: it has no call for several."""

    package = "tensorboardX"
    _writer: Any = None

    def open(self, folder: Path, run: str) -> Log:
        """Open a writer on a folder of the run."""
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder / run))
        add = self._writer.add_scalar

        def log(values: Values, step: int) -> None:
            for name, value in values.items():
                add(name, value, step)

        return log

    def close(self) -> None:
        """Close the writer: the queue is written."""
        self._writer.close()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Count the values of all whole events in all files."""
        from tensorboardX.proto.event_pb2 import Event

        found: Counter[str] = Counter()
        for file in folder.rglob("events.out.tfevents.*"):
            for content in _records(file.read_bytes()):
                event = Event.FromString(content)
                found.update(value.tag for value in event.summary.value)
        return found


def _records(content: bytes) -> Iterator[bytes]:
    """Yield the whole records: length (8 bytes), check (4), content, check (4)."""
    position = 0
    while position + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        end = position + 12 + length
        if end + 4 > len(content):
            return
        yield content[position + 12 : end]
        position = end + 4


if __name__ == "__main__":
    serve(TensorBoardX())
