"""Every Python block of the pages runs.

A block that says ```python NAME runs in the environment of the peer NAME: code of a client that is
not ours, and that does not live beside us.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.exists() and re.search(r"^\s*```python\b", page.read_text("utf-8"), re.MULTILINE)
]

_STORE, _ADDRESS = "team.db", "http://127.0.0.1:8080"
"""Of the hub that pages tell their readers to start."""
_PROJECT = "team/digits"
"""What they have Neptune's clients log to."""

_BLOCK = re.compile(r"^( *)```python *(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Code of a page, the line that it begins on, and the peer whose code it is."""

    line: int
    code: str
    peer: str = ""


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that say ```python."""
    text = page.read_text("utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        indent = len(match[1])
        code = "\n".join(line[indent:] for line in match[3].splitlines())
        found.append(Block(text.count("\n", 0, match.start(3)) + 1, code, match[2]))
    return found


def test_the_readme_has_blocks() -> None:
    assert ROOT / "README.md" in PAGES, "README.md is missing, or has no ```python block"


def test_a_block_that_fails_is_told_by_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```python\nname = 1\n```\n\n```text\nno code\n```\n\n"
        "- item\n\n  ```python\n  name / 0\n  ```\n"
    )
    assert blocks(page) == [Block(4, "name = 1"), Block(14, "name / 0")]
    with pytest.raises(pytest.fail.Exception, match=r"page\.md, line 14"):
        run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: HubProcess | None
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, hub)


@pytest.fixture
def hub(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubProcess | None]:
    """The hub that a page tells its reader to start, at another port; None where it does not."""
    if f"\nmooring hub --store {_STORE}\n" not in page.read_text("utf-8"):
        yield None
        return
    monkeypatch.setenv("MOORING_SPOOL", str(tmp_path / "spool"))
    started = HubProcess(tmp_path / _STORE)
    monkeypatch.setenv("MOORING_API_TOKEN", started.admin)
    yield started
    started.stop()


def run_page(page: Path, hub: HubProcess | None = None) -> None:
    """Run the blocks of a page in their order, in one namespace."""
    found = blocks(page)
    assert found, f"a ```python block of {page.name} is not closed"
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in found:
        line, code = block.line, block.code
        if hub is not None:
            code = code.replace(_ADDRESS, hub.address)
            if block.peer:
                told = {"NEPTUNE_API_TOKEN": hub.admin, "NEPTUNE_PROJECT": _PROJECT}
                print(find_peer(block.peer).run(code, cwd=Path.cwd(), **told))
                continue
        # as many empty lines before it as the page has, so that a traceback names the page's line
        compiled = compile("\n" * (line - 1) + code, str(page), "exec")
        try:
            exec(compiled, namespace)
        except Exception as error:  # noqa: BLE001 - whatever a page raises fails its test
            at = [part.lineno for part in traceback.extract_tb(error.__traceback__, limit=2)][-1]
            pytest.fail(f"{page.name}, line {at}: {type(error).__name__}: {error}", pytrace=False)
