"""Runs: what is asked for at creation, and what identifies one afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RunKind(StrEnum):
    """What a run stands for. Questions ask for `RUN` unless they say otherwise."""

    RUN = "run"
    MODEL = "model"
    MODEL_VERSION = "model_version"
    PROJECT = "project"
    RECORD = "record"
    """Something that a door of the hub keeps and that is no run: a data set, an alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What to create.

    Attributes
    ----------
    project : full name, `workspace/name`; created when it is missing
    run_id : the user's own id (`sys/custom_run_id`); the store makes one when it is None
    sys_id : the short id to give it, such as `DIG-12`, if that is free in the project
    name : the experiment (`sys/name`), whose head this run becomes
    parent, fork_step : the `key` of the run to fork from, and the last step inherited,
        in millionths (None: the parent's last step at this time)
    inherit_attributes : whether a fork copies the parent's attributes that are no series
    inherit_tags : whether a fork copies the parent's tags, group tags and description, if not all
    created : microseconds since 1970, UTC (None: now)
    """

    project: str
    run_id: str | None = None
    sys_id: str | None = None
    name: str | None = None
    kind: RunKind = RunKind.RUN
    parent: int | None = None
    fork_step: int | None = None
    inherit_attributes: bool = False
    inherit_tags: bool = False
    created: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """Identity of a run in one store.

    Attributes
    ----------
    key : the store's own number; means nothing outside it
    project : full name, `workspace/name`
    sys_id : short id such as `DIG-12`, unique in the project
    run_id : the user's id (`sys/custom_run_id`)
    parent, fork_step : lineage; the step in millionths
    """

    key: int
    project: str
    sys_id: str
    run_id: str
    kind: RunKind
    created: int
    trashed: bool = False
    parent: int | None = None
    fork_step: int | None = None
