"""`HubClient`: the resources of a hub, under the names that the original client has for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from mooring.client import hub_errors
from mooring.client.families import Id, ResourceFamilies
from mooring.client.resource_calls import NOT_SENT, Answer, Handler


class HubClient(ResourceFamilies):
    """Projects, experiments, trials, models and all else that a hub has, by its resource API.

    The methods are `get_<r>s`, `get_<r>`, `create_<r>`, `update_<r>`, `delete_<r>`,
    `iterate_all_<r>s` and `iter_<r>s`, as the original client names them; each answers the parsed
    body. A client may be used by any number of threads, and ends with `close()` or a `with` block.

    Parameters
    ----------
    hub_app_url : address of the hub. Default: the one in the token
    token : a user's; one that `mooring token create` prints also tells the address. With neither
        an address nor a token: MOORING_API_TOKEN
    hub_project_api_token : a token that stands for a project, which need not be named then
    hub_cluster_api_token, hub_system_token : of a cluster, of a service. One token is sent: the
        first there is of project's, cluster's, user's, system's
    optimizers_url : address of the service for `get_next_trials` and its like. Default: the hub
    retries_count : how often a request is repeated after an answer that may be another one later
        (503 and its like)
    connection_retries_count : the same after no answer at all. Default: `retries_count`
    retry_wait_seconds : the wait before the first repeat. It doubles with each one, up to 10 s, a
        random half of it is left out, and a hub that says when to come is heard
    timeout_s : for a connection, and for each piece of an answer; five times as long for one of the
        optimizers service
    proxies : scheme (`http`, `https`) to the address of a proxy
    debug : write a line to standard error for each request, without parameters

    Raises
    ------
    InvalidAddress
        Where no address is told, or one that is none.

    Notes
    -----
    Every failure is one of the classes below, all of them `mooring.errors.HubError`.

    What only asks is repeated after every failure that may pass. So is what creates: each
    creation carries a name (`Idempotency-Key`) by which a hub of Mooring knows it when it comes
    again; another hub is asked again only when the request did certainly not arrive. Other changes
    are repeated only then as well, but for `update_trials`, which is the same when it comes twice.

    Examples
    --------
    >>> client = HubClient("http://127.0.0.1:8080", token="s3cret")
    >>> client
    HubClient('http://127.0.0.1:8080')
    >>> client.close()
    """

    BaseError = hub_errors.HubApiError
    FatalApiError = hub_errors.FatalApiError
    InvalidParamsError = hub_errors.InvalidParamsError
    MissingParamError = hub_errors.MissingParamError
    NetworkError = hub_errors.NetworkError
    RetryableApiError = hub_errors.RetryableApiError

    def __enter__(self) -> HubClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def refit_trial(self, id: Id, refit_data_path: str) -> Answer:
        """Ask for a trial to be fitted again, on other data.

        `POST /api/v1/trials`. `data` is the trial.
        """
        return self.create_trial(id=str(id), refit_data_path=refit_data_path)

    def get_project_file_url(
        self, *, project_id: Id = NOT_SENT, file_path: str = NOT_SENT, **more: Any
    ) -> Answer:
        """Return a link by which a file of a project is downloaded.

        The same as `get_project_file_urls`.
        """
        return self.get_project_file_urls(
            project_id=project_id,  # type: ignore[arg-type]  # the hub takes the number as text too
            file_path=file_path,
            **more,
        )

    def iterate_all_project_file_urls(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with the link of `get_project_file_url`: there is one for a file."""
        handler(self.get_project_file_urls(**filters)["data"])

    def get_next_trials(self, payload: Mapping[str, Any] | None = None, **more: Any) -> Answer:
        """Ask the optimizers service for the next trials to run, by one optimizer."""
        return self._optimize("/next_trials", {**(payload or {}), **more})

    def get_next_trials_v2(self, payload: Mapping[str, Any] | None = None, **more: Any) -> Answer:
        """Ask the optimizers service for the next trials to run; it chooses the optimizers."""
        return self._optimize("/v2/next_trials", {**(payload or {}), **more})

    def get_fte(self, payload: Mapping[str, Any] | None = None, **more: Any) -> Answer:
        """Ask the optimizers service how long a fit will take."""
        return self._optimize("/fte", {**(payload or {}), **more})
