"""Keys of uploaded files: names within a project, which lead nowhere else."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from mooring.hub.doors.auger.refusals import invalid
from mooring.model import ProjectName

ROOT = "workspace/projects/"
_MAX_BYTES = 600
_BAD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


def key_of(project: str, file_path: str) -> str:
    """Return the key of a path in a project.

    A path below `workspace/projects/` is a key already, alone or as a bucket has it; anything else
    lies among the project's files. Raises `Refused` for a path that would leave its place.

    >>> key_of("team/digits", "train.csv")
    'workspace/projects/digits/files/train.csv'
    """
    if file_path.startswith(f"{project}/{ROOT}"):
        file_path = file_path.removeprefix(f"{project}/")
    parts = file_path.split("/")
    if (
        not file_path
        or _BAD.search(file_path)
        or any(part in ("", ".", "..") for part in parts)
        or len(file_path.encode()) > _MAX_BYTES
    ):
        raise invalid("file_path", "is not a path that a file can have")
    if file_path.startswith(ROOT):
        return file_path
    return f"{ROOT}{ProjectName.parse(project).name}/files/{file_path}"


def bucket_key(project: str, key: str) -> str:
    """Return what a key is called in a bucket, which the projects of all workspaces share."""
    return f"{project}/{key}"


def key_of_url(project: str, url: str) -> str | None:
    """Return the key that a url of a file names, or None where it can be none of this hub's.

    >>> key_of_url("team/digits", "s3://bucket/workspace/projects/digits/files/a.csv")
    'workspace/projects/digits/files/a.csv'
    >>> key_of_url("team/digits", "files/a.csv")
    'workspace/projects/digits/files/a.csv'
    """
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    path = url if not split.scheme else unquote(split.path).lstrip("/")
    at = path.find(ROOT)
    if at >= 0:
        return path[at:]
    if split.scheme:
        return None
    name = ProjectName.parse(project).name
    return f"{ROOT}{name}/{path}" if path.startswith("files/") else f"{ROOT}{name}/files/{path}"


def model_of(project: str, key: str) -> str | None:
    """Return the id of the trial or pipeline whose model a key is, or None.

    Models lie under `workspace/projects/<project>/models/<id>`, with any ending or in a folder
    of that name.
    """
    start = f"{ROOT}{ProjectName.parse(project).name}/models/"
    if not key.startswith(start):
        return None
    first = key.removeprefix(start).split("/")[0]
    return first.partition(".")[0] or None
