"""The group `config`: what the settings are, and where each comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

from mooring.cli.commands import DEBUG_VARIABLE, STORE_VARIABLE, command, make_group
from mooring.cli.output import Output
from mooring.cli.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting: the variables that can hold it, the first that does counts."""

    name: str
    variables: Sequence[str]
    default: str | None = None
    secret: bool = False


SETTINGS = (
    Setting(name="store", variables=(STORE_VARIABLE,), default=None),
    Setting(name="project", variables=("MOORING_PROJECT", "NEPTUNE_PROJECT")),
    Setting(name="api_token", variables=("MOORING_API_TOKEN", "NEPTUNE_API_TOKEN"), secret=True),
    Setting(name="debug", variables=(DEBUG_VARIABLE,)),
)


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    config = make_group("Settings.")
    command(config, "show", example="mooring config show --json")(show)
    group.add_typer(config, name="config")


def show(*, output: Output) -> None:
    """Show each setting, and whether the environment or a default gives it.

    An argument of a command or a call goes before the environment. A tracker without a store
    writes to track.db, a run to mooring.db.
    """
    rows = [(setting.name, *resolve(setting, os.environ)) for setting in SETTINGS]
    output.table(Table(["setting", "value", "source"], rows))


def resolve(setting: Setting, environment: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the value of a setting, masked if it is a secret, and where it comes from.

    >>> token = Setting(name="api_token", variables=("MOORING_API_TOKEN",), secret=True)
    >>> resolve(token, {"MOORING_API_TOKEN": "eyJhcGlfa2V5IjoieCJ9"})
    ('***', 'environment, MOORING_API_TOKEN')
    """
    for variable in setting.variables:
        if value := environment.get(variable):
            return ("***" if setting.secret else value), f"environment, {variable}"
    return setting.default, "default" if setting.default is not None else "not set"
