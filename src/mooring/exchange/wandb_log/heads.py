"""Who a W&B run is, as the records of its logs tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring.exchange.wandb_log.records import Damage, iter_records


@dataclass(slots=True)
class RunHead:
    """What the first records of a run's logs tell.

    `ended` is its exit code; None when the logs do not tell that it ended.
    """

    run_id: str = ""
    entity: str = ""
    project: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    notes: str = ""
    host: str = ""
    sweep: str = ""
    tags: frozenset[str] = frozenset()
    created: int | None = None
    parent: str = ""
    parent_step: float | None = None
    ended: int | None = None
    damages: list[tuple[Path, Damage]] = field(default_factory=list)

    def take(self, run: Any) -> None:
        """Take what a run's record tells; later records win."""
        for mine, theirs in _HEAD_FIELDS:
            if text := getattr(run, theirs):
                setattr(self, mine, text)
        if run.tags:
            self.tags = frozenset(run.tags)
        if run.HasField("start_time") and self.created is None:
            self.created = micros_of(run.start_time)
        if run.HasField("branch_point") and run.branch_point.run:
            self.parent = run.branch_point.run
            self.parent_step = run.branch_point.value


_HEAD_FIELDS = (
    ("run_id", "run_id"),
    ("entity", "entity"),
    ("project", "project"),
    ("name", "display_name"),
    ("group", "run_group"),
    ("job_type", "job_type"),
    ("notes", "notes"),
    ("host", "host"),
    ("sweep", "sweep_id"),
)


def read_head(logs: Sequence[Path]) -> RunHead:
    """Read who a run is; the logs are walked to their ends."""
    head = RunHead()
    for log in logs:
        head.ended = None
        for _, record in iter_records(log):
            if isinstance(record, Damage):
                head.damages.append((log, record))
                continue
            match record.WhichOneof("record_type"):
                case "run":
                    head.take(record.run)
                case "exit":
                    head.ended = record.exit.exit_code
    return head


def micros_of(timestamp: Any) -> int:
    """Return a time stamp in microseconds since 1970."""
    micros: int = timestamp.seconds * 1_000_000 + timestamp.nanos // 1000
    return micros
