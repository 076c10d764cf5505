"""The page of commands is that of the commands there are."""

from __future__ import annotations

from pathlib import Path

from mooring.cli.reference import render

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == render(), (
        "write it anew: python -m mooring.cli.reference > docs/cli.md"
    )
