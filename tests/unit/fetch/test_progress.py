"""Progress bars: which one is shown, and what it is told."""

from __future__ import annotations

import pytest

from mooring.errors import InvalidInput
from mooring.fetch import ProgressBarCallback
from mooring.fetch.progress import SilentProgress, TqdmProgress, open_progress


class Recorder(ProgressBarCallback):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []

    def update(self, *, by, total=None):
        self.calls.append((by, total))


class Foreign:
    """Made for Neptune's readers: of the same shape, not of our class."""

    def __init__(self, *args, **kwargs):
        self.calls = []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def update(self, *, by, total=None):
        self.calls.append((by, total))


def test_none_shows_a_bar_on_a_terminal_only(monkeypatch, capsys):
    assert isinstance(open_progress(None, "Reading"), SilentProgress)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with open_progress(None, "Reading") as bar:
        assert isinstance(bar, TqdmProgress)


def test_true_shows_a_bar_anywhere(capsys):
    with open_progress(True, "Reading") as bar:
        bar.update(by=3, total=9)
    shown = capsys.readouterr()
    assert "Reading" in shown.err
    assert "3/9" in shown.err
    assert shown.out == ""


def test_false_shows_none(capsys):
    with open_progress(False, "Reading") as bar:
        bar.update(by=3, total=9)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [Recorder, Foreign])
def test_a_type_is_created_and_told(kind):
    with open_progress(kind, "Reading") as bar:
        bar.update(by=3, total=9)
    assert bar.calls == [(3, 9)]
    assert getattr(bar, "description", "Reading") == "Reading"


@pytest.mark.parametrize("wrong", ["yes", 1, int, Recorder(description="x")])
def test_anything_else_is_refused(wrong):
    with pytest.raises(InvalidInput, match="progress_bar"):
        open_progress(wrong, "Reading")
