"""Processes of this machine: whether one that wrote its number down still lives."""

from __future__ import annotations

import os
from pathlib import Path


def process_start(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty when unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_alive(pid: int, started: str) -> bool:
    """Return whether the process that held a run still lives on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return not started or process_start(pid) in ("", started)
