"""Where offline runs of Minfx's client go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class MinfxSettings:
    """Where runs are written.

    Attributes
    ----------
    folder : gets the folder `.neptune` that the client writes, copies of files, and a list of
        what was loaded; all of it is kept until `minfx sync` has run
    project : the project that they are meant for, named in what is told to the user
    """

    folder: Path
    project: str

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        *,
        folder: str | None = None,
        project: str | None = None,
    ) -> MinfxSettings:
        """Return settings of `--folder` and `--minfx-project` (or MINFX_PROJECT).

        >>> MinfxSettings.read({"MINFX_PROJECT": "team/digits"}).folder.name
        'minfx-offline'
        """
        target = project or environment.get("MINFX_PROJECT", "")
        if not target:
            raise InvalidInput("Minfx needs --minfx-project WORKSPACE/PROJECT (or MINFX_PROJECT)")
        return cls(folder=Path(folder or "minfx-offline").expanduser().absolute(), project=target)

    @property
    def sync_command(self) -> str:
        """What a user runs to bring the runs to the server."""
        return f"minfx sync --path {self.folder} --project {self.project} --offline-only"
