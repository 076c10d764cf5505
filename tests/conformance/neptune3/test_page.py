"""Every public call of the clients is tried, and the page (`--write-conformance`) tells how."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.neptune3.calls import LOG, PACKAGES, RECORDING
from tests.conformance.neptune3.page import FAILED, NONE, UNPROVED, Row, judge, render
from tests.e2e.exchange.peer import find_peer

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "conformance-neptune.md"

SURFACE = """
import json, sys, warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import recording

modules = sorted(recording.MODULES[sys.argv[2]], key=len, reverse=True)
told = [version(sys.argv[1])]
for call in recording.surface(sys.argv[2]):
    module = next(module for module in modules if call.startswith(module + "."))
    told.append([module, call.removeprefix(module + ".")])
print(json.dumps(told))
"""

WITHOUT_ROWS = """
import sys, warnings
from importlib import import_module

warnings.simplefilter("ignore")
import recording

package = sys.argv[1]
known = {id(code) for code in recording.surface(package).values()}
for name in recording.MODULES[package]:
    module = import_module(name)
    for listed in getattr(module, "__all__", ()):
        of = recording._calls_of(f"{name}.{listed}", getattr(module, listed), package)
        print(*[call for call, code in of if id(code) not in known])
"""


@pytest.fixture
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[Row], dict[str, str]]:
    """What the packages offer, with how it went in this run of all tests; their versions."""
    options = request.config.option
    modules = {item.path for item in request.session.items if item.path.parent == HERE}
    chosen = options.keyword or options.markexpr or any("::" in arg for arg in request.config.args)
    if chosen or modules != {*HERE.glob("test_*.py")}:
        pytest.skip("only a run of all tests can tell")
    tests = LOG.tests_by_call()
    breadth = Counter(test for of in tests.values() for test, direct in of.items() if direct)
    versions, found = {}, []
    for distribution, package in PACKAGES.items():
        printed = find_peer(package).run(
            SURFACE, distribution, package, cwd=tmp_path, PYTHONPATH=str(RECORDING)
        )
        versions[distribution], *calls = json.loads(printed)
        for module, call in calls:
            state = judge(tests.get(f"{module}.{call}", {}), LOG.passed, breadth)
            found.append(Row(distribution, module, call, *state))
    return found, versions


def test_the_page_is_what_the_run_has_shown(
    request: pytest.FixtureRequest, rows: tuple[list[Row], dict[str, str]]
) -> None:
    page = render(*rows)
    if request.config.getoption("--write-conformance"):
        PAGE.write_text(page)
    else:
        assert PAGE.read_text() == page, (
            "write it anew: pytest tests/conformance/neptune3 --write-conformance"
        )


def test_every_call_is_tried(rows: tuple[list[Row], dict[str, str]]) -> None:
    states = {f"{row.module}.{row.call}": row.state for row in rows[0]}
    assert {name for name, state in states.items() if state == NONE} == set(UNPROVED)
    assert FAILED not in states.values()


@pytest.mark.parametrize("package", PACKAGES.values())
def test_every_name_that_a_package_lists_has_a_row(package: str, tmp_path: Path) -> None:
    missing = find_peer(package).run(WITHOUT_ROWS, package, cwd=tmp_path, PYTHONPATH=str(RECORDING))
    assert missing.split() == []
