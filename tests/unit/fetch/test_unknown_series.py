"""A misspelt series is told, not shown as an empty frame."""

from __future__ import annotations

from pathlib import Path

import pytest

import mooring
from mooring.errors import AttributeNotFound


@pytest.fixture
def project(tmp_path: Path) -> mooring.ReadOnlyProject:
    store = tmp_path / "runs.db"
    with mooring.Run("digits", store=store, run_id="a") as run:
        run.log({"train/loss": 0.5}, step=10)
    return mooring.ReadOnlyProject("digits", store=store)


def test_a_misspelt_path_names_the_closest(project: mooring.ReadOnlyProject) -> None:
    with pytest.raises(AttributeNotFound, match=r"'train/los' not found .* closest: train/loss"):
        project.fetch_metrics(paths=["train/loss", "train/los"])


def test_a_series_outside_the_step_range_is_no_error(project: mooring.ReadOnlyProject) -> None:
    assert project.fetch_metrics(paths=["train/loss"], step_range=(0, 5)).empty


def test_a_pattern_that_nothing_matches_is_no_error(project: mooring.ReadOnlyProject) -> None:
    assert project.fetch_metrics(paths="nothing").empty


def test_a_handle_for_logging_tells_how_to_read(tmp_path: Path) -> None:
    with mooring.Run("digits", store=tmp_path / "runs.db", run_id="a") as run:
        with pytest.raises(AttributeError, match=r"mooring\.ReadOnlyRun\(.*custom_id='a'\)"):
            run["train/loss"].fetch_last()
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            _ = run["train/loss"].nonsense
