"""The methods of `HubClient` are those of the table."""

from __future__ import annotations

import inspect
from pathlib import Path

from mooring import HubClient
from mooring.client import families
from mooring.client.generating import method_names, render
from mooring.wire.auger.resources import RESOURCES


def test_the_module_is_what_the_table_makes() -> None:
    assert Path(families.__file__).read_text() == render(), (
        "write it anew: python -m mooring.client.generating > src/mooring/client/families.py"
    )


def test_every_action_of_the_table_has_a_method() -> None:
    for resource in RESOURCES:
        for name, _ in method_names(resource):
            method = getattr(HubClient, name)
            assert method.__doc__
            assert inspect.signature(method).return_annotation != inspect.Signature.empty


def test_what_the_table_names_are_the_parameters() -> None:
    for resource in RESOURCES:
        for name, operation in method_names(resource):
            if name.startswith("iterate_all_") or operation.answer == "text":
                continue
            parameters = inspect.signature(getattr(HubClient, name)).parameters
            for each in operation.parameters:
                if operation.name == "show" and "{id}" in operation.path:
                    continue
                assert each.name in parameters or f"{each.name}_" in parameters, (name, each.name)
