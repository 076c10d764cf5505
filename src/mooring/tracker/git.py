"""What git says of the code that runs: commit, tags, branch, remote.

The program `git` is asked, without a shell, and changes nothing. Where there is no git, no
repository, or no answer within 10 seconds, the answer is None.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import InvalidInput

__all__ = ["GitState", "get_commit_hash", "get_commit_tags", "read_git_state", "without_secrets"]

PathArgument = str | os.PathLike[str]

_TIMEOUT_S = 10.0
# A repository's own settings must not make a question run a program of its choice.
_PROGRAM = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_URL = re.compile(r"(?P<scheme>[A-Za-z][\w+.:-]*://)(?P<host>[^/?#]*)(?P<path>[^?#]*)")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.-]*)(:\d+)?", re.ASCII)
_logger = logging.getLogger("mooring")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """A work tree at one instant.

    Attributes
    ----------
    commit : 40 hex digits of HEAD, None before the first commit
    branch : its name, None when HEAD is detached
    dirty : whether tracked or new files differ from HEAD; None when git did not say
    remote : URL of `origin`, else of the first remote, without credentials
    """

    commit: str | None
    branch: str | None
    dirty: bool | None
    remote: str | None


def get_commit_hash(path: PathArgument | None = None, git_root: PathArgument = ".") -> str | None:
    """Return the hash of HEAD, or of the last commit that changed `path`.

    `path` is relative to `git_root`. None outside a repository, for a folder that is missing, and
    for a path that no commit touched.
    """
    if path is None:
        return _ask(git_root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") or None
    # literal: a name with * or : is that name and no pattern
    return (
        _ask(git_root, "--literal-pathspecs", "log", "-1", "--format=%H", "--", os.fspath(path))
        or None
    )


def get_commit_tags(git_root: PathArgument = ".") -> list[str]:
    """Return the tags on HEAD, sorted; none outside a repository.

    Raises
    ------
    InvalidInput
        When there is no such folder.
    """
    if not Path(git_root).is_dir():
        raise InvalidInput(f"there is no folder {os.fspath(git_root)!r} to ask git about")
    return sorted((_ask(git_root, "tag", "--points-at", "HEAD") or "").splitlines())


def read_git_state(git_root: PathArgument = ".") -> GitState | None:
    """Return the state of the work tree that holds a folder, or None outside a repository."""
    if _ask(git_root, "rev-parse", "--git-dir") is None:
        return None
    status = _ask(git_root, "status", "--porcelain", "--ignore-submodules=none")
    return GitState(
        commit=get_commit_hash(git_root=git_root),
        branch=_ask(git_root, "symbolic-ref", "--quiet", "--short", "HEAD") or None,
        dirty=None if status is None else bool(status),
        remote=_read_remote(git_root),
    )


def without_secrets(url: str) -> str | None:
    """Return a remote's URL without credentials; None for one whose parts cannot be told apart.

    Of `http` and its kin user, password, query and fragment go, as any of them can be a token; of
    others the password. What is no URL stays as it is: a path, or `git@host:path`.

    >>> without_secrets("https://me:ghp_token@example.org/team/code.git")
    'https://example.org/team/code.git'
    >>> without_secrets("ssh://git:secret@example.org/code.git")
    'ssh://git@example.org/code.git'
    """
    if "://" not in url:
        return url
    parts = _URL.match(url)
    if parts is None:
        return None
    user, _, host = parts["host"].rpartition("@")
    if not _HOST.fullmatch(host):
        return None
    keep = user.partition(":")[0] if "http" not in parts["scheme"].lower() else ""
    return f"{parts['scheme']}{keep}{'@' if keep else ''}{host}{parts['path']}"


def _read_remote(git_root: PathArgument) -> str | None:
    remotes = (_ask(git_root, "remote") or "").splitlines()
    if not remotes:
        return None
    name = "origin" if "origin" in remotes else remotes[0]
    url = _ask(git_root, "config", "--get", f"remote.{name}.url")
    return without_secrets(url) if url else None


def _ask(folder: PathArgument, *arguments: str) -> str | None:
    """Return what git prints, or None when it fails."""
    import subprocess  # few trackers ask

    try:
        done = subprocess.run(
            [*_PROGRAM, *arguments],
            cwd=folder,
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        _logger.warning("git did not answer within %g s; %s has no git info", _TIMEOUT_S, folder)
        return None
    except (OSError, ValueError) as error:
        if Path(folder).is_dir():
            _logger.warning("git cannot be run (%s); %s has no git info", error, folder)
        return None
    if done.returncode:
        return None
    return done.stdout.decode("utf-8", "backslashreplace").strip()
