"""Which public calls of Neptune's clients were made, and which tests looked at what they answered.

`clients/recording` writes down the calls of each script, with the test that started it. A script
that asks many questions names the one that it asks; `Told` notes which tests read which answer.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDING = Path(__file__).parent / "clients" / "recording"
PACKAGES = {"neptune-scale": "neptune_scale", "neptune-query": "neptune_query",
            "neptune-fetcher": "neptune_fetcher"}  # fmt: skip
"""Modules by distribution."""


@dataclass(slots=True)
class Log:
    """What a run of the tests has seen so far."""

    records: Path | None = None
    passed: dict[str, bool] = field(default_factory=dict)
    """How each test went, in the order in which they ended."""
    readers: defaultdict[tuple[str, str], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    """Tests by the script's start and question whose answer they read."""

    def note_outcome(self, test: str, passed: bool) -> None:
        self.passed[test] = passed and self.passed.get(test, True)

    def tests_by_call(self) -> dict[str, dict[str, bool]]:
        """Return for each call the tests that checked it, and whether it was made directly."""
        found: dict[str, dict[str, bool]] = {}
        assert self.records is not None
        for line in self.records.read_text().splitlines() if self.records.exists() else ():
            start, question, call, direct = json.loads(line)
            tests = found.setdefault(call, {})
            readers = {_name(start)} if question is None else self.readers[start, question]
            for test in readers:
                tests[test] = direct or tests.get(test, False)
        return found


LOG = Log()


class Told(dict[str, Any]):
    """The answers of a script by question; each notes which tests read it."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(answers)
        self._start = os.environ["PYTEST_CURRENT_TEST"]

    def __getitem__(self, question: str) -> Any:
        LOG.readers[self._start, question].add(_name(os.environ["PYTEST_CURRENT_TEST"]))
        return super().__getitem__(question)


def _name(test: str) -> str:
    """Return the name of a test without its phase."""
    return test.rpartition(" ")[0]
