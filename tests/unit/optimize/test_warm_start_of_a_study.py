"""`Study.warm_start`: the question is kept, and its filter chooses runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring import Run
from mooring.errors import MooringError
from mooring.optimize import Float, Study
from mooring.query import field


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three runs with a metric, of which two have `x` above 0.4."""
    for index, x in enumerate([0.1, 0.5, 0.9]):
        with Run("team/x", store=tmp_path / "runs.db", on_error="raise") as run:
            run["params/x"] = x
            run["loss"] = float(index)
    return tmp_path / "runs.db"


def test_filter_is_text_or_an_expression(store: Path) -> None:
    space = {"x": Float(0, 1)}
    with Study("text", store=store, project="team/x", space=space, seed=1) as study:
        assert study.warm_start("loss") == 3
        assert study.warm_start("loss", filter="`params/x`:float > 0.4") == 2
        assert study.warm_start("loss", filter=field("params/x") > 0.8) == 1
        assert len(study.spec.warm_start) == 3
    with Study("text", store=store, project="team/x", resume=True) as study:
        study.optimize(lambda trial: trial["x"], n_trials=1)


def test_filter_that_is_none_is_told_and_not_kept(store: Path) -> None:
    with Study("bad", store=store, project="team/x", space={"x": Float(0, 1)}) as study:
        with pytest.raises(MooringError, match="position"):
            study.warm_start("loss", filter="`params/x` <<< 1")
        assert study.spec.warm_start == ()
