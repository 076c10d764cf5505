"""Cases of the methods that are not the common five, or not like the others'."""

from __future__ import annotations

import pickle
from typing import Any

import pandas
import pytest
import requests
from sklearn.tree import DecisionTreeClassifier

from tests.conformance.auger.places import Place, unique
from tests.conformance.auger.registry import METHODS, ORIGINAL

case = METHODS.add


@case("create_token")
def create_token(place: Place) -> None:
    place.hub.accounts.create_user(unique("login"), email=place.email, password=place.password)
    made = place.client.create_token(email=place.email, password=place.password)
    assert made["meta"]["status"] == 200
    assert made["data"]["confirmation_required"] is False
    assert place.connect(token=made["data"]["token"]).get_projects()["data"] == []
    with pytest.raises(place.errors.FatalApiError, match="Email or password incorrect") as caught:
        place.client.create_token(email=place.email, password="wrong")
    assert caught.value.metadata()["errors"][0]["error_type"] == "unauthenticated"


@case("deploy_project", note="a hub without workers runs a project at once")
def deploy_project(place: Place) -> None:
    data = place.client.deploy_project(place.id, worker_type_id=1, workers_count=2)["data"]
    assert (data["object"], data["id"], data["status"]) == ("project", place.id, "running")
    assert (data["worker_type_id"], data["workers_count"]) == (1, 2)
    with pytest.raises(place.errors.InvalidParamsError, match="cannot transition"):
        place.client.deploy_project(place.id)


@case("undeploy_project", note="and stops it at once")
def undeploy_project(place: Place) -> None:
    place.client.deploy_project(place.id)
    data = place.client.undeploy_project(place.id)["data"]
    assert data["status"] == "undeployed"
    assert data["state_machine"]["possible_transitions"] == [{"id": "deploy", "name": "start"}]


@case("get_project_logs", note="lines that agents report")
def get_project_logs(place: Place) -> None:
    for text in ("one\n", "zwei ü\n"):
        place.report("pod_logs", {"project_id": place.id, "pod_name": "w", "data": text})
    assert place.client.get_project_logs(place.id) == "one\nzwei ü\n"
    with pytest.raises(place.errors.FatalApiError, match="Couldn't find Project") as caught:
        place.client.get_project_logs(999999999)
    assert caught.value.metadata() is None


@case("create_trial")
def create_trial(place: Place) -> None:
    trial = place.trial()
    made = place.client.create_trial(id=trial["id"], refit_data_path="s3://b/new.csv")["data"]
    assert made["object"] == "trial"
    assert made["id"] != trial["id"]
    assert made["raw_data"]["refit_data_path"] == "s3://b/new.csv"


@case("refit_trial")
def refit_trial(place: Place) -> None:
    trial = place.trial()
    made = place.client.refit_trial(trial["id"], "s3://b/new.csv")["data"]
    assert made["id"] != trial["id"]
    assert made["hyperparameter"]["algorithm_name"] == "SVC"


@case("update_trial")
def update_trial(place: Place) -> None:
    trial = place.trial()
    changed = place.client.update_trial(
        trial["id"],
        task_type="subdue leather bags",
        evaluation_type="fastest one",
        score_name="strict one",
        score_value=99.9,
        hyperparameter={"algorithm_name": "SVM", "algorithm_params": {"x": 1, "y": 2}},
    )["data"]
    assert (changed["id"], changed["score_name"]) == (trial["id"], "strict one")
    assert changed["score_value"] == 99.9
    assert changed["hyperparameter"]["algorithm_params"] == {"x": 1, "y": 2}
    many = place.client.update_trial(
        None, experiment_session_id=trial["experiment_session_id"], trials=[{"uid": unique("T")}]
    )
    assert len(many["data"]) == 1


@case("update_trials", note="trials are runs, their scores series")
def update_trials(place: Place) -> None:
    session = place.session()["id"]
    item = {
        "crossValidationFolds": 5,
        "uid": unique("3D1E99741D37422"),
        "classification": True,
        "algorithm_name": "sklearn.ensemble.ExtraTreesClassifier",
        "score": 0.96,
        "score_name": "accuracy",
        "algorithm_params": {
            "bootstrap": False,
            "min_samples_leaf": 11,
            "n_estimators": 100,
            "max_features": 0.9907161412382496,
            "criterion": "gini",
            "min_samples_split": 6,
        },
    }
    made = place.client.update_trials(experiment_session_id=session, trials=[item])
    assert "pagination" not in made["meta"]
    (trial,) = made["data"]
    assert (trial["id"], trial["score_value"]) == (item["uid"], 0.96)
    assert trial["hyperparameter"]["algorithm_params"] == item["algorithm_params"]
    assert trial["raw_data"]["crossValidationFolds"] == 5
    again = place.client.update_trials(experiment_session_id=session, trials=[item])
    assert [each["id"] for each in again["data"]] == [item["uid"]]
    listed = place.client.get_trials(experiment_session_id=session)
    assert listed["meta"]["pagination"]["total"] == 1
    with pytest.raises(place.errors.InvalidParamsError) as caught:
        place.client.update_trials()
    assert caught.value.args[0] == "experiment_session_id is required, trials is required"


@case("create_project_file_url", note="a form; the upload goes to the hub or to a bucket")
def create_project_file_url(place: Place) -> None:
    place.upload("files/a b.csv", b"a,b\n1,2\n")
    link = place.client.get_project_file_url(project_id=place.id, file_path="files/a b.csv")
    assert requests.get(link["data"]["url"], timeout=30).content == b"a,b\n1,2\n"
    with pytest.raises(place.errors.InvalidParamsError, match="file_path is not a path"):
        place.client.create_project_file_url(project_id=place.id, file_path="../../x")


@case("get_project_file_url")
def get_project_file_url(place: Place) -> None:
    place.upload("x.csv", b"a\n1\n")
    answer = place.client.get_project_file_url(project_id=place.id, file_path="x.csv")
    assert requests.get(answer["data"]["url"], timeout=30).content == b"a\n1\n"


@case("get_project_file_urls")
def get_project_file_urls(place: Place) -> None:
    answer = place.client.get_project_file_urls(project_id=place.id, file_path="not/there.csv")
    assert "pagination" not in answer["meta"]
    assert requests.get(answer["data"]["url"], timeout=30).status_code == 404
    with pytest.raises(place.errors.InvalidParamsError, match="file_path is required"):
        place.client.get_project_file_urls(project_id=place.id)


@case(
    "iterate_all_project_file_urls",
    note="the answer is one object: the original calls the handler with its keys, then ends in a "
    "KeyError; HubClient calls it once with the object",
)
def iterate_all_project_file_urls(place: Place) -> None:
    seen: list[Any] = []
    asked = {"project_id": place.id, "file_path": "x.csv"}
    if place.kind == ORIGINAL:
        with pytest.raises(KeyError, match="pagination"):
            place.client.iterate_all_project_file_urls(seen.append, **asked)
        assert seen == ["url"]
    else:
        place.client.iterate_all_project_file_urls(seen.append, **asked)
        assert [list(each) for each in seen] == [["url"]]


def _served(place: Place) -> Any:
    """A pipeline with a real model, in a project whose owner lets it be served."""
    frame = pandas.DataFrame({"length": [1.0, 2, 8, 9], "width": [1.0, 2, 1, 2]})
    model = DecisionTreeClassifier(random_state=0).fit(frame, ["short", "short", "long", "long"])
    trial = place.trial()
    place.upload(f"workspace/projects/{place.name}/models/{trial['id']}.pkl", pickle.dumps(model))
    place.hub.accounts.set_serving(place.project, True)
    return place.client.create_pipeline(trial_id=trial["id"])["data"]


_ASKED: dict[str, Any] = {"records": [[9, 1], [1, None]], "features": ["length", "width"]}
_LONG_SHORT = ["long", "short"]


def _predicted(shown: Any) -> list[Any]:
    assert (shown["status"], shown["error_message"], shown["records_count"]) == ("done", None, 2)
    at = shown["result"]["columns"].index("prediction")
    return [row[at] for row in shown["result"]["data"]]


def predict(place: Place, kind: str) -> None:
    """Ask a model, in both calls that do without an endpoint and in the one that has one."""
    pipeline = _served(place)
    if kind == "endpoint_prediction":
        endpoint = place.client.create_endpoint(pipeline_id=pipeline["id"])["data"]["id"]
        made = place.client.create_endpoint_prediction(endpoint_id=endpoint, **_ASKED)["data"]
        assert made["endpoint_id"] == endpoint
    else:
        create = getattr(place.client, f"create_{kind}")
        made = create(pipeline_id=pipeline["id"], **_ASKED)["data"]
    assert _predicted(made) == _LONG_SHORT


@case("create_actual")
def create_actual(place: Place) -> None:
    pipeline = place.pipeline()["id"]
    answer = place.client.create_actual(
        pipeline_id=pipeline, actuals=[{"prediction_id": "p", "actual": True}]
    )
    assert answer == {"data": {}, "meta": {"status": 200}}
    with pytest.raises(place.errors.InvalidParamsError, match="actuals should be an array"):
        place.client.create_actual(pipeline_id=pipeline, actuals=[[1, 2]])


@case("delete_actuals")
def delete_actuals(place: Place) -> None:
    pipeline = place.pipeline()["id"]
    place.client.create_actual(pipeline_id=pipeline, actuals=[{"a": 1}])
    asked = {"from": "2020-01-01", "to": "2100-01-01", "with_predictions": True}
    task = place.client.delete_actuals(pipeline_id=pipeline, **asked)["data"]
    assert task["object"] == "cluster_task"
    assert task["args"][0]["begin_date"] == "2020-01-01"
    done = place.client.get_cluster_task(task["id"])["data"]
    assert (done["status"], done["result"]) == ("success", {"deleted": 1})


@case("create_endpoint_actual")
def create_endpoint_actual(place: Place) -> None:
    answer = place.client.create_endpoint_actual(
        endpoint_id=place.endpoint()["id"], actuals=[[1, 2]], actual_column_names=["a", "b"]
    )
    assert answer == {"data": {}, "meta": {"status": 200}}
    with pytest.raises(place.errors.MissingParamError, match="endpoint_id parameter is required"):
        place.client.create_endpoint_actual(actuals=[])


@case("delete_endpoint_actuals")
def delete_endpoint_actuals(place: Place) -> None:
    endpoint = place.endpoint()["id"]
    answer = place.client.delete_endpoint_actuals(endpoint, **{"from": "2020-01-01"})
    assert "pagination" not in answer["meta"]
    assert [each["object"] for each in answer["data"]] == ["cluster_task"]


@case("create_endpoint_pipeline")
def create_endpoint_pipeline(place: Place) -> None:
    endpoint = place.endpoint()
    made = place.client.create_endpoint_pipeline(
        endpoint_id=endpoint["id"], pipeline_id=endpoint["primary_pipeline_id"], active=True
    )["data"]
    assert made["object"] == "endpoint_pipeline"
    assert (made["endpoint_id"], made["active"]) == (endpoint["id"], True)


@case("update_endpoint_pipeline")
def update_endpoint_pipeline(place: Place) -> None:
    (member,) = place.endpoint()["endpoint_pipelines"]
    changed = place.client.update_endpoint_pipeline(member["id"], active=False)["data"]
    assert (changed["id"], changed["active"]) == (member["id"], False)


@case("delete_endpoint_pipeline")
def delete_endpoint_pipeline(place: Place) -> None:
    endpoint = place.endpoint()
    (member,) = endpoint["endpoint_pipelines"]
    gone = place.client.delete_endpoint_pipeline(member["id"])["data"]
    assert (gone["object"], gone["deleted"]) == ("endpoint_pipeline", True)
    assert place.client.get_endpoint(endpoint["id"])["data"]["endpoint_pipelines"] == []


@case("create_endpoint_roi_validation", note="answers a cluster task")
def create_endpoint_roi_validation(place: Place) -> None:
    endpoint = place.endpoint()["id"]
    expressions = ["2 * 100", "2 *"]
    task = place.client.create_endpoint_roi_validation(
        endpoint_id=endpoint, expressions=expressions
    )["data"]
    assert (task["object"], task["args"][0]["expressions"]) == ("cluster_task", expressions)
    done = place.client.get_cluster_task(task["id"])["data"]
    assert done["status"] == "success"
    assert [each["is_valid"] for each in done["result"]] == [True, False]
    with pytest.raises(place.errors.MissingParamError, match="endpoint_id parameter is required"):
        place.client.create_endpoint_roi_validation(expressions=["1"])


@case("update_trial_search", note="answered at once: `done` in the answer itself")
def update_trial_search(place: Place) -> None:
    space = {"SVC": {"C": {"type": "float", "bounds": [0.1, 10], "log": True}}}
    made = place.client.create_trial_search(trials_total_count=5, search_space=space)["data"]
    assert (made["status"], len(made["next_trials"]), made["trials_history"]) == ("done", 5, [])
    history = [{**trial, "uid": "1", "score": 0.5} for trial in made["next_trials"][:2]]
    place.client.update_trial_search(made["id"], trials_history=history, trials_limit=2)
    after = place.client.get_trial_search(made["id"])["data"]
    assert (after["status"], len(after["next_trials"])) == ("done", 2)
    assert all(0.1 <= trial["algorithm_params"]["C"] <= 10 for trial in after["next_trials"])
    unknown = {"version": 1, "optimizers_space": {"a.NoSuchOptimizer": {}}}
    failed = place.client.create_trial_search(trials_total_count=5, search_space=unknown)["data"]
    assert (failed["status"], failed["next_trials"]) == ("error", [])
    with pytest.raises(place.errors.InvalidParamsError) as caught:
        place.client.update_trial_search(failed["id"], trials_history=[])
    assert caught.value.args[0] == (
        "id trial search can be continued only when previous iteration is done"
    )


@case("get_status")
def get_status(place: Place) -> None:
    answer = place.client.get_status(object="Project", id=place.id)
    assert answer == {"data": {"status": "undeployed"}, "meta": {"status": 200}}
    session = place.session(status="started")["id"]
    assert place.client.get_status("ExperimentSession", session)["data"]["status"] == "started"
    with pytest.raises(place.errors.InvalidParamsError, match="object is not in the list"):
        place.client.get_status("Nonsense", 1)
