"""Folders that another tracker left are walked whole, or told of."""

from __future__ import annotations

import shutil
from pathlib import Path

from mooring.exchange.reading.files import walk
from mooring.exchange.reports import ProblemList


def test_folders_and_files_come_in_their_order(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3", "0"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert list(walk(tmp_path)) == [
        (tmp_path, ["0"]),
        (tmp_path / "a", ["3"]),
        (tmp_path / "b", ["1", "2"]),
    ]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    for name in ("gone", "kept"):
        (tmp_path / name).mkdir()
    problems = ProblemList()
    found = walk(tmp_path, problems)
    next(found)
    shutil.rmtree(tmp_path / "gone")
    assert [folder.name for folder, _ in found] == ["kept"]
    (problem,) = problems.named
    assert str(tmp_path / "gone") in str(problem)


def test_links_are_followed_once_where_they_are_to_be(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "above").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert [folder for folder, _ in walk(tmp_path)] == [tmp_path, tmp_path / "a"]
    assert [folder for folder, _ in walk(tmp_path, follow_links=True)] == [tmp_path, tmp_path / "a"]
