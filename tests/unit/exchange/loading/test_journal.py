"""The journal: what a killed load leaves of it, and what is no journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import InvalidInput
from mooring.exchange.loading.journal import Journal, RunState

RUN = ("team/p", "one")


def open_journal(file: Path) -> Journal:
    return Journal(file, source="s", target="t")


def filled(file: Path) -> bytes:
    journal = open_journal(file)
    journal.opening(RUN)
    journal.opened(RUN, "id-1")
    journal.arrived(RUN, {"a": {"digest": "1", "count": 2}})
    journal.arrived(RUN, {"b": {"digest": "2", "count": 3, "lost": [["b", "why", 1]]}})
    journal.close()
    return file.read_bytes()


def state_of(file: Path) -> RunState:
    journal = open_journal(file)
    journal.close()
    return journal.runs[RUN]


def test_it_tells_what_arrived(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = open_journal(tmp_path / "j")
    state = journal.runs[RUN]
    assert (state.id, set(state.done)) == ("id-1", {"a", "b"})
    journal.gone(RUN, {"a"})
    journal.close()
    assert set(state_of(tmp_path / "j").done) == {"b"}


def test_a_torn_line_is_dropped_wherever_it_was_torn(tmp_path: Path) -> None:
    whole = filled(tmp_path / "j")
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(len(whole)):
        file = tmp_path / f"j{end}"
        file.write_bytes(whole[:end])
        journal = open_journal(file)
        if end >= last:
            assert set(journal.runs[RUN].done) == {"a"}
        journal.arrived(RUN, {"c": {"digest": "3", "count": 1}})
        journal.close()
        again = open_journal(file)
        assert "c" in again.runs[RUN].done
        again.close()


def test_a_complete_run_is_all_that_is_kept(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = open_journal(tmp_path / "j")
    journal.completed(RUN, "id-1", "digest", [["b", "why", 1]])
    journal.close()
    state = state_of(tmp_path / "j")
    assert (state.content, state.lost, state.done) == ("digest", [["b", "why", 1]], {})


@pytest.mark.parametrize(
    "content", [b"hello\n", b"\xff\xfe\n", b"[]\n", b'{"journal": 99}\n', b'{"a": 1}\n']
)
def test_what_is_no_journal_is_not_touched(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "j"
    file.write_bytes(content)
    with pytest.raises(InvalidInput):
        open_journal(file)
    assert file.read_bytes() == content


def test_the_journal_of_another_load_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    with pytest.raises(InvalidInput, match="journal of a load from s to t"):
        Journal(tmp_path / "j", source="other", target="t")
