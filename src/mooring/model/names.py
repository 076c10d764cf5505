"""Names: projects, run ids and attribute paths."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mooring.errors import InvalidName, InvalidPath

MAX_PATH_BYTES = 1024
MAX_RUN_ID_BYTES = 730
DEFAULT_WORKSPACE = "local"

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, order=True)
class ProjectName:
    """A project's full name, `workspace/name`.

    >>> ProjectName.parse("digits")
    ProjectName(workspace='local', name='digits')
    >>> str(ProjectName.parse("team/digits"))
    'team/digits'
    """

    workspace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ProjectName:
        """Read `workspace/name`, or `name` alone for the workspace `local`."""
        if not isinstance(text, str):
            raise InvalidName(f"a project name is text, not {type(text).__name__}")
        workspace, slash, name = text.partition("/")
        if not slash:
            workspace, name = DEFAULT_WORKSPACE, text
        if not workspace.strip() or not name.strip() or "/" in name or _CONTROL.search(text):
            raise InvalidName(f"{text!r} is no project name; write 'workspace/name' or 'name'")
        if len(text.encode()) > MAX_RUN_ID_BYTES:
            raise InvalidName(f"project name of {len(text.encode())} bytes exceeds 730")
        return cls(workspace, name)

    def __str__(self) -> str:
        return f"{self.workspace}/{self.name}"

    def suggest_key(self) -> str:
        """Return the prefix of short run ids, such as `DIG` for `digits`.

        >>> ProjectName.parse("team/my-first project").suggest_key()
        'MFP'
        """
        words = re.findall(r"[A-Za-z0-9]+", self.name) or ["run"]
        key = words[0][:3] if len(words) == 1 else "".join(word[0] for word in words)[:5]
        key = key.upper()
        return key if re.search("[A-Z]", key) else f"P{key}"


def validate_path(path: object) -> str:
    """Return an attribute path, or raise `InvalidPath`.

    A path is 1 to 1,024 bytes of UTF-8 without control characters; `/` separates its parts.
    """
    if not isinstance(path, str):
        raise InvalidPath(f"an attribute path is text, not {path!r} ({type(path).__name__})")
    if not path:
        raise InvalidPath("an attribute path cannot be empty")
    if found := _CONTROL.search(path):
        raise InvalidPath(f"attribute path {path!r} holds the character {found.group()!r}")
    if len(path) > MAX_PATH_BYTES // 4 and (size := len(path.encode())) > MAX_PATH_BYTES:
        raise InvalidPath(f"attribute path {path[:40]!r}… has {size} bytes; the limit is 1024")
    return path


def validate_run_id(run_id: object) -> str:
    """Return a user's run id, or raise `InvalidName`."""
    if not isinstance(run_id, str):
        raise InvalidName(f"a run id is text, not {run_id!r} ({type(run_id).__name__})")
    if not run_id.strip() or _CONTROL.search(run_id):
        raise InvalidName(f"{run_id!r} cannot be a run id")
    if (size := len(run_id.encode())) > MAX_RUN_ID_BYTES:
        raise InvalidName(f"run id {run_id[:40]!r}… has {size} bytes; the limit is 730")
    return run_id
