"""Targets: where runs go. Those that `mooring load` fills are made by name when asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mooring.errors import InvalidInput, closest
from mooring.exchange.target import LoadSettings, Target

__all__ = ["TARGETS", "TargetKind", "TargetOptions", "open_target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """How a target is reached; what is None comes from its own environment variables.

    Attributes
    ----------
    uri : address of its server, or of its store
    folder : where it keeps data without a server
    project : the one project that all runs go to
    workspace : workspace, entity, team or owner
    api_key, user_id : credentials
    online : whether runs go to a server at once, where the target can do without
    """

    uri: str | None = None
    folder: Path | None = None
    project: str | None = None
    workspace: str | None = None
    api_key: str | None = field(default=None, repr=False)
    user_id: str | None = None
    online: bool = False


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A target by name: what it is, and how it is made."""

    title: str
    open: Callable[[TargetOptions, LoadSettings], Target]


def _mlflow(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.mlflow import MlflowTarget

    return MlflowTarget(options.uri, settings)


def _goodseed(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.goodseed import GoodSeedSettings, GoodSeedTarget

    folder = None if options.folder is None else str(options.folder)
    told = GoodSeedSettings.read(os.environ, home=folder, project=options.project)
    return GoodSeedTarget(told, settings)


def _comet(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.comet import CometSettings, CometTarget

    told = CometSettings.read(
        os.environ,
        workspace=options.workspace,
        api_key=options.api_key,
        folder=None if options.folder is None else str(options.folder),
        online=options.online,
    )
    return CometTarget(told, settings)


def _litlogger(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.litlogger import LitLoggerSettings, LitLoggerTarget

    told = LitLoggerSettings.read(
        os.environ, owner=options.workspace, api_key=options.api_key, user_id=options.user_id
    )
    return LitLoggerTarget(told, settings)


def _pluto(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.pluto import PlutoSettings, PlutoTarget

    told = PlutoSettings.read(os.environ, api_key=options.api_key, project=options.project)
    return PlutoTarget(told, settings)


def _minfx(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.minfx import MinfxSettings, MinfxTarget

    folder = None if options.folder is None else str(options.folder)
    told = MinfxSettings.read(os.environ, folder=folder, project=options.project)
    return MinfxTarget(told, settings)


def _zenml(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.zenml import ZenMLTarget

    return ZenMLTarget(settings)


def _wandb(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.wandb import WandbSettings, WandbTarget

    folder = options.folder or Path("wandb-offline")
    reached = WandbSettings(
        folder=folder,
        online=options.online,
        base_url=options.uri,
        api_key=options.api_key,
        entity=options.workspace,
        project=options.project,
    )
    return WandbTarget(reached, settings=settings)


def _tensorboard(options: TargetOptions, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.tensorboard import TensorBoardTarget

    if options.folder is None:
        raise InvalidInput("TensorBoard needs a log directory to write to: give --folder")
    return TensorBoardTarget(options.folder, settings=settings)


TARGETS: Mapping[str, TargetKind] = {
    "mlflow": TargetKind("an MLflow server, database or folder", _mlflow),
    "goodseed": TargetKind("GoodSeed's files, one for each run", _goodseed),
    "comet": TargetKind("archives for `comet upload`, or Comet's server", _comet),
    "litlogger": TargetKind("LitLogger's server (not tried)", _litlogger),
    "pluto": TargetKind("Pluto's server (not tried)", _pluto),
    "minfx": TargetKind("offline runs for `minfx sync`", _minfx),
    "zenml": TargetKind("the ZenML that is active", _zenml),
    "wandb": TargetKind("W&B: offline runs in a folder, or a server with --online", _wandb),
    "tensorboard": TargetKind("event files in a log directory", _tensorboard),
}
"""Targets by the name that `mooring load --to` takes."""


def open_target(
    name: str, options: TargetOptions | None = None, settings: LoadSettings | None = None
) -> Target:
    """Return a target that is ready to take runs.

    Raises
    ------
    InvalidInput
        For a name that there is not, and for settings that are missing.
    MissingExtra
        When the target's own package is not installed.
    """
    if name not in TARGETS:
        near = closest(name, TARGETS)
        raise InvalidInput(
            f"there is no target {name!r}; write one of {', '.join(TARGETS)}"
            + (f". Did you mean {near[0]}?" if near else "")
        )
    return TARGETS[name].open(options or TargetOptions(), settings or LoadSettings())
