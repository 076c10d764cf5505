"""The project's own files agree with each other."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import mooring

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.partition("==")[::2] for line in lines]
    return {canonical(name): pin for name, pin in pairs}


def test_version_is_told_once() -> None:
    assert version("mooring") == PROJECT["version"]
    assert getattr(mooring, "__version__", PROJECT["version"]) == PROJECT["version"]


def test_changelog_speaks_of_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings, "CHANGELOG.md has no `## [version]` heading"
    assert headings[0] in ("Unreleased", PROJECT["version"])


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    odd = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)]
    assert odd == []
    assert len(pinned()) == len(lines), "a package is pinned twice"


def test_every_requirement_is_pinned() -> None:
    extras = [PROJECT["optional-dependencies"][name] for name in ("demo", "dev", "plot", "polars")]
    wanted = {
        canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0])
        for requirements in (PROJECT["dependencies"], *extras)
        for requirement in requirements
    }
    assert wanted - {"mooring"} - pinned().keys() == set()


def test_readme_is_the_page_of_the_package() -> None:
    assert (ROOT / "README.md").exists() == ("readme" in PROJECT)


def test_decisions_are_numbered_and_whole() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name.split("-")[0]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for page in pages:
        found = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        wanted = ["Context", "Decision", "Consequences", "What would change our mind"]
        assert [heading for heading in found if heading in wanted] == wanted, page.name
