"""The process of a pool: `python -m mooring.hub.optimizing.child <descriptor>`."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from mooring.hub.optimizing.answers import answer


def main() -> None:
    """Answer calls until the hub hangs up."""
    connection = Connection(int(sys.argv[1]))
    while True:
        try:
            name, body, given = connection.recv()
        except (EOFError, ConnectionError):
            return
        connection.send(answer(name, body, given))


if __name__ == "__main__":
    main()
