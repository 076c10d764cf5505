"""Names in ZenML: of models, their versions, metadata and artifacts."""

from __future__ import annotations

import re

from mooring.exchange.names import Names, with_digest
from mooring.exchange.source import SourceRun

OWN_KEY = "neptune_import"
"""Metadata key of the mark."""
VALUE = "_value"
"""Key of a value whose path is the beginning of other paths."""

_LIMIT, _PART_LIMIT = 250, 100
_STAGES = frozenset({"none", "staging", "production", "archived", "latest"})
_VERSION = re.compile(r"[^a-zA-Z0-9_\-/ ]")
_PART = re.compile(r"[^a-zA-Z0-9_\-. ]")


def model_name(project: str, prefix: str) -> str:
    """Return the name of the model that has the runs of a project as versions.

    >>> model_name("team/digits", "")
    'neptune-export-team-digits'
    """
    name = f"neptune-export-{project.replace('/', '-')}"
    name = f"{prefix}-{name}" if prefix else name
    return name if len(name) <= _LIMIT else with_digest(name, project, limit=_LIMIT, joint="-")


def version_names(run: SourceRun) -> tuple[str, str]:
    """Return the name of a run's version, and the one it gets when another run has that.

    >>> version_names(SourceRun(project="a/b", run_id="run 1"))[0]
    'run 1'
    >>> version_names(SourceRun(project="a/b", run_id="7"))
    ('7-43ec3804', '7-5a644c43')
    """
    clean = _VERSION.sub("_", run.run_id)
    name = clean
    # A number or the name of a stage means something else to ZenML.
    if len(clean) > _LIMIT or clean.isnumeric() or clean.lower() in _STAGES:
        name = with_digest(clean, run.run_id, limit=_LIMIT, joint="-")
    return name, with_digest(clean, run.project, run.run_id, limit=_LIMIT, joint="-")


def metadata_names() -> Names:
    """Return what names single values: the parts of a path, cleaned, with `/` between.

    >>> metadata_names().of("params/a:b")
    'params/a_b'
    """

    def clean(path: str) -> str:
        parts = [_PART.sub("_", part)[:_PART_LIMIT] or "_" for part in path.split("/")]
        parts = [f"{part}_" if part == VALUE else part for part in parts]
        if parts[0] == OWN_KEY:
            parts[0] += "_"
        return "/".join(parts)

    return Names(clean, limit=_LIMIT)


def artifact_names() -> Names:
    """Return what names series and files.

    >>> artifact_names().of("metrics/loss")
    'neptune-metrics-loss'
    """

    def clean(path: str) -> str:
        return f"neptune-{_PART.sub('_', path.replace('/', '-'))}"

    return Names(clean, limit=_PART_LIMIT)
