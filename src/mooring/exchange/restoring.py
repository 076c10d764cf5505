"""`restore`: the runs of a backup tree back into a store."""

from __future__ import annotations

import os

from mooring.exchange.importing import import_runs
from mooring.exchange.reports import TransferReport
from mooring.exchange.selection import Selection
from mooring.exchange.source import Progress
from mooring.exchange.sources.backup import BackupSource, ScriptRules
from mooring.store.contract import Store

_NO_RULES = ScriptRules()


def restore(
    folder: str | os.PathLike[str],
    store: Store,
    *,
    selection: Selection | None = None,
    rules: ScriptRules = _NO_RULES,
    dry_run: bool = False,
    verify: bool = False,
    progress: Progress | None = None,
) -> TransferReport:
    """Bring the runs of a backup tree into a store, an empty one or any other.

    A run that is there and equal is left alone; one that is there and another is a conflict, and
    nothing of it is changed. Runs that lay in the trash go there.

    Parameters
    ----------
    folder : the folder of the backup
    store : an open store
    selection : what is taken; default: all runs of every kind, trashed and archived ones too
    rules : how to read trees that the bulk backup script wrote
    dry_run : tell what would come in
    verify : read everything back and compare it with the backup
    progress : called with how many runs are done, and of how many

    Raises
    ------
    SourceUnreadable
        When the folder holds no backup.
    StoreReadOnly, StoreFull
        When the store cannot take anything.

    Examples
    --------
    >>> from mooring import Run
    >>> from mooring.exchange.sources.store import StoreSource
    >>> from mooring.exchange.targets.backup import back_up
    >>> from mooring.store import open_store
    >>> with Run("team/digits", store="runs.db", run_id="calm-heron") as run:
    ...     run["params/lr"] = 0.1
    >>> with open_store("runs.db") as old, open_store("new.db") as new:
    ...     saved = back_up(StoreSource(old), "saved")
    ...     report = restore("saved", new, verify=True)
    >>> [(run.run_id, run.outcome.value, run.verified) for run in report.runs]
    [('calm-heron', 'done', True)]
    """
    return import_runs(
        BackupSource(folder, rules=rules),
        store,
        selection=selection or Selection(archived=True),
        dry_run=dry_run,
        verify=verify,
        progress=progress,
    )
