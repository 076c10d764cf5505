"""The process of a pool: `python -m mooring.hub.optimizing.child <descriptor>`."""

from __future__ import annotations

import gc
import os
import select
import sys
import threading
from multiprocessing.connection import Connection

from mooring.hub.optimizing.answers import answer


def main() -> None:
    """Answer calls until the hub hangs up."""
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_hub, args=(connection.fileno(),), daemon=True).start()
    while True:
        try:
            name, body, given = connection.recv()
        except (EOFError, ConnectionError):
            return
        # A long history is a million objects, none of them in a cycle: looking for some while they
        # are made takes a third of the time.
        gc.disable()
        connection.send(answer(name, body, given))
        gc.enable()


def _end_with_hub(descriptor: int) -> None:
    """End when the hub hung up, also in the middle of a search that nobody waits for any more."""
    waiting = select.poll()
    waiting.register(descriptor, 0)  # a hang-up is told unasked
    waiting.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
