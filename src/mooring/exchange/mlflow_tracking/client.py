"""MLflow's client: where it connects to, its errors, and what it reads page by page."""

from __future__ import annotations

import importlib
import mimetypes
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from mooring.errors import InvalidInput, MissingExtra, TargetRefused, TargetUnreachable
from mooring.exchange.packages import require_package, variable_set

if TYPE_CHECKING:
    import numpy as np
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

URI_VARIABLE = "MLFLOW_TRACKING_URI"

MAX_DOUBLE = 1.7976931348623157e308
"""What MLflow's databases hold in place of infinity."""

QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""What MLflow's client is told while we use it, where the environment does not tell it."""

METRIC_ROW = [("step", "<i8"), ("time", "<i8"), ("value", "<f8")]
"""Columns of points of a metric, as NumPy's records."""

PAGE = 25_000
"""Points of a metric that are asked for at once; what MLflow's own client asks for."""

_SERVERS = ("http", "https", "databricks", "uc")


def resolve_uri(uri: str | None) -> str:
    """Return the tracking URI that was given, or the one of the environment.

    Raises `InvalidInput` when there is neither.
    """
    found = uri or os.environ.get(URI_VARIABLE, "")
    if not found:
        raise InvalidInput(
            "no MLflow tracking URI; give one, such as http://host:5000 or sqlite:///mlflow.db, "
            f"or set {URI_VARIABLE}"
        )
    return found


def is_server(uri: str) -> bool:
    """Return whether a tracking URI is that of a server, and not of a database or folder."""
    return urlsplit(uri).scheme in _SERVERS or uri.startswith("databricks")


def is_folder(uri: str) -> bool:
    """Return whether a tracking URI is that of a folder (MLflow's file store).

    >>> is_folder("./mlruns"), is_folder("file:///tmp/mlruns"), is_folder("sqlite:///a.db")
    (True, True, False)
    """
    return not is_server(uri) and urlsplit(uri).scheme in ("", "file")


def shown_uri(uri: str) -> str:
    """Return a URI as it may be shown: without a password.

    >>> shown_uri("https://me:secret@host:5000/x?token=1")
    'https://host:5000/x'
    """
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


class QuietClient:
    """Sets `QUIET` in the environment, which is where MLflow reads it, until it is closed."""

    def __init__(self) -> None:
        self._set = [name for name in QUIET if name not in os.environ]
        os.environ.update({name: QUIET[name] for name in self._set})

    def close(self) -> None:
        """Take back what was set. Idempotent."""
        for name in self._set:
            os.environ.pop(name, None)
        self._set = []


def connect(uri: str) -> MlflowClient:
    """Return a client of a tracking store.

    A folder (MLflow's file store) is refused by newer clients unless `MLFLOW_ALLOW_FILE_STORE` is
    set: who names one here wants it.
    """
    tracking = require_package("mlflow.tracking", extra="mlflow")
    allowed = variable_set("MLFLOW_ALLOW_FILE_STORE", "true") if is_folder(uri) else nullcontext()
    with translated(uri), allowed:
        client: MlflowClient = tracking.MlflowClient(tracking_uri=uri)
        return client


@contextmanager
def translated(address: str, *, run: str | None = None) -> Iterator[None]:
    """Turn errors of MLflow and of its connection into ours."""
    mlflow_error: Any = importlib.import_module("mlflow.exceptions").MlflowException
    request_error: Any = importlib.import_module("requests").exceptions.RequestException
    try:
        yield
    except mlflow_error as error:
        text = _without_secrets(str(error))
        if _is_passing(error):
            raise TargetUnreachable(
                f"MLflow at {address}: {text}", where=address, run=run
            ) from error
        raise TargetRefused(f"MLflow at {address}: {text}", where=address, run=run) from error
    except (request_error, ConnectionError, TimeoutError) as error:
        text = _without_secrets(str(error))
        raise TargetUnreachable(f"MLflow at {address}: {text}", where=address, run=run) from error
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), extra="mlflow") from error
    except ImportError as error:  # such as a SQLAlchemy that this MLflow does not know yet
        raise TargetRefused(f"MLflow cannot be loaded here: {error}", where=address) from error


def all_pages(read: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield the items of all pages that a call of the client returns."""
    token: str | None = None
    while True:
        page = read(token)
        yield from page
        token = page.token
        if not token:
            return


def media_type(name: str) -> str:
    """Return the media type that the name of an artifact tells.

    >>> media_type("plot.png"), media_type("weights")
    ('image/png', 'application/octet-stream')
    """
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def read_history(client: Any, run_id: str, name: str) -> np.ndarray:
    """Return the points of a metric: `step`, `time` in milliseconds, `value`.

    They are read page by page, through the store behind the client: the client itself keeps an
    object for each point until it has all, which is some gigabytes for ten million.
    """
    import numpy as np

    store = client._tracking_client.store
    parts = [np.empty(0, METRIC_ROW)]
    token: str | None = None
    while True:
        page = store.get_metric_history(run_id, name, max_results=PAGE, page_token=token)
        rows = np.empty(len(page), METRIC_ROW)
        rows["step"] = [metric.step for metric in page]
        rows["time"] = [metric.timestamp for metric in page]
        rows["value"] = [metric.value for metric in page]
        parts.append(rows)
        token = page.token
        if not token:
            return np.concatenate(parts)


def _is_passing(error: Any) -> bool:
    """Return whether the same request may succeed later."""
    status = error.get_http_status_code()
    return bool(status >= 500 or status in (408, 429)) and "NOT_IMPLEMENTED" not in str(
        error.error_code
    )


def _without_secrets(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://", text)
