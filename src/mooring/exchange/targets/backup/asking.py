"""The three questions of the bulk backup script, asked in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from mooring.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Answers:
    """Where to, whether with what artifacts track, and which projects."""

    folder: str
    artifacts: bool
    projects: tuple[str, ...]


def ask_questions(known: Sequence[str], *, answers: TextIO, words: TextIO) -> Answers:
    """Ask for folder, artifacts and projects, as the script did.

    A blank folder is the current one; `y` and nothing else wants artifacts; projects are
    separated by commas, or `all`. Projects are listed before they are asked for.

    Parameters
    ----------
    known : full names of the projects there are
    answers : read line by line, such as standard input
    words : what the questions are written to, such as standard error

    Raises
    ------
    InvalidInput
        When there is no project, one that is not known was named, or the answers end.

    Examples
    --------
    >>> import io
    >>> told = ask_questions(
    ...     ["team/a", "team/b"], answers=io.StringIO("saved\\nn\\nall\\n"), words=io.StringIO()
    ... )
    >>> told.folder, told.artifacts, told.projects
    ('saved', False, ('team/a', 'team/b'))
    """

    def ask(question: str) -> str:
        words.write(question)
        words.flush()
        line = answers.readline()
        if not line:
            words.write("\n")
            raise InvalidInput("the answers ended; give folder, --artifacts and --project instead")
        return line.strip()

    folder = ask("Download folder (leave blank for the current one): ") or "."
    artifacts = ask("Download remotely tracked artifacts as well? (y/n): ") == "y"
    if not known:
        raise InvalidInput("there are no projects to back up")
    words.write("Projects found:\n" + "".join(f"  {_plain(project)}\n" for project in known))
    wanted = ask("Projects to download (comma-separated, or 'all'): ")
    if wanted == "all":
        return Answers(folder, artifacts, tuple(known))
    projects = tuple(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    unknown = [name for name in projects if name not in known]
    if unknown or not projects:
        raise InvalidInput(
            f"no such project: {', '.join(unknown)}" if unknown else "no project was named"
        )
    return Answers(folder, artifacts, projects)


def _plain(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
