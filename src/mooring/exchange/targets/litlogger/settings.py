"""How Lightning's server is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mooring.errors import InvalidInput

LIMIT = 64
"""Characters of the name of a teamspace or an experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LitLoggerSettings:
    """Where experiments go.

    Attributes
    ----------
    owner : user or organization that has the teamspaces
    api_key, user_id : credentials; empty: those that `lightning login` left
    """

    owner: str
    api_key: str = field(default="", repr=False)
    user_id: str = ""

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        *,
        owner: str | None = None,
        api_key: str | None = None,
        user_id: str | None = None,
    ) -> LitLoggerSettings:
        """Return settings of `--litlogger-owner`, `--litlogger-api-key`, `--litlogger-user-id`.

        What is missing comes from LITLOGGER_OWNER, LITLOGGER_API_KEY and LITLOGGER_USER_ID, or from
        LIGHTNING_API_KEY and LIGHTNING_USER_ID, or from the file that `lightning login` writes.

        >>> LitLoggerSettings.read({"LITLOGGER_OWNER": "me"}, api_key="secret", user_id="u")
        LitLoggerSettings(owner='me', user_id='u')
        """

        def first(given: str | None, name: str) -> str:
            own = environment.get(f"LITLOGGER_{name}", "")
            return given or own or environment.get(f"LIGHTNING_{name}", "")

        settings = cls(
            owner=owner or environment.get("LITLOGGER_OWNER", ""),
            api_key=first(api_key, "API_KEY"),
            user_id=first(user_id, "USER_ID"),
        )
        if not settings.owner:
            raise InvalidInput("LitLogger needs --litlogger-owner USER_OR_ORG (or LITLOGGER_OWNER)")
        if bool(settings.api_key) != bool(settings.user_id):
            raise InvalidInput(
                "LitLogger needs --litlogger-api-key and --litlogger-user-id together (or "
                "LITLOGGER_API_KEY and LITLOGGER_USER_ID)"
            )
        left = environment.get("LIGHTNING_CREDENTIAL_PATH") or "~/.lightning/credentials.json"
        if not settings.api_key and not Path(left).expanduser().exists():
            raise InvalidInput(
                "LitLogger needs --litlogger-api-key and --litlogger-user-id (or "
                "LITLOGGER_API_KEY and LITLOGGER_USER_ID), or `lightning login` first"
            )
        return settings


def clean_name(text: str) -> str:
    """Return the name of a teamspace or experiment.

    >>> clean_name("team/my digits")
    'team_my_digits'
    """
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)[:LIMIT] or "_"
