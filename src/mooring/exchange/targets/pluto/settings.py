"""How Pluto's server is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class PlutoSettings:
    """Where runs go.

    Attributes
    ----------
    api_key : the key for the server; never shown
    project : the project that all runs go to; empty: each to one named after the one it is from
    urls : addresses of a server other than Pluto's own, by Pluto's names (`url_api` and others)
    timeout_s : how long the client may take to bring what is queued to the server
    """

    api_key: str = field(repr=False)
    project: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 600.0

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        *,
        api_key: str | None = None,
        project: str | None = None,
    ) -> PlutoSettings:
        """Return settings of `--pluto-api-key` and `--into`, or of the environment.

        The variables are PLUTO_API_KEY, PLUTO_URL_APP, PLUTO_URL_API, PLUTO_URL_INGEST and
        PLUTO_URL_PY, and for the project NEPTUNE_EXPORTER_PLUTO_PROJECT_NAME.

        >>> settings = PlutoSettings.read({"PLUTO_API_KEY": "k", "PLUTO_URL_API": "http://here"})
        >>> settings.urls
        {'url_api': 'http://here'}
        """
        key = api_key or environment.get("PLUTO_API_KEY", "")
        if not key:
            raise InvalidInput("Pluto needs --pluto-api-key (or PLUTO_API_KEY)")
        urls = {
            name: environment[variable]
            for name in ("url_app", "url_api", "url_ingest", "url_py")
            if environment.get(variable := f"PLUTO_{name.upper()}")
        }
        named = project or environment.get("NEPTUNE_EXPORTER_PLUTO_PROJECT_NAME", "")
        return cls(api_key=key, project=named, urls=urls)
