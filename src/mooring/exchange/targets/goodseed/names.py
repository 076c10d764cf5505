"""Names in GoodSeed: of projects and runs, which are folders and files, and of attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mooring.exchange.filling import marks
from mooring.exchange.names import Names, with_digest
from mooring.exchange.source import SourceRun

_RUN_LIMIT = 128
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_PLAIN_PART = re.compile(r"[\w][\w .+@=-]{0,120}(?<![ .])", re.ASCII)
_OWN = {path: f"neptune/{path}" for path in ("sys/id", "sys/state", "sys/closed_time")}
"""Paths that GoodSeed itself writes of a run, and where those of the source go."""


def project_name(full_name: str) -> str:
    """Return the name of a project, which is a path of folders below `projects`.

    >>> project_name("team/digits"), project_name("team/..").startswith("team/__-")
    ('team/digits', True)
    """
    return "/".join(_part(part) for part in full_name.split("/"))


def _part(part: str) -> str:
    if _PLAIN_PART.fullmatch(part) and part != "runs":
        return part
    clean = _FOREIGN.sub("_", part) or "_"
    return with_digest(clean, part, limit=120, joint="-")


def run_names(run: SourceRun, prefix: str) -> tuple[str, str]:
    """Return the id of a run, and the one it gets when another run has that.

    >>> run_names(SourceRun(project="a/b", run_id="run-1"), "old")[0]
    'old_run-1'
    >>> run_names(SourceRun(project="a/b", run_id="exp: 1"), "")[0]
    'exp__1-5aa9508e'
    """
    wanted = f"{prefix}_{run.run_id}" if prefix else run.run_id
    clean = _FOREIGN.sub("_", wanted).strip("_-") or "run"
    name = clean
    if clean != wanted or len(clean) > _RUN_LIMIT:
        name = with_digest(clean, wanted, limit=_RUN_LIMIT, joint="-")
    other = with_digest(clean, run.project, run.run_id, limit=_RUN_LIMIT, joint="-")
    return name, other


def attribute_names(given: Mapping[str, str]) -> Names:
    """Return what names attributes: their paths, but for slashes at the ends.

    >>> names = attribute_names({})
    >>> names.of("a/b"), names.of("/a/b"), names.of("sys/id")
    ('a/b', 'a/b_038e93aa', 'neptune/sys/id')
    """

    def clean(path: str) -> str:
        return _OWN.get(path) or path.strip("/") or "_"

    return Names(clean, limit=2_048, taken=marks.ALL - set(given.values()), given=given)
