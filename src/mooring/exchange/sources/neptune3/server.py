"""The server that a token of Neptune is for: which it is, whether it answers, what projects it has.

The readers of `neptune-query` repeat a request for half an hour without a word, and cannot list
projects. So the first contact, and what is asked about projects, is made here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mooring.client.token import ApiToken
from mooring.errors import InvalidInput, SourceUnreadable, TargetUnreachable

if TYPE_CHECKING:
    import httpx

TOKEN_VARIABLE = "NEPTUNE_API_TOKEN"
PATIENCE_VARIABLE = "NEPTUNE_QUERY_RETRY_SOFT_TIMEOUT"
"""How many seconds `neptune-query` repeats a request that fails."""

_FIRST_PATIENCE_S = 15.0
_PATIENCE_S = 300
_TIMEOUT_S = 30.0
_BACKEND = "/api/backend/v1"
_PAGE = 200


def read_token() -> ApiToken:
    """Return the token of the environment; `InvalidInput` where there is none that can be read."""
    text = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not text:
        raise InvalidInput(
            f"{TOKEN_VARIABLE} is not set; it holds the API token of the Neptune server to read"
        )
    token = ApiToken.find(text)
    if token is None:
        raise InvalidInput(
            f"{TOKEN_VARIABLE} holds no API token of Neptune: it should be base64 of JSON with "
            "api_url and api_key; copy it again from where it was made"
        )
    return token


def patience() -> int:
    """Return how many seconds a request is repeated that fails; 300 if nothing else is told."""
    text = os.environ.get(PATIENCE_VARIABLE, "").strip()
    try:
        return int(text) if text else _PATIENCE_S
    except ValueError:
        raise InvalidInput(
            f"{PATIENCE_VARIABLE} is a whole number of seconds, not {text!r}"
        ) from None


def default_address() -> str:
    """Return the address of the server that the token of the environment is for."""
    return read_token().address


class Neptune3Server:
    """Asks the server that the token of the environment is for.

    Parameters
    ----------
    address : where it is; it has to be the token's own
    """

    def __init__(self, address: str) -> None:
        self._token = read_token()
        self._text = os.environ[TOKEN_VARIABLE].strip()
        if address.rstrip("/") != self._token.address:
            raise InvalidInput(
                f"the token in {TOKEN_VARIABLE} is for {self._token.address}, not for {address}; "
                "leave the address out, or set the token of that server"
            )

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._token.address

    @property
    def token(self) -> str:
        """The API token, as readers send it."""
        return self._text

    def check(self, *, patience_s: float | None = None) -> None:
        """Find out whether the server answers and takes the token.

        Raises
        ------
        TargetUnreachable
            When it does not answer for `patience_s` seconds; by default for 15, or for what the
            environment tells, where that is less.
        SourceUnreadable
            When it refuses the token.
        """
        with self._client() as client:
            self._exchange(client, patience_s)

    def list_projects(self) -> list[str]:
        """Return the full names of the projects that the server lists to the token, sorted."""
        names: dict[str, None] = {}
        with self._client() as client:
            access = self._exchange(client)
            while True:
                before = len(names)
                query = {
                    "userRelation": "viewerOrHigher",
                    "sortBy": "lastViewed",
                    "offset": str(before),
                    "limit": str(_PAGE),
                }
                found = self._get(client, f"{_BACKEND}/projects", query, access)
                if found is None:
                    raise self._refused("does not list its projects; name them by -p")
                entries = found.get("entries") or []
                for entry in entries:
                    names[f"{entry['organizationName']}/{entry['name']}"] = None
                if len(names) == before or len(names) >= found.get("matchingItemCount", 0):
                    return sorted(names)

    def has_project(self, project: str) -> bool:
        """Return whether the server has a project that the token may read."""
        with self._client() as client:
            access = self._exchange(client)
            query = {"projectIdentifier": project}
            return self._get(client, f"{_BACKEND}/projects/get", query, access) is not None

    def _client(self) -> httpx.Client:
        import httpx

        verify = os.environ.get("NEPTUNE_VERIFY_SSL", "true").lower() in ("true", "1")
        return httpx.Client(timeout=_TIMEOUT_S, verify=verify, follow_redirects=False)

    def _exchange(self, client: httpx.Client, patience_s: float | None = None) -> str:
        """Return an access token for the API token."""
        answer = self._ask(
            client,
            f"{_BACKEND}/authorization/oauth-token",
            {},
            {"X-Neptune-Api-Token": self._text},
            patience_s,
        )
        if answer.status_code == 401:
            raise self._refused(f"refuses the token in {TOKEN_VARIABLE}: it is wrong or revoked")
        if answer.status_code != 200:
            raise self._refused(
                f"answers HTTP {answer.status_code} to a token of Neptune; is it a server of "
                "Neptune 3, and is that its address?"
            )
        access = self._json(answer).get("accessToken")
        if not isinstance(access, str):
            raise self._refused("gives no access token for the API token")
        return access

    def _get(
        self, client: httpx.Client, path: str, query: Mapping[str, str], access: str
    ) -> dict[str, Any] | None:
        """Return an answer; None where there is nothing, or nothing that may be seen."""
        headers = {"Authorization": f"Bearer {access}"}
        answer = self._ask(client, path, query, headers)
        if answer.status_code in (403, 404):
            return None
        if answer.status_code != 200:
            raise self._refused(f"answers HTTP {answer.status_code} to {path}")
        return self._json(answer)

    def _ask(
        self,
        client: httpx.Client,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        patience_s: float | None = None,
    ) -> httpx.Response:
        import httpx

        if patience_s is None:
            patience_s = min(_FIRST_PATIENCE_S, patience())
        started, wait = time.monotonic(), 0.25
        while True:
            try:
                answer = client.get(f"{self.address}{path}", params=query, headers=headers)
                if answer.status_code != 429 and answer.status_code < 500:
                    return answer
                why = f"HTTP {answer.status_code}"
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise self._refused(f"is no address of a server: {error}") from error
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
            waited = time.monotonic() - started
            if waited + wait > patience_s:
                raise TargetUnreachable(
                    f"no Neptune server answers at {self.address} (waited {waited:.0f} s): {why}",
                    where=self.address,
                )
            time.sleep(wait)
            wait = min(wait * 2, 4.0)

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._refused("answers something that is no JSON; is it a server of Neptune 3?")
        return found

    def _refused(self, why: str) -> SourceUnreadable:
        return SourceUnreadable(f"the server at {self.address} {why}", where=self.address)
