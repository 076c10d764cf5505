"""How Comet is reached: a folder for offline archives, or its server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mooring.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class CometSettings:
    """Where experiments go.

    Attributes
    ----------
    workspace : the workspace; offline archives may do without, `comet upload` then takes the
        user's own
    api_key : the key for the server; never shown
    folder : where offline archives are written; None: experiments go to the server
    """

    workspace: str = ""
    api_key: str = field(default="", repr=False)
    folder: Path | None = None

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        *,
        workspace: str | None = None,
        api_key: str | None = None,
        folder: str | None = None,
        online: bool = False,
    ) -> CometSettings:
        """Return settings of `--comet-workspace`, `--comet-api-key`, `--folder` and `--online`.

        What is missing comes from COMET_WORKSPACE, COMET_API_KEY and COMET_OFFLINE_DIRECTORY.
        Without `online` archives are written, to the folder `comet-offline` if none is told.

        >>> CometSettings.read({"COMET_API_KEY": "k", "COMET_WORKSPACE": "team"}, online=True)
        CometSettings(workspace='team', folder=None)
        >>> CometSettings.read({}).folder.name
        'comet-offline'
        """
        where = folder or environment.get("COMET_OFFLINE_DIRECTORY") or "comet-offline"
        settings = cls(
            workspace=workspace or environment.get("COMET_WORKSPACE", ""),
            api_key=api_key or environment.get("COMET_API_KEY", ""),
            folder=None if online else Path(where).expanduser().absolute(),
        )
        if settings.folder is None:
            for value, option, variable in (
                (settings.workspace, "--comet-workspace", "COMET_WORKSPACE"),
                (settings.api_key, "--comet-api-key", "COMET_API_KEY"),
            ):
                if not value:
                    raise InvalidInput(
                        f"Comet's server needs {option} (or {variable}); to write archives for "
                        "`comet upload` instead, leave --online out"
                    )
        return settings
