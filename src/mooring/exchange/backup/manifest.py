"""The manifest of a run in a backup: what it holds, where it lies, and the checksum of each file.

It is written last, so a run without one is none of ours or was never finished. It holds a digest of
itself, and nothing that depends on when it was written: an interrupted backup that is run again
leaves what an uninterrupted one does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from mooring.errors import ExportDamaged, SourceUnreadable
from mooring.exchange.source import SourceRun
from mooring.model import AttributeType, RunKind

FORMAT = 1

HOMES = {
    RunKind.RUN: "",
    RunKind.MODEL: ".models",
    RunKind.MODEL_VERSION: ".model_versions",
    RunKind.PROJECT: ".project_metadata",
    RunKind.RECORD: ".records",
}
"""Folder in a project for runs of each kind; the script has runs alone."""

TRASH = ".trash"
"""Folder in a project, or in one of the others, for what is trashed or archived."""


class Form(StrEnum):
    """How an attribute is kept."""

    VALUE = "value"
    """In the file of values alone."""
    FILE = "file"
    """One file, and its name and media type in the file of values."""
    CSV = "csv"
    """A CSV file that says all."""
    SHOWN = "shown"
    """A CSV file to look at, and Parquet that is exact."""
    PARQUET = "parquet"
    """Parquet alone."""
    FILES = "files"
    """A folder of files, and Parquet that tells their steps, times, names and media types."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a run: SHA-256 of what it holds, in hex, and its length."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAttribute:
    """An attribute of a run in a backup.

    Attributes
    ----------
    content : digest of what it holds, see `mooring.exchange.backup.content`
    file : the CSV or other file, or the folder of a file series; below the run's folder
    exact : the Parquet file of its points
    count : number of points
    """

    type: AttributeType
    form: Form
    content: str
    file: str = ""
    exact: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one run of a backup holds.

    Attributes
    ----------
    run : its identity; the handle is of no use
    revision : how often the run was written; of two folders of one run the higher one counts
    zone : time zone of the times in its CSV files
    missing : what the source could not give, as (what, why); a run with any is not complete
    files : every file of the run but the manifest, by name
    attributes : by path
    tracked : for each artifact whose content was asked for, the folder of what it tracked
    rows, previews : digests of these extras; empty for none
    not_inherited : paths that a fork deleted
    """

    run: SourceRun
    revision: int = 1
    zone: str = "UTC"
    missing: Sequence[tuple[str, str]] = ()
    files: Mapping[str, Kept] = field(default_factory=dict)
    attributes: Mapping[str, KeptAttribute] = field(default_factory=dict)
    tracked: Mapping[str, str] = field(default_factory=dict)
    rows: str = ""
    previews: str = ""
    not_inherited: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether the run is all there."""
        return not self.missing

    def same_as(self, other: Manifest) -> bool:
        """Return whether both tell of the same run in the same files."""
        return replace(self, revision=0) == replace(other, revision=0)


def home_of(run: SourceRun) -> str:
    """Return the folder in its project where a run has its own folder, with a slash at the end."""
    above = HOMES[run.kind]
    return f"{above}/" * bool(above) + f"{TRASH}/" * run.trashed


def dump_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as JSON."""
    run = manifest.run
    facts: dict[str, Any] = {
        "format": FORMAT,
        "run": {
            "project": run.project,
            "run_id": run.run_id,
            "kind": run.kind,
            "sys_id": run.sys_id,
            "name": run.name,
            "created": run.created,
            "parent": run.parent,
            "fork_step": run.fork_step,
            "trashed": run.trashed,
            "incomplete": run.incomplete,
        },
        "revision": manifest.revision,
        "zone": manifest.zone,
        "missing": [list(one) for one in manifest.missing],
        "attributes": {
            path: {
                "type": kept.type,
                "form": kept.form,
                "content": kept.content,
                **{
                    name: value
                    for name in ("file", "exact", "count")
                    if (value := getattr(kept, name))
                },
            }
            for path, kept in manifest.attributes.items()
        },
        "tracked": dict(manifest.tracked),
        "rows": manifest.rows,
        "previews": manifest.previews,
        "not_inherited": list(manifest.not_inherited),
        "files": {name: [kept.sha256, kept.size] for name, kept in manifest.files.items()},
    }
    facts["digest"] = _digest(facts)
    return json.dumps(facts, indent=1, sort_keys=True).encode() + b"\n"


def load_manifest(content: bytes, where: str) -> Manifest:
    """Return the manifest that `dump_manifest` wrote.

    Raises `ExportDamaged` when it is not as it was written, `SourceUnreadable` for one that a newer
    version wrote.
    """
    try:
        facts = json.loads(content)
        found = facts["format"]
        if isinstance(found, int) and found > FORMAT:
            raise SourceUnreadable(
                f"{where} has backup format {found}; this Mooring reads formats up to {FORMAT}. "
                "Upgrade Mooring (pip install -U mooring) to read it",
                where=where,
            )
        if facts.pop("digest") != _digest(facts):
            raise ValueError("its digest is another one")
        return _load(facts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExportDamaged(
            f"{where} is damaged ({error}); what lies beside it is not believed. Take that run "
            "from another copy, or back it up again",
            where=where,
        ) from error


def _load(facts: Mapping[str, Any]) -> Manifest:
    run = facts["run"]
    return Manifest(
        run=SourceRun(**{**run, "kind": RunKind(run["kind"])}),
        revision=int(facts["revision"]),
        zone=facts["zone"],
        missing=tuple((what, why) for what, why in facts["missing"]),
        files={name: Kept(*kept) for name, kept in facts["files"].items()},
        attributes={
            path: KeptAttribute(
                type=AttributeType(kept["type"]),
                form=Form(kept["form"]),
                content=kept["content"],
                file=kept.get("file", ""),
                exact=kept.get("exact", ""),
                count=kept.get("count", 0),
            )
            for path, kept in facts["attributes"].items()
        },
        tracked=dict(facts["tracked"]),
        rows=facts["rows"],
        previews=facts["previews"],
        not_inherited=tuple(facts["not_inherited"]),
    )


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
