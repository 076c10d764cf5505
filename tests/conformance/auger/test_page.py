"""The page tells what the run has shown; `--write-conformance` writes it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

# The modules that enter the cases.
from tests.conformance.auger import test_behaviour, test_methods  # noqa: F401
from tests.conformance.auger.page import render
from tests.conformance.auger.registry import BEHAVIOURS, METHODS

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"


def test_the_page_is_what_the_run_has_shown(request: pytest.FixtureRequest) -> None:
    if not (METHODS.complete() and BEHAVIOURS.complete()):
        pytest.skip("only a run of all cases can tell")
    page = render(version("auger-hub-api-client"))
    if request.config.getoption("--write-conformance"):
        PAGE.write_text(page)
    else:
        assert PAGE.read_text() == page, (
            "write it anew: pytest tests/conformance/auger --write-conformance"
        )
