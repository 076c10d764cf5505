"""The command line: a command parses, calls one function, and hands the result to `Output`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command `mooring` on the arguments of the process."""
    import io
    import sys

    from mooring.cli.app import app
    from mooring.cli.startup import OWN_PROCESS

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a value that the terminal has no letters for
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="mooring", obj=OWN_PROCESS)
