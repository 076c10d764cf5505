"""The methods of `HubClient` for each resource. Made from the table, not to be edited:

`python -m mooring.client.generating > src/mooring/client/families.py`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mooring.client.resource_calls import (
    NOT_SENT,
    Answer,
    Handler,
    ResourceCalls,
    as_sent,
    item_path,
    parent_path,
)

Id = int | str


class ResourceFamilies(ResourceCalls):
    """One method for each action of each resource.

    Each returns the parsed body of the answer: `data`, and `meta` with `status`. Parameters that
    are not given are not sent. `more` takes parameters that are not named here, and is sent as it
    is. Parameters whose name is a word of Python end in an underscore: `from_`, `async_`.
    """

    # organizations

    def get_organizations(
        self,
        *,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the organizations.

        `GET /api/v1/organizations`. Filters: `name`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, name=name, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/organizations", sent)

    def iter_organizations(
        self,
        *,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the organizations, one by one.

        `GET /api/v1/organizations`. Filters: `name`. `limit` is the length of a page; it goes on
        from `offset` to the end.
        """
        sent = as_sent(more, name=name, limit=limit, offset=offset)
        return self._walk("/api/v1/organizations", sent)

    def iterate_all_organizations(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_organizations`, which has the filters."""
        for each in self.iter_organizations(**filters):
            handler(each)

    def get_organization(self, id: Id, **more: Any) -> Answer:
        """Return an organization.

        The tenant that projects belong to: a workspace. `GET /api/v1/organizations/{id}`. `data`
        has `id`, `name`, `subdomain`, `main_bucket`, `status`, `state_machine` and more. `status`
        is one of created, waiting, ready, terminating.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/organizations", id), sent)

    def create_organization(self, *, name: str = NOT_SENT, **more: Any) -> Answer:
        """Create an organization.

        The tenant that projects belong to: a workspace. `POST /api/v1/organizations`. Needed:
        `name`. `data` has `id`, `name`, `subdomain`, `main_bucket`, `status`, `state_machine` and
        more. `status` is one of created, waiting, ready, terminating.
        """
        sent = as_sent(more, name=name)
        return self._create("/api/v1/organizations", sent)

    def update_organization(
        self,
        id: Id,
        *,
        role_to_assume_arn: str | None = NOT_SENT,
        name: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change an organization.

        `PATCH /api/v1/organizations/{id}`. `data` has `id`, `name`, `subdomain`, `main_bucket`,
        `status`, `state_machine` and more. `status` is one of created, waiting, ready, terminating.
        """
        sent = as_sent(more, role_to_assume_arn=role_to_assume_arn, name=name)
        return self._change("patch", item_path("/api/v1/organizations", id), sent)

    def delete_organization(self, id: Id) -> Answer:
        """Delete an organization.

        `DELETE /api/v1/organizations/{id}`. `data` has `id`, `name`, `subdomain`, `main_bucket`,
        `status`, `state_machine` and more.
        """
        return self._change("delete", item_path("/api/v1/organizations", id), {})

    # projects

    def get_projects(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the projects.

        `GET /api/v1/projects`. Filters: `organization_id`, `name`. `data` is a list,
        `meta.pagination` tells `limit, offset, count, total`.
        """
        sent = as_sent(more, organization_id=organization_id, name=name, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/projects", sent)

    def iter_projects(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the projects, one by one.

        `GET /api/v1/projects`. Filters: `organization_id`, `name`. `limit` is the length of a page;
        it goes on from `offset` to the end.
        """
        sent = as_sent(more, organization_id=organization_id, name=name, limit=limit, offset=offset)
        return self._walk("/api/v1/projects", sent)

    def iterate_all_projects(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_projects`, which has the filters."""
        for each in self.iter_projects(**filters):
            handler(each)

    def get_project(self, id: Id, **more: Any) -> Answer:
        """Return a project.

        Container of files, experiments and models, whose workers can be started.
        `GET /api/v1/projects/{id}`. `data` has `id`, `name`, `url`, `status`, `deleting`,
        `state_machine` and more. `status` is one of undeployed, deploying, deployed, running,
        scaling, zero_scaled, undeploying.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/projects", id), sent)

    def create_project(
        self,
        *,
        name: str = NOT_SENT,
        organization_id: int = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a project.

        Container of files, experiments and models, whose workers can be started.
        `POST /api/v1/projects`. Needed: `name`, `organization_id`. `data` has `id`, `name`, `url`,
        `status`, `deleting`, `state_machine` and more. `status` is one of undeployed, deploying,
        deployed, running, scaling, zero_scaled, undeploying.
        """
        sent = as_sent(more, name=name, organization_id=organization_id)
        return self._create("/api/v1/projects", sent)

    def update_project(
        self,
        id: Id,
        *,
        default_worker_nodes_count: int | None = NOT_SENT,
        default_kubernetes_stack: str | None = NOT_SENT,
        cluster_autoterminate_minutes: int | None = NOT_SENT,
        worker_type_id: int | None = NOT_SENT,
        workers_count: int | None = NOT_SENT,
        kubernetes_stack: str | None = NOT_SENT,
        name: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change a project.

        `PATCH /api/v1/projects/{id}`. `data` has `id`, `name`, `url`, `status`, `deleting`,
        `state_machine` and more. `status` is one of undeployed, deploying, deployed, running,
        scaling, zero_scaled, undeploying.
        """
        sent = as_sent(
            more,
            default_worker_nodes_count=default_worker_nodes_count,
            default_kubernetes_stack=default_kubernetes_stack,
            cluster_autoterminate_minutes=cluster_autoterminate_minutes,
            worker_type_id=worker_type_id,
            workers_count=workers_count,
            kubernetes_stack=kubernetes_stack,
            name=name,
        )
        return self._change("patch", item_path("/api/v1/projects", id), sent)

    def delete_project(self, id: Id) -> Answer:
        """Delete a project.

        `DELETE /api/v1/projects/{id}`. `data` has `id`, `name`, `url`, `status`, `deleting`,
        `state_machine` and more.
        """
        return self._change("delete", item_path("/api/v1/projects", id), {})

    def deploy_project(
        self,
        id: Id,
        *,
        worker_type_id: int | None = NOT_SENT,
        workers_count: int | None = NOT_SENT,
        kubernetes_stack: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Deploy a project.

        `PATCH /api/v1/projects/{id}/deploy`. `data` has `id`, `name`, `url`, `status`, `deleting`,
        `state_machine` and more.
        """
        sent = as_sent(
            more,
            worker_type_id=worker_type_id,
            workers_count=workers_count,
            kubernetes_stack=kubernetes_stack,
        )
        return self._change("patch", item_path("/api/v1/projects", id) + "/deploy", sent)

    def undeploy_project(self, id: Id, **more: Any) -> Answer:
        """Undeploy a project.

        `PATCH /api/v1/projects/{id}/undeploy`. `data` has `id`, `name`, `url`, `status`,
        `deleting`, `state_machine` and more.
        """
        sent = as_sent(more)
        return self._change("patch", item_path("/api/v1/projects", id) + "/undeploy", sent)

    def get_project_logs(self, id: Id, **more: Any) -> str:
        """Return the logs of a project, as text.

        `GET /api/v1/projects/{id}/logs`. The answer is no JSON.
        """
        return self._ask_text(item_path("/api/v1/projects", id) + "/logs")

    # tokens

    def create_token(
        self,
        *,
        email: str = NOT_SENT,
        password: str = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a token.

        A login by email address and password. `POST /api/v1/tokens`. Needed: `email`, `password`.
        `data` has `token`, `confirmation_required`.
        """
        sent = as_sent(more, email=email, password=password)
        return self._create("/api/v1/tokens", sent)

    # experiments

    def get_experiments(
        self,
        *,
        project_id: int | None = NOT_SENT,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the experiments.

        `GET /api/v1/experiments`. Filters: `project_id`, `name`. `data` is a list,
        `meta.pagination` tells `limit, offset, count, total`.
        """
        sent = as_sent(more, project_id=project_id, name=name, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/experiments", sent)

    def iter_experiments(
        self,
        *,
        project_id: int | None = NOT_SENT,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the experiments, one by one.

        `GET /api/v1/experiments`. Filters: `project_id`, `name`. `limit` is the length of a page;
        it goes on from `offset` to the end.
        """
        sent = as_sent(more, project_id=project_id, name=name, limit=limit, offset=offset)
        return self._walk("/api/v1/experiments", sent)

    def iterate_all_experiments(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_experiments`, which has the filters."""
        for each in self.iter_experiments(**filters):
            handler(each)

    def get_experiment(self, id: Id, **more: Any) -> Answer:
        """Return an experiment.

        A named series of sessions over one data set. `GET /api/v1/experiments/{id}`. `data` has
        `id`, `name`, `project_id`, `project_file_id`, `data_path_url`, `search_space` and more.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/experiments", id), sent)

    def create_experiment(
        self,
        *,
        name: str = NOT_SENT,
        id: str | None = NOT_SENT,
        dataset_manifest_id: str | None = NOT_SENT,
        project_id: int | None = NOT_SENT,
        data_path: str | None = NOT_SENT,
        project_file_id: int | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an experiment.

        A named series of sessions over one data set. `POST /api/v1/experiments`. Needed: `name`.
        `data` has `id`, `name`, `project_id`, `project_file_id`, `data_path_url`, `search_space`
        and more.
        """
        sent = as_sent(
            more,
            name=name,
            id=id,
            dataset_manifest_id=dataset_manifest_id,
            project_id=project_id,
            data_path=data_path,
            project_file_id=project_file_id,
        )
        return self._create("/api/v1/experiments", sent)

    def update_experiment(
        self,
        id: Id,
        *,
        name: str | None = NOT_SENT,
        notes: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change an experiment.

        `PATCH /api/v1/experiments/{id}`. `data` has `id`, `name`, `project_id`, `project_file_id`,
        `data_path_url`, `search_space` and more.
        """
        sent = as_sent(more, name=name, notes=notes)
        return self._change("patch", item_path("/api/v1/experiments", id), sent)

    def delete_experiment(self, id: Id) -> Answer:
        """Delete an experiment.

        `DELETE /api/v1/experiments/{id}`. `data` has `id`, `name`, `project_id`, `project_file_id`,
        `data_path_url`, `search_space` and more.
        """
        return self._change("delete", item_path("/api/v1/experiments", id), {})

    # experiment_sessions

    def get_experiment_sessions(
        self,
        *,
        project_id: int | None = NOT_SENT,
        experiment_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the experiment sessions.

        `GET /api/v1/experiment_sessions`. Filters: `project_id`, `experiment_id`. `data` is a list,
        `meta.pagination` tells `limit, offset, count, total`.
        """
        sent = as_sent(
            more,
            project_id=project_id,
            experiment_id=experiment_id,
            limit=limit,
            offset=offset,
        )
        return self._ask("get", "/api/v1/experiment_sessions", sent)

    def iter_experiment_sessions(
        self,
        *,
        project_id: int | None = NOT_SENT,
        experiment_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the experiment sessions, one by one.

        `GET /api/v1/experiment_sessions`. Filters: `project_id`, `experiment_id`. `limit` is the
        length of a page; it goes on from `offset` to the end.
        """
        sent = as_sent(
            more,
            project_id=project_id,
            experiment_id=experiment_id,
            limit=limit,
            offset=offset,
        )
        return self._walk("/api/v1/experiment_sessions", sent)

    def iterate_all_experiment_sessions(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_experiment_sessions`, which has the filters."""
        for each in self.iter_experiment_sessions(**filters):
            handler(each)

    def get_experiment_session(self, id: Id, **more: Any) -> Answer:
        """Return an experiment session.

        One run of an experiment: settings, status, trials. `GET /api/v1/experiment_sessions/{id}`.
        `data` has `id`, `number`, `model_type`, `top_score_value`, `starter_user_id`, `project_id`
        and more. `status` is one of waiting, preprocess, started, interrupted, error, completed.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/experiment_sessions", id), sent)

    def create_experiment_session(
        self,
        *,
        experiment_id: str = NOT_SENT,
        id: str | None = NOT_SENT,
        dataset_manifest_id: str | None = NOT_SENT,
        status: str | None = NOT_SENT,
        leaderbord: Mapping[str, Any] | None = NOT_SENT,
        model_settings: Mapping[str, Any] | None = NOT_SENT,
        message: str | None = NOT_SENT,
        project_id: int | None = NOT_SENT,
        dataset_statistics: Mapping[str, Any] | None = NOT_SENT,
        model_type: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an experiment session.

        One run of an experiment: settings, status, trials. `POST /api/v1/experiment_sessions`.
        Needed: `experiment_id`. `data` has `id`, `number`, `model_type`, `top_score_value`,
        `starter_user_id`, `project_id` and more. `status` is one of waiting, preprocess, started,
        interrupted, error, completed.
        """
        sent = as_sent(
            more,
            experiment_id=experiment_id,
            id=id,
            dataset_manifest_id=dataset_manifest_id,
            status=status,
            leaderbord=leaderbord,
            model_settings=model_settings,
            message=message,
            project_id=project_id,
            dataset_statistics=dataset_statistics,
            model_type=model_type,
        )
        return self._create("/api/v1/experiment_sessions", sent)

    def update_experiment_session(
        self,
        id: Id,
        *,
        status: str | None = NOT_SENT,
        model_settings: Mapping[str, Any] | None = NOT_SENT,
        model_type: str | None = NOT_SENT,
        message: str | None = NOT_SENT,
        dataset_statistics: Mapping[str, Any] | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change an experiment session.

        `PATCH /api/v1/experiment_sessions/{id}`. `data` has `id`, `number`, `model_type`,
        `top_score_value`, `starter_user_id`, `project_id` and more. `status` is one of waiting,
        preprocess, started, interrupted, error, completed.
        """
        sent = as_sent(
            more,
            status=status,
            model_settings=model_settings,
            model_type=model_type,
            message=message,
            dataset_statistics=dataset_statistics,
        )
        return self._change("patch", item_path("/api/v1/experiment_sessions", id), sent)

    # hyperparameters

    def get_hyperparameters(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Answer:
        """Return a page of the hyperparameters.

        `GET /api/v1/hyperparameters`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/hyperparameters", sent)

    def iter_hyperparameters(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the hyperparameters, one by one.

        `GET /api/v1/hyperparameters`. `limit` is the length of a page; it goes on from `offset` to
        the end.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._walk("/api/v1/hyperparameters", sent)

    def iterate_all_hyperparameters(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_hyperparameters`, which has the filters."""
        for each in self.iter_hyperparameters(**filters):
            handler(each)

    def get_hyperparameter(self, id: Id, **more: Any) -> Answer:
        """Return a hyperparameter.

        Parameters of an algorithm, which trials share. `GET /api/v1/hyperparameters/{id}`. `data`
        has `id`, `algorithm_name`, `algorithm_params`, `algorithm_params_hash`.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/hyperparameters", id), sent)

    def create_hyperparameter(
        self,
        *,
        algorithm_name: str = NOT_SENT,
        algorithm_params: Mapping[str, Any] = NOT_SENT,
        algorithm_params_hash: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a hyperparameter.

        Parameters of an algorithm, which trials share. `POST /api/v1/hyperparameters`. Needed:
        `algorithm_name`, `algorithm_params`. `data` has `id`, `algorithm_name`, `algorithm_params`,
        `algorithm_params_hash`.
        """
        sent = as_sent(
            more,
            algorithm_name=algorithm_name,
            algorithm_params=algorithm_params,
            algorithm_params_hash=algorithm_params_hash,
        )
        return self._create("/api/v1/hyperparameters", sent)

    # trials

    def get_trials(
        self,
        *,
        experiment_session_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the trials.

        `GET /api/v1/trials`. Filters: `experiment_session_id`. `data` is a list, `meta.pagination`
        tells `limit, offset, count, total`.
        """
        sent = as_sent(
            more,
            experiment_session_id=experiment_session_id,
            limit=limit,
            offset=offset,
        )
        return self._ask("get", "/api/v1/trials", sent)

    def iter_trials(
        self,
        *,
        experiment_session_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the trials, one by one.

        `GET /api/v1/trials`. Filters: `experiment_session_id`. `limit` is the length of a page; it
        goes on from `offset` to the end.
        """
        sent = as_sent(
            more,
            experiment_session_id=experiment_session_id,
            limit=limit,
            offset=offset,
        )
        return self._walk("/api/v1/trials", sent)

    def iterate_all_trials(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_trials`, which has the filters."""
        for each in self.iter_trials(**filters):
            handler(each)

    def get_trial(
        self,
        id: Id,
        *,
        experiment_session_id: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Return a trial.

        One evaluated candidate of a session: an algorithm with its parameters.
        `GET /api/v1/trials/{id}`. `data` has `id`, `experiment_session_id`, `hyperparameter`,
        `score_name`, `score_value`, `task_type` and more.
        """
        sent = as_sent(more, experiment_session_id=experiment_session_id)
        return self._ask("get", item_path("/api/v1/trials", id), sent)

    def create_trial(
        self,
        *,
        id: str = NOT_SENT,
        refit_data_path: str = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a trial.

        One evaluated candidate of a session: an algorithm with its parameters.
        `POST /api/v1/trials`. Needed: `id`, `refit_data_path`. `data` has `id`,
        `experiment_session_id`, `hyperparameter`, `score_name`, `score_value`, `task_type` and
        more.
        """
        sent = as_sent(more, id=id, refit_data_path=refit_data_path)
        return self._create("/api/v1/trials", sent)

    def update_trial(
        self,
        id: Id | None,
        *,
        task_type: str | None = NOT_SENT,
        evaluation_type: str | None = NOT_SENT,
        score_name: str | None = NOT_SENT,
        score_value: float | None = NOT_SENT,
        hyperparameter: Mapping[str, Any] | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change a trial.

        `PATCH /api/v1/trials/{id}`. `data` has `id`, `experiment_session_id`, `hyperparameter`,
        `score_name`, `score_value`, `task_type` and more.
        """
        sent = as_sent(
            more,
            task_type=task_type,
            evaluation_type=evaluation_type,
            score_name=score_name,
            score_value=score_value,
            hyperparameter=hyperparameter,
        )
        if not id:
            return self._change("patch", "/api/v1/trials", sent, repeat=True)
        return self._change("patch", item_path("/api/v1/trials", id), sent)

    def update_trials(
        self,
        *,
        experiment_session_id: str = NOT_SENT,
        trials: Sequence[Mapping[str, Any]] = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create or change many trials at once, each known by its `uid`.

        `PATCH /api/v1/trials`. Needed: `experiment_session_id`, `trials`. `data` is a list.
        """
        sent = as_sent(more, experiment_session_id=experiment_session_id, trials=trials)
        return self._change("patch", "/api/v1/trials", sent, repeat=True)

    # dataset_manifests

    def get_dataset_manifests(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Answer:
        """Return a page of the dataset manifests.

        `GET /api/v1/dataset_manifests`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/dataset_manifests", sent)

    def iter_dataset_manifests(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the dataset manifests, one by one.

        `GET /api/v1/dataset_manifests`. `limit` is the length of a page; it goes on from `offset`
        to the end.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._walk("/api/v1/dataset_manifests", sent)

    def iterate_all_dataset_manifests(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_dataset_manifests`, which has the filters."""
        for each in self.iter_dataset_manifests(**filters):
            handler(each)

    def get_dataset_manifest(self, id: Id, **more: Any) -> Answer:
        """Return a dataset manifest.

        What is known of a data set: statistics, meta-features, place.
        `GET /api/v1/dataset_manifests/{id}`. `data` has `id`, `name`, `statistics`, `dataset_url`,
        `display_name`, `description` and more.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/dataset_manifests", id), sent)

    def create_dataset_manifest(
        self,
        *,
        id: str | int = NOT_SENT,
        name: str = NOT_SENT,
        statistics: Mapping[str, Any] = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a dataset manifest.

        What is known of a data set: statistics, meta-features, place.
        `POST /api/v1/dataset_manifests`. Needed: `id`, `name`, `statistics`. `data` has `id`,
        `name`, `statistics`, `dataset_url`, `display_name`, `description` and more.
        """
        sent = as_sent(more, id=id, name=name, statistics=statistics)
        return self._create("/api/v1/dataset_manifests", sent)

    def update_dataset_manifest(
        self,
        id: Id,
        *,
        dataset_url: str | None = NOT_SENT,
        name: str | None = NOT_SENT,
        statistics: Mapping[str, Any] | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change a dataset manifest.

        `PATCH /api/v1/dataset_manifests/{id}`. `data` has `id`, `name`, `statistics`,
        `dataset_url`, `display_name`, `description` and more.
        """
        sent = as_sent(more, dataset_url=dataset_url, name=name, statistics=statistics)
        return self._change("patch", item_path("/api/v1/dataset_manifests", id), sent)

    # project_files

    def get_project_files(
        self,
        *,
        project_id: int | None = NOT_SENT,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the project files.

        `GET /api/v1/project_files`. Filters: `project_id`, `name`. `data` is a list,
        `meta.pagination` tells `limit, offset, count, total`.
        """
        sent = as_sent(more, project_id=project_id, name=name, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/project_files", sent)

    def iter_project_files(
        self,
        *,
        project_id: int | None = NOT_SENT,
        name: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the project files, one by one.

        `GET /api/v1/project_files`. Filters: `project_id`, `name`. `limit` is the length of a page;
        it goes on from `offset` to the end.
        """
        sent = as_sent(more, project_id=project_id, name=name, limit=limit, offset=offset)
        return self._walk("/api/v1/project_files", sent)

    def iterate_all_project_files(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_project_files`, which has the filters."""
        for each in self.iter_project_files(**filters):
            handler(each)

    def get_project_file(self, id: Id, **more: Any) -> Answer:
        """Return a project file.

        A data file that is registered in a project. `GET /api/v1/project_files/{id}`. `data` has
        `id`, `project_id`, `name`, `url`, `content_type`, `status` and more. `status` is one of
        processing, processed, processed_with_error.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/project_files", id), sent)

    def create_project_file(
        self,
        *,
        name: str = NOT_SENT,
        project_id: int = NOT_SENT,
        url: str = NOT_SENT,
        file_name: str | None = NOT_SENT,
        description: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a project file.

        A data file that is registered in a project. `POST /api/v1/project_files`. Needed: `name`,
        `project_id`, `url`. `data` has `id`, `project_id`, `name`, `url`, `content_type`, `status`
        and more. `status` is one of processing, processed, processed_with_error.
        """
        sent = as_sent(
            more,
            name=name,
            project_id=project_id,
            url=url,
            file_name=file_name,
            description=description,
        )
        return self._create("/api/v1/project_files", sent)

    def delete_project_file(self, id: Id) -> Answer:
        """Delete a project file.

        `DELETE /api/v1/project_files/{id}`. `data` has `id`, `project_id`, `name`, `url`,
        `content_type`, `status` and more.
        """
        return self._change("delete", item_path("/api/v1/project_files", id), {})

    # project_file_urls

    def create_project_file_url(
        self,
        *,
        project_id: int = NOT_SENT,
        file_path: str = NOT_SENT,
        file_size: int | None = NOT_SENT,
        async_: bool | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a project file url.

        Signed links to upload and download files of a project. `POST /api/v1/project_file_urls`.
        Needed: `project_id`, `file_path`. `data` has `url`, `fields`.
        """
        sent = as_sent(
            more,
            project_id=project_id,
            file_path=file_path,
            file_size=file_size,
            async_=async_,
        )
        return self._create("/api/v1/project_file_urls", sent)

    def get_project_file_urls(
        self,
        *,
        project_id: int = NOT_SENT,
        file_path: str = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Return a project file url.

        `GET /api/v1/project_file_urls`. Needed: `project_id`, `file_path`. `data` has `url`,
        `fields`.
        """
        sent = as_sent(more, project_id=project_id, file_path=file_path)
        return self._ask("get", "/api/v1/project_file_urls", sent)

    # pipelines

    def get_pipelines(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        experiment_id: str | None = NOT_SENT,
        active: bool | None = NOT_SENT,
        experiment_session_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the pipelines.

        `GET /api/v1/pipelines`. Filters: `organization_id`, `experiment_id`, `active`,
        `experiment_session_id`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(
            more,
            organization_id=organization_id,
            experiment_id=experiment_id,
            active=active,
            experiment_session_id=experiment_session_id,
            limit=limit,
            offset=offset,
        )
        return self._ask("get", "/api/v1/pipelines", sent)

    def iter_pipelines(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        experiment_id: str | None = NOT_SENT,
        active: bool | None = NOT_SENT,
        experiment_session_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the pipelines, one by one.

        `GET /api/v1/pipelines`. Filters: `organization_id`, `experiment_id`, `active`,
        `experiment_session_id`. `limit` is the length of a page; it goes on from `offset` to the
        end.
        """
        sent = as_sent(
            more,
            organization_id=organization_id,
            experiment_id=experiment_id,
            active=active,
            experiment_session_id=experiment_session_id,
            limit=limit,
            offset=offset,
        )
        return self._walk("/api/v1/pipelines", sent)

    def iterate_all_pipelines(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_pipelines`, which has the filters."""
        for each in self.iter_pipelines(**filters):
            handler(each)

    def get_pipeline(self, id: Id, **more: Any) -> Answer:
        """Return a pipeline.

        A model made from a trial, deployed or about to be. `GET /api/v1/pipelines/{id}`. `data` has
        `id`, `status`, `lambda_package_s3_path`, `project_id`, `organization_id`, `trial` and more.
        `status` is one of creating_files, packaging, deploying, ready, undeploying, undeployed,
        created_files_with_error, packaged_with_error, deployed_with_error, undeployed_with_error.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/pipelines", id), sent)

    def create_pipeline(
        self,
        *,
        trial_id: str | None = NOT_SENT,
        id: str | None = NOT_SENT,
        experiment_session_id: str | None = NOT_SENT,
        trial: Mapping[str, Any] | None = NOT_SENT,
        name: str | None = NOT_SENT,
        is_review_model_enabled: bool | None = NOT_SENT,
        refit_data_path: str | None = NOT_SENT,
        metadata: Mapping[str, Any] | None = NOT_SENT,
        project_id: int | None = NOT_SENT,
        target_column: str | None = NOT_SENT,
        score_name: str | None = NOT_SENT,
        score_value: float | None = NOT_SENT,
        task_type: str | None = NOT_SENT,
        algorithm_name: str | None = NOT_SENT,
        binary_classification: bool | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a pipeline.

        A model made from a trial, deployed or about to be. `POST /api/v1/pipelines`. `data` has
        `id`, `status`, `lambda_package_s3_path`, `project_id`, `organization_id`, `trial` and more.
        `status` is one of creating_files, packaging, deploying, ready, undeploying, undeployed,
        created_files_with_error, packaged_with_error, deployed_with_error, undeployed_with_error.
        """
        sent = as_sent(
            more,
            trial_id=trial_id,
            id=id,
            experiment_session_id=experiment_session_id,
            trial=trial,
            name=name,
            is_review_model_enabled=is_review_model_enabled,
            refit_data_path=refit_data_path,
            metadata=metadata,
            project_id=project_id,
            target_column=target_column,
            score_name=score_name,
            score_value=score_value,
            task_type=task_type,
            algorithm_name=algorithm_name,
            binary_classification=binary_classification,
        )
        return self._create("/api/v1/pipelines", sent)

    def update_pipeline(
        self,
        id: Id,
        *,
        status: str | None = NOT_SENT,
        name: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change a pipeline.

        `PATCH /api/v1/pipelines/{id}`. `data` has `id`, `status`, `lambda_package_s3_path`,
        `project_id`, `organization_id`, `trial` and more. `status` is one of creating_files,
        packaging, deploying, ready, undeploying, undeployed, created_files_with_error,
        packaged_with_error, deployed_with_error, undeployed_with_error.
        """
        sent = as_sent(more, status=status, name=name)
        return self._change("patch", item_path("/api/v1/pipelines", id), sent)

    # pipeline_files

    def get_pipeline_files(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        experiment_id: str | None = NOT_SENT,
        experiment_session_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the pipeline files.

        `GET /api/v1/pipeline_files`. Filters: `organization_id`, `experiment_id`,
        `experiment_session_id`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(
            more,
            organization_id=organization_id,
            experiment_id=experiment_id,
            experiment_session_id=experiment_session_id,
            limit=limit,
            offset=offset,
        )
        return self._ask("get", "/api/v1/pipeline_files", sent)

    def iter_pipeline_files(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        experiment_id: str | None = NOT_SENT,
        experiment_session_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the pipeline files, one by one.

        `GET /api/v1/pipeline_files`. Filters: `organization_id`, `experiment_id`,
        `experiment_session_id`. `limit` is the length of a page; it goes on from `offset` to the
        end.
        """
        sent = as_sent(
            more,
            organization_id=organization_id,
            experiment_id=experiment_id,
            experiment_session_id=experiment_session_id,
            limit=limit,
            offset=offset,
        )
        return self._walk("/api/v1/pipeline_files", sent)

    def iterate_all_pipeline_files(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_pipeline_files`, which has the filters."""
        for each in self.iter_pipeline_files(**filters):
            handler(each)

    def get_pipeline_file(self, id: Id, **more: Any) -> Answer:
        """Return a pipeline file.

        Request for a model that can be downloaded. `GET /api/v1/pipeline_files/{id}`. `data` has
        `id`, `model_path`, `model_path_status`, `s3_model_path`, `s3_model_path_status`,
        `signed_s3_model_path` and more. `model_path_status` is one of pending, success, error.
        `s3_model_path_status` is one of not_requested, pending, success, error.
        `signed_s3_model_path_status` is one of not_requested, pending, success, error.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/pipeline_files", id), sent)

    def create_pipeline_file(self, *, trial_id: str = NOT_SENT, **more: Any) -> Answer:
        """Create a pipeline file.

        Request for a model that can be downloaded. `POST /api/v1/pipeline_files`. Needed:
        `trial_id`. `data` has `id`, `model_path`, `model_path_status`, `s3_model_path`,
        `s3_model_path_status`, `signed_s3_model_path` and more. `model_path_status` is one of
        pending, success, error. `s3_model_path_status` is one of not_requested, pending, success,
        error. `signed_s3_model_path_status` is one of not_requested, pending, success, error.
        """
        sent = as_sent(more, trial_id=trial_id)
        return self._create("/api/v1/pipeline_files", sent)

    # predictions

    def get_predictions(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Answer:
        """Return a page of the predictions.

        `GET /api/v1/predictions`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/predictions", sent)

    def iter_predictions(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the predictions, one by one.

        `GET /api/v1/predictions`. `limit` is the length of a page; it goes on from `offset` to the
        end.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._walk("/api/v1/predictions", sent)

    def iterate_all_predictions(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_predictions`, which has the filters."""
        for each in self.iter_predictions(**filters):
            handler(each)

    def get_prediction(self, id: Id, **more: Any) -> Answer:
        """Return a prediction.

        A request to predict by a pipeline, in the older form. `GET /api/v1/predictions/{id}`.
        `data` has `id`, `pipeline_id`, `status`, `records_count`, `time_consumed_ms`, `result` and
        more. `status` is one of requested, running, error, done.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/predictions", id), sent)

    def create_prediction(
        self,
        *,
        pipeline_id: str = NOT_SENT,
        records: Sequence[Any] | None = NOT_SENT,
        features: Sequence[str] | None = NOT_SENT,
        threshold: float | None = NOT_SENT,
        file_url: str | None = NOT_SENT,
        predicted_at: str | None = NOT_SENT,
        no_features_in_result: bool | None = NOT_SENT,
        score: bool | None = NOT_SENT,
        score_true_data: Any = NOT_SENT,
        predict_labels: Any = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a prediction.

        A request to predict by a pipeline, in the older form. `POST /api/v1/predictions`. Needed:
        `pipeline_id`. `data` has `id`, `pipeline_id`, `status`, `records_count`,
        `time_consumed_ms`, `result` and more. `status` is one of requested, running, error, done.
        """
        sent = as_sent(
            more,
            pipeline_id=pipeline_id,
            records=records,
            features=features,
            threshold=threshold,
            file_url=file_url,
            predicted_at=predicted_at,
            no_features_in_result=no_features_in_result,
            score=score,
            score_true_data=score_true_data,
            predict_labels=predict_labels,
        )
        return self._create("/api/v1/predictions", sent)

    # prediction_groups

    def get_prediction_groups(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Answer:
        """Return a page of the prediction groups.

        `GET /api/v1/prediction_groups`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/prediction_groups", sent)

    def iter_prediction_groups(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the prediction groups, one by one.

        `GET /api/v1/prediction_groups`. `limit` is the length of a page; it goes on from `offset`
        to the end.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._walk("/api/v1/prediction_groups", sent)

    def iterate_all_prediction_groups(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_prediction_groups`, which has the filters."""
        for each in self.iter_prediction_groups(**filters):
            handler(each)

    def get_prediction_group(self, id: Id, **more: Any) -> Answer:
        """Return a prediction group.

        A request to predict, by a pipeline or through an endpoint.
        `GET /api/v1/prediction_groups/{id}`. `data` has `id`, `pipeline_id`, `endpoint_id`,
        `status`, `records_count`, `time_consumed_ms` and more. `status` is one of requested,
        running, error, done.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/prediction_groups", id), sent)

    def create_prediction_group(
        self,
        *,
        pipeline_id: str = NOT_SENT,
        records: Sequence[Any] = NOT_SENT,
        features: Sequence[str] = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a prediction group.

        A request to predict, by a pipeline or through an endpoint.
        `POST /api/v1/prediction_groups`. Needed: `pipeline_id`, `records`, `features`. `data` has
        `id`, `pipeline_id`, `endpoint_id`, `status`, `records_count`, `time_consumed_ms` and more.
        `status` is one of requested, running, error, done.
        """
        sent = as_sent(more, pipeline_id=pipeline_id, records=records, features=features)
        return self._create("/api/v1/prediction_groups", sent)

    # actuals

    def create_actual(
        self,
        *,
        pipeline_id: str = NOT_SENT,
        actuals: Sequence[Any] | None = NOT_SENT,
        actual_column_names: Sequence[str] | None = NOT_SENT,
        actual_date_column: str | None = NOT_SENT,
        actuals_path: str | None = NOT_SENT,
        actuals_at: str | None = NOT_SENT,
        experiment_params: Mapping[str, Any] | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an actual.

        True values that are sent back for predictions of a pipeline. They are not read as such.
        `POST /api/v1/actuals`. Needed: `pipeline_id`. `meta` has the `status`.
        """
        sent = as_sent(
            more,
            pipeline_id=pipeline_id,
            actuals=actuals,
            actual_column_names=actual_column_names,
            actual_date_column=actual_date_column,
            actuals_path=actuals_path,
            actuals_at=actuals_at,
            experiment_params=experiment_params,
        )
        return self._create("/api/v1/actuals", sent)

    def delete_actuals(
        self,
        *,
        pipeline_id: str = NOT_SENT,
        from_: str | None = NOT_SENT,
        to: str | None = NOT_SENT,
        with_predictions: bool | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Delete actuals, by what is asked for.

        `DELETE /api/v1/actuals`. Needed: `pipeline_id`. `data` is an object.
        """
        sent = as_sent(
            more,
            pipeline_id=pipeline_id,
            from_=from_,
            to=to,
            with_predictions=with_predictions,
        )
        return self._change("delete", "/api/v1/actuals", sent)

    # endpoints

    def get_endpoints(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Answer:
        """Return a page of the endpoints.

        `GET /api/v1/endpoints`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/endpoints", sent)

    def iter_endpoints(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Iterator[Answer]:
        """Yield the endpoints, one by one.

        `GET /api/v1/endpoints`. `limit` is the length of a page; it goes on from `offset` to the
        end.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._walk("/api/v1/endpoints", sent)

    def iterate_all_endpoints(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_endpoints`, which has the filters."""
        for each in self.iter_endpoints(**filters):
            handler(each)

    def get_endpoint(self, id: Id, **more: Any) -> Answer:
        """Return an endpoint.

        A stable address before one or more pipelines with the same features.
        `GET /api/v1/endpoints/{id}`. `data` has `id`, `name`, `project_id`, `dataset_signature`,
        `organization_id`, `primary_pipeline_id` and more.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/endpoints", id), sent)

    def create_endpoint(
        self,
        *,
        pipeline_id: str = NOT_SENT,
        name: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an endpoint.

        A stable address before one or more pipelines with the same features.
        `POST /api/v1/endpoints`. Needed: `pipeline_id`. `data` has `id`, `name`, `project_id`,
        `dataset_signature`, `organization_id`, `primary_pipeline_id` and more.
        """
        sent = as_sent(more, pipeline_id=pipeline_id, name=name)
        return self._create("/api/v1/endpoints", sent)

    def update_endpoint(
        self,
        id: Id,
        *,
        name: str | None = NOT_SENT,
        review_metric: str | None = NOT_SENT,
        roi_filter: str | None = NOT_SENT,
        roi_investment: str | None = NOT_SENT,
        roi_revenue: str | None = NOT_SENT,
        false_positive_cost_amount: float | None = NOT_SENT,
        false_negative_cost_amount: float | None = NOT_SENT,
        regression_cost_over_amount: float | None = NOT_SENT,
        regression_cost_under_amount: float | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change an endpoint.

        `PATCH /api/v1/endpoints/{id}`. `data` has `id`, `name`, `project_id`, `dataset_signature`,
        `organization_id`, `primary_pipeline_id` and more.
        """
        sent = as_sent(
            more,
            name=name,
            review_metric=review_metric,
            roi_filter=roi_filter,
            roi_investment=roi_investment,
            roi_revenue=roi_revenue,
            false_positive_cost_amount=false_positive_cost_amount,
            false_negative_cost_amount=false_negative_cost_amount,
            regression_cost_over_amount=regression_cost_over_amount,
            regression_cost_under_amount=regression_cost_under_amount,
        )
        return self._change("patch", item_path("/api/v1/endpoints", id), sent)

    def delete_endpoint(self, id: Id) -> Answer:
        """Delete an endpoint.

        `DELETE /api/v1/endpoints/{id}`. `data` has `id`, `name`, `project_id`, `dataset_signature`,
        `organization_id`, `primary_pipeline_id` and more.
        """
        return self._change("delete", item_path("/api/v1/endpoints", id), {})

    # endpoint_actuals

    def create_endpoint_actual(
        self,
        *,
        endpoint_id: Id = NOT_SENT,
        prediction_group_id: str | None = NOT_SENT,
        actuals: Sequence[Any] | None = NOT_SENT,
        actual_column_names: Sequence[str] | None = NOT_SENT,
        actual_date_column: str | None = NOT_SENT,
        actuals_path: str | None = NOT_SENT,
        actuals_at: str | None = NOT_SENT,
        experiment_params: Mapping[str, Any] | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an endpoint actual.

        Actual values that are sent to an endpoint. `POST /api/v1/endpoints/{endpoint_id}/actuals`.
        Needed: `endpoint_id`. `meta` has the `status`.
        """
        within = parent_path("/api/v1/endpoints/{endpoint_id}/actuals", endpoint_id=endpoint_id)
        sent = as_sent(
            more,
            endpoint_id=endpoint_id,
            prediction_group_id=prediction_group_id,
            actuals=actuals,
            actual_column_names=actual_column_names,
            actual_date_column=actual_date_column,
            actuals_path=actuals_path,
            actuals_at=actuals_at,
            experiment_params=experiment_params,
        )
        return self._create(within, sent)

    def delete_endpoint_actuals(
        self,
        endpoint_id: Id,
        *,
        from_: str | None = NOT_SENT,
        to: str | None = NOT_SENT,
        with_predictions: bool | None = NOT_SENT,
        primary_only: bool | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Delete endpoint actuals, by what is asked for.

        `DELETE /api/v1/endpoints/{endpoint_id}/actuals`. Needed: `endpoint_id`. `data` is a list.
        """
        within = parent_path("/api/v1/endpoints/{endpoint_id}/actuals", endpoint_id=endpoint_id)
        sent = as_sent(
            more,
            from_=from_,
            to=to,
            with_predictions=with_predictions,
            primary_only=primary_only,
        )
        return self._change("delete", within, sent)

    # endpoint_pipelines

    def create_endpoint_pipeline(
        self,
        *,
        endpoint_id: str = NOT_SENT,
        pipeline_id: str = NOT_SENT,
        active: bool | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an endpoint pipeline.

        Membership of a pipeline in an endpoint. `POST /api/v1/endpoint_pipelines`. Needed:
        `endpoint_id`, `pipeline_id`. `data` has `id`, `endpoint_id`, `pipeline_id`, `active`,
        `created_at`, `updated_at`.
        """
        sent = as_sent(more, endpoint_id=endpoint_id, pipeline_id=pipeline_id, active=active)
        return self._create("/api/v1/endpoint_pipelines", sent)

    def update_endpoint_pipeline(
        self,
        id: Id,
        *,
        active: bool | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change an endpoint pipeline.

        `PATCH /api/v1/endpoint_pipelines/{id}`. `data` has `id`, `endpoint_id`, `pipeline_id`,
        `active`, `created_at`, `updated_at`.
        """
        sent = as_sent(more, active=active)
        return self._change("patch", item_path("/api/v1/endpoint_pipelines", id), sent)

    def delete_endpoint_pipeline(self, id: Id) -> Answer:
        """Delete an endpoint pipeline.

        `DELETE /api/v1/endpoint_pipelines/{id}`. `data` has `id`, `endpoint_id`, `pipeline_id`,
        `active`, `created_at`, `updated_at`.
        """
        return self._change("delete", item_path("/api/v1/endpoint_pipelines", id), {})

    # endpoint_predictions

    def get_endpoint_predictions(
        self,
        *,
        endpoint_id: Id = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the endpoint predictions.

        `GET /api/v1/endpoints/{endpoint_id}/predictions`. Needed: `endpoint_id`. `data` is a list,
        `meta.pagination` tells `limit, offset, count, total`.
        """
        within = parent_path("/api/v1/endpoints/{endpoint_id}/predictions", endpoint_id=endpoint_id)
        sent = as_sent(more, endpoint_id=endpoint_id, limit=limit, offset=offset)
        return self._ask("get", within, sent)

    def iter_endpoint_predictions(
        self,
        *,
        endpoint_id: Id = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the endpoint predictions, one by one.

        `GET /api/v1/endpoints/{endpoint_id}/predictions`. Needed: `endpoint_id`. `limit` is the
        length of a page; it goes on from `offset` to the end.
        """
        within = parent_path("/api/v1/endpoints/{endpoint_id}/predictions", endpoint_id=endpoint_id)
        sent = as_sent(more, endpoint_id=endpoint_id, limit=limit, offset=offset)
        return self._walk(within, sent)

    def iterate_all_endpoint_predictions(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_endpoint_predictions`, which has the filters."""
        for each in self.iter_endpoint_predictions(**filters):
            handler(each)

    def get_endpoint_prediction(self, id: Id, *, endpoint_id: Id = NOT_SENT, **more: Any) -> Answer:
        """Return an endpoint prediction.

        Predictions through an endpoint; its objects are prediction groups.
        `GET /api/v1/endpoints/{endpoint_id}/predictions/{id}`. Needed: `endpoint_id`. `data` is an
        object.
        """
        within = parent_path("/api/v1/endpoints/{endpoint_id}/predictions", endpoint_id=endpoint_id)
        sent = as_sent(more)
        return self._ask("get", item_path(within, id), sent)

    def create_endpoint_prediction(
        self,
        *,
        endpoint_id: Id = NOT_SENT,
        records: Sequence[Any] | None = NOT_SENT,
        features: Sequence[str] | None = NOT_SENT,
        primary_only: bool | None = NOT_SENT,
        threshold: float | None = NOT_SENT,
        file_url: str | None = NOT_SENT,
        predicted_at: str | None = NOT_SENT,
        no_features_in_result: bool | None = NOT_SENT,
        score: bool | None = NOT_SENT,
        score_true_data: Any = NOT_SENT,
        predict_labels: Any = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an endpoint prediction.

        Predictions through an endpoint; its objects are prediction groups.
        `POST /api/v1/endpoints/{endpoint_id}/predictions`. Needed: `endpoint_id`. `data` is an
        object.
        """
        within = parent_path("/api/v1/endpoints/{endpoint_id}/predictions", endpoint_id=endpoint_id)
        sent = as_sent(
            more,
            endpoint_id=endpoint_id,
            records=records,
            features=features,
            primary_only=primary_only,
            threshold=threshold,
            file_url=file_url,
            predicted_at=predicted_at,
            no_features_in_result=no_features_in_result,
            score=score,
            score_true_data=score_true_data,
            predict_labels=predict_labels,
        )
        return self._create(within, sent)

    # endpoint_roi_validations

    def create_endpoint_roi_validation(
        self,
        *,
        endpoint_id: Id = NOT_SENT,
        expressions: Sequence[str] = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an endpoint roi validation.

        Asks whether expressions of return on investment are valid.
        `POST /api/v1/endpoints/{endpoint_id}/roi_validations`. Needed: `endpoint_id`,
        `expressions`. `data` has `id`, `external_uid`, `cluster_id`, `project_id`, `queue`,
        `status` and more.
        """
        within = parent_path(
            "/api/v1/endpoints/{endpoint_id}/roi_validations", endpoint_id=endpoint_id
        )
        sent = as_sent(more, endpoint_id=endpoint_id, expressions=expressions)
        return self._create(within, sent)

    # review_alerts

    def get_review_alerts(
        self,
        *,
        endpoint_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the review alerts.

        `GET /api/v1/review_alerts`. Filters: `endpoint_id`. `data` is a list, `meta.pagination`
        tells `limit, offset, count, total`.
        """
        sent = as_sent(more, endpoint_id=endpoint_id, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/review_alerts", sent)

    def iter_review_alerts(
        self,
        *,
        endpoint_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the review alerts, one by one.

        `GET /api/v1/review_alerts`. Filters: `endpoint_id`. `limit` is the length of a page; it
        goes on from `offset` to the end.
        """
        sent = as_sent(more, endpoint_id=endpoint_id, limit=limit, offset=offset)
        return self._walk("/api/v1/review_alerts", sent)

    def iterate_all_review_alerts(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_review_alerts`, which has the filters."""
        for each in self.iter_review_alerts(**filters):
            handler(each)

    def get_review_alert(self, id: Id, **more: Any) -> Answer:
        """Return a review alert.

        A rule that watches an endpoint. `GET /api/v1/review_alerts/{id}`. `data` has `id`,
        `endpoint_id`, `kind`, `threshold`, `sensitivity`, `actions` and more.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/review_alerts", id), sent)

    def create_review_alert(
        self,
        *,
        endpoint_id: str = NOT_SENT,
        kind: str = NOT_SENT,
        threshold: float | None = NOT_SENT,
        sensitivity: int | None = NOT_SENT,
        actions: str | None = NOT_SENT,
        notifications: str | None = NOT_SENT,
        active: bool | None = NOT_SENT,
        threshold_policy: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a review alert.

        A rule that watches an endpoint. `POST /api/v1/review_alerts`. Needed: `endpoint_id`,
        `kind`. `data` has `id`, `endpoint_id`, `kind`, `threshold`, `sensitivity`, `actions` and
        more.
        """
        sent = as_sent(
            more,
            endpoint_id=endpoint_id,
            kind=kind,
            threshold=threshold,
            sensitivity=sensitivity,
            actions=actions,
            notifications=notifications,
            active=active,
            threshold_policy=threshold_policy,
        )
        return self._create("/api/v1/review_alerts", sent)

    def update_review_alert(
        self,
        id: Id,
        *,
        threshold: float | None = NOT_SENT,
        sensitivity: int | None = NOT_SENT,
        kind: str | None = NOT_SENT,
        actions: str | None = NOT_SENT,
        notifications: str | None = NOT_SENT,
        active: bool | None = NOT_SENT,
        threshold_policy: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change a review alert.

        `PATCH /api/v1/review_alerts/{id}`. `data` has `id`, `endpoint_id`, `kind`, `threshold`,
        `sensitivity`, `actions` and more.
        """
        sent = as_sent(
            more,
            threshold=threshold,
            sensitivity=sensitivity,
            kind=kind,
            actions=actions,
            notifications=notifications,
            active=active,
            threshold_policy=threshold_policy,
        )
        return self._change("patch", item_path("/api/v1/review_alerts", id), sent)

    def delete_review_alert(self, id: Id) -> Answer:
        """Delete a review alert.

        `DELETE /api/v1/review_alerts/{id}`. `data` has `id`, `endpoint_id`, `kind`, `threshold`,
        `sensitivity`, `actions` and more.
        """
        return self._change("delete", item_path("/api/v1/review_alerts", id), {})

    # review_alert_items

    def get_review_alert_items(
        self,
        *,
        endpoint_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the review alert items.

        `GET /api/v1/review_alert_items`. Filters: `endpoint_id`. `data` is a list,
        `meta.pagination` tells `limit, offset, count, total`.
        """
        sent = as_sent(more, endpoint_id=endpoint_id, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/review_alert_items", sent)

    def iter_review_alert_items(
        self,
        *,
        endpoint_id: str | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the review alert items, one by one.

        `GET /api/v1/review_alert_items`. Filters: `endpoint_id`. `limit` is the length of a page;
        it goes on from `offset` to the end.
        """
        sent = as_sent(more, endpoint_id=endpoint_id, limit=limit, offset=offset)
        return self._walk("/api/v1/review_alert_items", sent)

    def iterate_all_review_alert_items(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_review_alert_items`, which has the filters."""
        for each in self.iter_review_alert_items(**filters):
            handler(each)

    def get_review_alert_item(self, id: Id, **more: Any) -> Answer:
        """Return a review alert item.

        One firing of a review alert, made by the hub only. `GET /api/v1/review_alert_items/{id}`.
        `data` has `id`, `endpoint_id`, `review_alert_id`, `opened_at`, `kind`, `threshold` and
        more.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/review_alert_items", id), sent)

    # similar_trials_requests

    def get_similar_trials_request(self, id: Id, **more: Any) -> Answer:
        """Return a similar trials request.

        Asks for earlier trials of the same algorithm on similar data sets.
        `GET /api/v1/similar_trials_requests/{id}`. `data` has `id`, `algorithm_name`,
        `algorithm_params_hash`, `limit`, `status`, `time_consumed_ms` and more. `status` is one of
        requested, done, error.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/similar_trials_requests", id), sent)

    def create_similar_trials_request(
        self,
        *,
        dataset_manifest_id: str = NOT_SENT,
        algorithm_name: str = NOT_SENT,
        algorithm_params_hash: str | None = NOT_SENT,
        limit: int = 50,
        **more: Any,
    ) -> Answer:
        """Create a similar trials request.

        Asks for earlier trials of the same algorithm on similar data sets.
        `POST /api/v1/similar_trials_requests`. Needed: `dataset_manifest_id`, `algorithm_name`.
        `data` has `id`, `algorithm_name`, `algorithm_params_hash`, `limit`, `status`,
        `time_consumed_ms` and more. `status` is one of requested, done, error.
        """
        sent = as_sent(
            more,
            dataset_manifest_id=dataset_manifest_id,
            algorithm_name=algorithm_name,
            algorithm_params_hash=algorithm_params_hash,
            limit=limit,
        )
        return self._create("/api/v1/similar_trials_requests", sent)

    # trial_searches

    def get_trial_searches(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Answer:
        """Return a page of the trial searches.

        `GET /api/v1/trial_searches`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/trial_searches", sent)

    def iter_trial_searches(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the trial searches, one by one.

        `GET /api/v1/trial_searches`. `limit` is the length of a page; it goes on from `offset` to
        the end.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._walk("/api/v1/trial_searches", sent)

    def iterate_all_trial_searches(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_trial_searches`, which has the filters."""
        for each in self.iter_trial_searches(**filters):
            handler(each)

    def get_trial_search(self, id: Id, **more: Any) -> Answer:
        """Return a trial search.

        A search for hyper-parameters, step by step. `GET /api/v1/trial_searches/{id}`. `data` has
        `id`, `status`, `trials_total_count`, `trials_limit`, `search_space`, `dataset_metafeatures`
        and more. `status` is one of requested, done, error.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/trial_searches", id), sent)

    def create_trial_search(
        self,
        *,
        trials_total_count: int = NOT_SENT,
        search_space: Mapping[str, Any] = NOT_SENT,
        dataset_metafeatures: Mapping[str, Any] | None = NOT_SENT,
        trials_limit: int | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a trial search.

        A search for hyper-parameters, step by step. `POST /api/v1/trial_searches`. Needed:
        `trials_total_count`, `search_space`. `data` has `id`, `status`, `trials_total_count`,
        `trials_limit`, `search_space`, `dataset_metafeatures` and more. `status` is one of
        requested, done, error.
        """
        sent = as_sent(
            more,
            trials_total_count=trials_total_count,
            search_space=search_space,
            dataset_metafeatures=dataset_metafeatures,
            trials_limit=trials_limit,
        )
        return self._create("/api/v1/trial_searches", sent)

    def update_trial_search(
        self,
        id: Id,
        *,
        trials_history: Sequence[Mapping[str, Any]] = NOT_SENT,
        trials_limit: int | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change a trial search.

        `PATCH /api/v1/trial_searches/{id}`. Needed: `trials_history`. `data` has `id`, `status`,
        `trials_total_count`, `trials_limit`, `search_space`, `dataset_metafeatures` and more.
        `status` is one of requested, done, error.
        """
        sent = as_sent(more, trials_history=trials_history, trials_limit=trials_limit)
        return self._change("patch", item_path("/api/v1/trial_searches", id), sent)

    # warm_start_requests

    def get_warm_start_request(self, id: Id, **more: Any) -> Answer:
        """Return a warm start request.

        Asks for good first hyper-parameters for a data set. `GET /api/v1/warm_start_requests/{id}`.
        `data` has `id`, `score_name`, `limit`, `status`, `time_consumed_ms`, `hyperparameters`.
        `status` is one of requested, done, error.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/warm_start_requests", id), sent)

    def create_warm_start_request(
        self,
        *,
        dataset_manifest_id: str = NOT_SENT,
        score_name: str = NOT_SENT,
        limit: int = 50,
        **more: Any,
    ) -> Answer:
        """Create a warm start request.

        Asks for good first hyper-parameters for a data set. `POST /api/v1/warm_start_requests`.
        Needed: `dataset_manifest_id`, `score_name`. `data` has `id`, `score_name`, `limit`,
        `status`, `time_consumed_ms`, `hyperparameters`. `status` is one of requested, done, error.
        """
        sent = as_sent(
            more,
            dataset_manifest_id=dataset_manifest_id,
            score_name=score_name,
            limit=limit,
        )
        return self._create("/api/v1/warm_start_requests", sent)

    # clusters

    def get_clusters(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the clusters.

        `GET /api/v1/clusters`. Filters: `organization_id`. `data` is a list, `meta.pagination`
        tells `limit, offset, count, total`.
        """
        sent = as_sent(more, organization_id=organization_id, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/clusters", sent)

    def iter_clusters(
        self,
        *,
        organization_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the clusters, one by one.

        `GET /api/v1/clusters`. Filters: `organization_id`. `limit` is the length of a page; it goes
        on from `offset` to the end.
        """
        sent = as_sent(more, organization_id=organization_id, limit=limit, offset=offset)
        return self._walk("/api/v1/clusters", sent)

    def iterate_all_clusters(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_clusters`, which has the filters."""
        for each in self.iter_clusters(**filters):
            handler(each)

    def get_cluster(self, id: Id, **more: Any) -> Answer:
        """Return a cluster.

        A cluster of machines, which current clients do not have any more.
        `GET /api/v1/clusters/{id}`. `data` has `id`, `name`, `status`, `error_message`,
        `organization_id`, `created_by` and more. `status` is one of waiting, provisioning,
        bootstrapping, running, error, terminating, terminated.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/clusters", id), sent)

    def create_cluster(
        self,
        *,
        organization_id: int = NOT_SENT,
        project_id: int = NOT_SENT,
        name: str | None = NOT_SENT,
        instance_type: str | None = NOT_SENT,
        worker_nodes_count: int | None = NOT_SENT,
        workers_per_node_count: int | None = NOT_SENT,
        kubernetes_stack: str | None = NOT_SENT,
        docker_image_tag: str | None = NOT_SENT,
        autoterminate_minutes: int | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a cluster.

        A cluster of machines, which current clients do not have any more. `POST /api/v1/clusters`.
        Needed: `organization_id`, `project_id`. `data` has `id`, `name`, `status`, `error_message`,
        `organization_id`, `created_by` and more. `status` is one of waiting, provisioning,
        bootstrapping, running, error, terminating, terminated.
        """
        sent = as_sent(
            more,
            organization_id=organization_id,
            project_id=project_id,
            name=name,
            instance_type=instance_type,
            worker_nodes_count=worker_nodes_count,
            workers_per_node_count=workers_per_node_count,
            kubernetes_stack=kubernetes_stack,
            docker_image_tag=docker_image_tag,
            autoterminate_minutes=autoterminate_minutes,
        )
        return self._create("/api/v1/clusters", sent)

    def delete_cluster(self, id: Id) -> Answer:
        """Delete a cluster.

        `DELETE /api/v1/clusters/{id}`. `data` has `id`, `name`, `status`, `error_message`,
        `organization_id`, `created_by` and more.
        """
        return self._change("delete", item_path("/api/v1/clusters", id), {})

    # cluster_statuses

    def get_cluster_statuses(
        self,
        *,
        cluster_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the cluster statuses.

        `GET /api/v1/cluster_statuses`. Filters: `cluster_id`. `data` is a list, `meta.pagination`
        tells `limit, offset, count, total`.
        """
        sent = as_sent(more, cluster_id=cluster_id, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/cluster_statuses", sent)

    def iter_cluster_statuses(
        self,
        *,
        cluster_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the cluster statuses, one by one.

        `GET /api/v1/cluster_statuses`. Filters: `cluster_id`. `limit` is the length of a page; it
        goes on from `offset` to the end.
        """
        sent = as_sent(more, cluster_id=cluster_id, limit=limit, offset=offset)
        return self._walk("/api/v1/cluster_statuses", sent)

    def iterate_all_cluster_statuses(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_cluster_statuses`, which has the filters."""
        for each in self.iter_cluster_statuses(**filters):
            handler(each)

    def create_cluster_status(
        self,
        *,
        cluster_id: int = NOT_SENT,
        cpu: int = NOT_SENT,
        memory: int = NOT_SENT,
        cpu_status: str | None = NOT_SENT,
        memory_status: str | None = NOT_SENT,
        slave_data: Mapping[str, Any] | None = NOT_SENT,
        pods_data: Sequence[Any] | None = NOT_SENT,
        project_id: int | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a cluster status.

        For an agent that reports what it sees; hubs of Mooring alone have it. Samples of the load
        of a cluster. `POST /api/v1/cluster_statuses`. Needed: `cluster_id`, `cpu`, `memory`. `data`
        has `id`, `cluster_id`, `cpu`, `cpu_status`, `memory`, `memory_status` and more.
        """
        sent = as_sent(
            more,
            cluster_id=cluster_id,
            cpu=cpu,
            memory=memory,
            cpu_status=cpu_status,
            memory_status=memory_status,
            slave_data=slave_data,
            pods_data=pods_data,
            project_id=project_id,
        )
        return self._create("/api/v1/cluster_statuses", sent)

    # cluster_tasks

    def get_cluster_tasks(
        self,
        *,
        project_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the cluster tasks.

        `GET /api/v1/cluster_tasks`. Filters: `project_id`. `data` is a list, `meta.pagination`
        tells `limit, offset, count, total`.
        """
        sent = as_sent(more, project_id=project_id, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/cluster_tasks", sent)

    def iter_cluster_tasks(
        self,
        *,
        project_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the cluster tasks, one by one.

        `GET /api/v1/cluster_tasks`. Filters: `project_id`. `limit` is the length of a page; it goes
        on from `offset` to the end.
        """
        sent = as_sent(more, project_id=project_id, limit=limit, offset=offset)
        return self._walk("/api/v1/cluster_tasks", sent)

    def iterate_all_cluster_tasks(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_cluster_tasks`, which has the filters."""
        for each in self.iter_cluster_tasks(**filters):
            handler(each)

    def get_cluster_task(self, id: Id, **more: Any) -> Answer:
        """Return a cluster task.

        A unit of work for an agent; also the answer to what is done in the background.
        `GET /api/v1/cluster_tasks/{id}`. `data` has `id`, `external_uid`, `cluster_id`,
        `project_id`, `queue`, `status` and more. `status` is one of pending, received, started,
        retry, success, failure.
        """
        sent = as_sent(more)
        return self._ask("get", item_path("/api/v1/cluster_tasks", id), sent)

    def create_cluster_task(
        self,
        *,
        name: str = NOT_SENT,
        queue: str | None = NOT_SENT,
        args: Sequence[Any] | None = NOT_SENT,
        args_encoded: str | None = NOT_SENT,
        project_id: int | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a cluster task.

        A unit of work for an agent; also the answer to what is done in the background.
        `POST /api/v1/cluster_tasks`. Needed: `name`. `data` has `id`, `external_uid`, `cluster_id`,
        `project_id`, `queue`, `status` and more. `status` is one of pending, received, started,
        retry, success, failure.
        """
        sent = as_sent(
            more,
            name=name,
            queue=queue,
            args=args,
            args_encoded=args_encoded,
            project_id=project_id,
        )
        return self._create("/api/v1/cluster_tasks", sent)

    def update_cluster_task(
        self,
        id: Id,
        *,
        status: str | None = NOT_SENT,
        result: Any = NOT_SENT,
        traceback: str | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Change a cluster task.

        `PATCH /api/v1/cluster_tasks/{id}`. `data` has `id`, `external_uid`, `cluster_id`,
        `project_id`, `queue`, `status` and more. `status` is one of pending, received, started,
        retry, success, failure.
        """
        sent = as_sent(more, status=status, result=result, traceback=traceback)
        return self._change("patch", item_path("/api/v1/cluster_tasks", id), sent)

    # instance_types

    def get_instance_types(self, *, limit: int = 50, offset: int = 0, **more: Any) -> Answer:
        """Return a page of the instance types.

        `GET /api/v1/instance_types`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/instance_types", sent)

    def iter_instance_types(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the instance types, one by one.

        `GET /api/v1/instance_types`. `limit` is the length of a page; it goes on from `offset` to
        the end.
        """
        sent = as_sent(more, limit=limit, offset=offset)
        return self._walk("/api/v1/instance_types", sent)

    def iterate_all_instance_types(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_instance_types`, which has the filters."""
        for each in self.iter_instance_types(**filters):
            handler(each)

    def create_instance_type(
        self,
        *,
        id: str = NOT_SENT,
        description: str = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create an instance type.

        For an agent that reports what it sees; hubs of Mooring alone have it. Kinds of machines on
        offer. `POST /api/v1/instance_types`. Needed: `id`, `description`. `data` has `id`,
        `description`.
        """
        sent = as_sent(more, id=id, description=description)
        return self._create("/api/v1/instance_types", sent)

    # pod_logs

    def get_pod_logs(
        self,
        *,
        project_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Answer:
        """Return a page of the pod logs.

        `GET /api/v1/pod_logs`. Filters: `project_id`. `data` is a list, `meta.pagination` tells
        `limit, offset, count, total`.
        """
        sent = as_sent(more, project_id=project_id, limit=limit, offset=offset)
        return self._ask("get", "/api/v1/pod_logs", sent)

    def iter_pod_logs(
        self,
        *,
        project_id: int | None = NOT_SENT,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Iterator[Answer]:
        """Yield the pod logs, one by one.

        `GET /api/v1/pod_logs`. Filters: `project_id`. `limit` is the length of a page; it goes on
        from `offset` to the end.
        """
        sent = as_sent(more, project_id=project_id, limit=limit, offset=offset)
        return self._walk("/api/v1/pod_logs", sent)

    def iterate_all_pod_logs(self, handler: Handler, **filters: Any) -> None:
        """Call a handler with each object of `iter_pod_logs`, which has the filters."""
        for each in self.iter_pod_logs(**filters):
            handler(each)

    def create_pod_log(
        self,
        *,
        pod_name: str = NOT_SENT,
        data: str = NOT_SENT,
        timestamp: str | None = NOT_SENT,
        project_id: int | None = NOT_SENT,
        **more: Any,
    ) -> Answer:
        """Create a pod log.

        For an agent that reports what it sees; hubs of Mooring alone have it. Lines that the
        workers of a project logged. `POST /api/v1/pod_logs`. Needed: `pod_name`, `data`. `data` has
        `id`, `timestamp`, `pod_name`, `project_id`, `data`.
        """
        sent = as_sent(
            more,
            pod_name=pod_name,
            data=data,
            timestamp=timestamp,
            project_id=project_id,
        )
        return self._create("/api/v1/pod_logs", sent)

    # status

    def get_status(self, object: str, id: int | str, **more: Any) -> Answer:
        """Return the status of one object, and nothing else of it.

        The status of one object, and nothing else. `GET /api/v1/status`. Needed: `object`, `id`.
        `data` has `status`.
        """
        sent = as_sent(more, object=object, id=id)
        return self._ask("get", "/api/v1/status", sent)
