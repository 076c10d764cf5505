"""What an answer of the resource API means: a body, or an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, NoReturn

from mooring.client.hub_errors import (
    HIDDEN,
    FatalApiError,
    HubApiError,
    InvalidParamsError,
    RetryableApiError,
    shortened,
)

if TYPE_CHECKING:
    import httpx

_GAP = re.compile(r"\s*\n\s*|\s{2,}")
_TRACE = "Extracted source (around line"
"""Where pages of Rails in development begin to show source."""
_FATAL = frozenset({401, 403, 404, 500})
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Request:
    """What an answer belongs to, as errors tell it."""

    address: str
    details: str
    secret: str | None = None
    """Hidden wherever an answer repeats it."""
    text: bool = False
    """The answer is a text, not JSON."""


def read_answer(answer: httpx.Response, request: Request) -> Any:
    """Return the body of an answer that is a success: JSON parsed, or a text.

    Raises
    ------
    InvalidParamsError, FatalApiError, RetryableApiError
        By the status. The status alone decides, so that whoever stands between the client and the
        hub may answer too.
    """
    status = answer.status_code
    body: Any = None
    meta: Any = None
    if not request.text:
        try:
            body = answer.json()
        except (JSONDecodeError, UnicodeDecodeError, RecursionError):
            meta = {}
        else:
            meta = body.get("meta") if isinstance(body, dict) else {}
    if status in (200, 201):
        if request.text:
            return answer.text
        if isinstance(body, dict):
            return body
        _fail(FatalApiError, _told(answer), {}, answer, request)
    if status == 400 and not request.text:
        if isinstance(body, dict):
            _fail(InvalidParamsError, _refusals(answer, meta), meta, answer, request)
        _fail(FatalApiError, shortened(visible_text(answer)), {}, answer, request)
    if status == 400 or status in _FATAL:
        _fail(FatalApiError, _told(answer), meta, answer, request)
    if 300 <= status < 400 and status != 304:
        told = (
            f"status: {status}, the hub is elsewhere: {answer.headers.get('location', '')[:200]}; "
            "give that address as hub_app_url"
        )
        _fail(FatalApiError, told, meta, answer, request)
    _fail(RetryableApiError, _told(answer), meta, answer, request)


def may_pass(error: HubApiError) -> bool:
    """Return whether a repeat may help against an error of a status."""
    status = error.status or 0
    return isinstance(error, RetryableApiError) and (status in _PASSING or status > 501)


def refused_unread(error: HubApiError) -> bool:
    """Return whether a status says that the request was not carried out."""
    return isinstance(error, RetryableApiError) and error.status in (425, 429, 503)


def visible_text(answer: httpx.Response) -> str:
    """Return what a reader of an answer would see: of HTML the text, without scripts and styles."""
    page = _Page()
    page.feed(answer.text)
    page.close()
    text = "".join(page.parts).partition(_TRACE)[0]
    if not text.strip():
        return f"<Response [{answer.status_code}]> {_reason(answer)}"
    return "\n".join(part for part in _GAP.split(text.strip()) if part)


def _told(answer: httpx.Response) -> str:
    return f"status: {answer.status_code}, body: {shortened(visible_text(answer))}"


def _reason(answer: httpx.Response) -> str:
    try:
        return answer.reason_phrase or HTTPStatus(answer.status_code).phrase
    except ValueError:  # a number that HTTP does not know
        return ""


def _refusals(answer: httpx.Response, meta: Any) -> str:
    errors = meta.get("errors") if isinstance(meta, dict) else None
    if not isinstance(errors, list) or not errors:
        return _told(answer)
    told = []
    for error in errors:
        named = error if isinstance(error, dict) else {"message": error}
        words = (named.get("error_param"), named.get("message"))
        told.append(" ".join(str(word) for word in words if word is not None))
    return ", ".join(told)


def _fail(
    kind: type[HubApiError], message: str, meta: Any, answer: httpx.Response, request: Request
) -> NoReturn:
    if request.secret:
        message = message.replace(request.secret, HIDDEN)
        meta = _hidden(meta, request.secret)
    error = kind(
        message,
        meta,
        address=request.address,
        status=answer.status_code,
        request=request.details,
    )
    if isinstance(error, RetryableApiError):
        after = answer.headers.get("retry-after", "")
        error.retry_after_s = float(after) if after.isdecimal() else None
    raise error


def _hidden(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace(secret, HIDDEN)
    if isinstance(value, dict):
        return {_hidden(key, secret): _hidden(held, secret) for key, held in value.items()}
    if isinstance(value, list):
        return [_hidden(held, secret) for held in value]
    return value


class _Page(HTMLParser):
    """Collects the text of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style") and self._unseen:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)
