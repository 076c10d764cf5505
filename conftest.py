"""What every test and every example in a docstring starts from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-conformance",
        action="store_true",
        help="write the pages of docs that tell what was proved of other packages' clients",
    )


@pytest.fixture(autouse=True)
def _own_surroundings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's own settings, and run docstring examples in an empty folder."""
    for name in list(os.environ):
        if name.startswith(("MOORING_", "NEPTUNE_")):
            monkeypatch.delenv(name)
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))


@pytest.fixture(autouse=True)
def _example_project(
    request: pytest.FixtureRequest, doctest_namespace: dict[str, Any], _own_surroundings: None
) -> Iterator[None]:
    """Give the docstring examples of `mooring.fetch` a `project` of two runs."""
    item = request.node
    if not isinstance(item, pytest.DoctestItem) or not item.name.startswith(
        ("mooring.fetch.", "fetch.")
    ):
        yield
        return
    from mooring.fetch import ReadOnlyProject
    from mooring.model import RunSpec
    from mooring.store import open_store

    noon = 1_767_614_400_000_000
    with closing(open_store("runs.db")) as store:
        for run_id, name, lr in (("calm-heron", "small", 0.01), ("brave-otter", "large", 0.1)):
            run = store.create_run(RunSpec(project="digits", run_id=run_id, name=name))
            with closing(store.open_writer(run.key)) as writer:
                writer.assign({"params/lr": lr})
                writer.change_set("sys/tags", add=["best"] if name == "large" else [])
                for step, loss in enumerate([0.8, 88.2 if name == "large" else 0.7, 0.5]):
                    time = noon + step * 1_000_000
                    writer.log({"metrics/loss": loss}, step=step, time=time)
        doctest_namespace["project"] = ReadOnlyProject(store=store)
        yield
