"""Which code ran, from real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mooring.errors import InvalidInput
from mooring.store import open_store
from mooring.tracker import Tracker
from mooring.tracker.git import (
    get_commit_hash,
    get_commit_tags,
    read_git_state,
    without_secrets,
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=trunk")
    (folder / "train.py").write_text("x = 1\n")
    commit(folder, "first")
    return folder


def git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *name, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def test_hashes(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "*").write_text("a name that is a pattern\n")
    second = commit(repository, "second")
    assert get_commit_hash(git_root=repository) == second
    assert get_commit_hash("train.py", repository) == first
    assert get_commit_hash("*", git_root=str(repository)) == second
    assert get_commit_hash("absent.py", repository) is None
    assert get_commit_hash("--all", repository) is None
    monkeypatch.chdir(repository)
    assert get_commit_hash() == second
    assert get_commit_hash(git_root=tmp_path / "absent") is None


def test_tags(repository: Path, tmp_path: Path) -> None:
    assert get_commit_tags(repository) == []
    git(repository, "tag", "v2")
    git(repository, "tag", "-a", "-m", "one", "v1")
    assert get_commit_tags(repository) == ["v1", "v2"]
    (repository / "b.py").write_text("")
    commit(repository, "second")
    assert get_commit_tags(repository) == []
    with pytest.raises(InvalidInput, match="absent"):
        get_commit_tags(tmp_path / "absent")


def test_state(repository: Path) -> None:
    state = read_git_state(repository)
    assert state is not None
    assert (state.branch, state.dirty, state.remote) == ("trunk", False, None)
    assert state.commit == git(repository, "rev-parse", "HEAD")
    (repository / "new.py").write_text("")
    git(repository, "remote", "add", "upstream", "https://me:token@example.org/code.git")
    git(repository, "checkout", "--quiet", "--detach")
    state = read_git_state(repository)
    assert state is not None
    assert (state.branch, state.dirty, state.remote) == (
        None,
        True,
        "https://example.org/code.git",
    )


def test_a_repository_without_commits(tmp_path: Path, repository: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet", "--initial-branch=trunk")
    state = read_git_state(empty)
    assert state is not None
    assert (state.commit, state.branch, state.dirty) == (None, "trunk", False)
    assert get_commit_tags(empty) == []


def test_without_git_nothing_fails(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert get_commit_hash(git_root=repository) is None
    assert "git cannot be run" in caplog.text


def test_a_repository_cannot_make_git_run_its_programs(repository: Path) -> None:
    script = repository.parent / "watch.sh"
    script.write_text(f"#!/bin/sh\ntouch '{repository.parent}/ran'\n")
    script.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(script))
    state = read_git_state(repository)
    assert state is not None
    assert state.dirty is False
    assert not (repository.parent / "ran").exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://token@example.org/a.git", "https://example.org/a.git"),
        ("https://me:p@ss@example.org:8443/@scope/a", "https://example.org:8443/@scope/a"),
        ("https://example.org/a?access_token=t#t", "https://example.org/a"),
        ("https://me:p/w@example.org/a", None),
        ("ssh://git:secret@example.org:22/a.git", "ssh://git@example.org:22/a.git"),
        ("ssh://git@[::1]/a.git", "ssh://git@[::1]/a.git"),
        ("helper::https://me:token@example.org/a", "helper::https://example.org/a"),
        ("git@example.org:team/a.git", "git@example.org:team/a.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("file:///srv/git/a.git", "file:///srv/git/a.git"),
    ],
)
def test_remotes_are_shown_without_credentials(url: str, shown: str | None) -> None:
    assert without_secrets(url) == shown


def test_a_tracker_says_which_code_ran(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", "https://me:token@example.org/code.git")
    head = git(repository, "rev-parse", "HEAD")
    path = str(tmp_path / "track.db")
    with Tracker(path, git_root=repository, on_error="raise") as tracker:
        assert tracker.log({"loss": 0.5})["git_commit_hash"] == head
        assert tracker.git_root == repository
    with open_store(path) as store:
        run = store.find_run("local/events", run_id=tracker.track_id)
        assert run is not None
        paths = ("git_commit_hash", *(f"source/git/{one}" for one in ("branch", "dirty", "remote")))
        values = [store.get_value(run.key, one)[1] for one in paths]
    assert values == [head, "trunk", False, "https://example.org/code.git"]


def test_outside_a_repository_the_commit_is_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with Tracker(Tracker.IN_MEMORY, git_root=folder, on_error="raise") as tracker:
            assert tracker.log({"x": 1})["git_commit_hash"] is None
