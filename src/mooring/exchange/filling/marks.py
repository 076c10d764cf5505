"""The mark that a load leaves on a run of a target: where it is from, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mooring.exchange.filling.steps import step_text
from mooring.exchange.source import SourceRun

PROJECT, RUN, PARENT, FORK_STEP = (
    "neptune/project_id",
    "neptune/run_id",
    "neptune/parent_run_id",
    "neptune/fork_step",
)
"""Where a run is from, by the names that earlier migration tools gave them."""
CONTENT, COMPLETE = "mooring/content", "mooring/complete"
"""The digest of what a load meant to hold, and whether it does."""

ALL = frozenset({PROJECT, RUN, PARENT, FORK_STEP, CONTENT, COMPLETE})


@dataclass(frozen=True, slots=True)
class Mark:
    """What the mark of a run says.

    >>> Mark.read({"neptune/project_id": "a/b", "neptune/run_id": "r", "mooring/complete": True})
    Mark(project='a/b', run='r', content='', complete=True)
    """

    project: str
    run: str
    content: str = ""
    complete: bool = False

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Mark | None:
        """Return the mark among values of a run; None when there is none."""
        if PROJECT not in values or RUN not in values:
            return None
        complete = values.get(COMPLETE)
        return cls(
            project=str(values[PROJECT]),
            run=str(values[RUN]),
            content=str(values.get(CONTENT, "")),
            complete=complete is True or str(complete).lower() == "true",
        )

    def is_of(self, run: SourceRun) -> bool:
        """Return whether a load of `run` left this mark."""
        return (self.project, self.run) == (run.project, run.run_id)


def begun(run: SourceRun) -> dict[str, str]:
    """Return what is noted on a run when its load begins.

    >>> begun(SourceRun(project="a/b", run_id="r"))
    {'neptune/project_id': 'a/b', 'neptune/run_id': 'r'}
    """
    return {PROJECT: run.project, RUN: run.run_id}


def ended(
    run: SourceRun, parent: str | None, *, complete: bool, content: str
) -> dict[str, str | bool]:
    """Return what is noted on a run when its load ends; the step of a fork is text.

    `parent` is the id that the parent has in the target; None: it is not there.

    >>> run = SourceRun(project="a/b", run_id="r", parent="p", fork_step=1_500_000)
    >>> ended(run, None, complete=True, content="c")
    {'mooring/content': 'c', 'mooring/complete': True, 'neptune/parent_run_id': 'p',
    'neptune/fork_step': '1.5'}
    """
    mark: dict[str, str | bool] = {CONTENT: content, COMPLETE: complete}
    if run.parent is not None:
        mark[PARENT] = parent or run.parent
        if run.fork_step is not None:
            mark[FORK_STEP] = step_text(run.fork_step)
    return mark


def is_note_of(note: Mapping[str, object], run: SourceRun) -> bool:
    """Return whether a note of `project` and `run_id`, as JSON beside a run, tells of this run."""
    return (note.get("project"), note.get("run_id")) == (run.project, run.run_id)
