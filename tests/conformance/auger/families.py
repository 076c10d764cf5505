"""Cases of the five common methods, resource by resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from mooring.wire.auger.resources import get_resource
from tests.conformance.auger.places import Place, unique
from tests.conformance.auger.registry import KINDS, METHODS, OURS

Parameters = Callable[[Place], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the common methods of a resource are tried with.

    Attributes
    ----------
    create : the parameters of a creation; None where clients cannot create, or not like that
    made : makes one otherwise
    creators : the clients that can create; none named: all of `kinds`
    hidden : parameters that the answer does not repeat as they were
    changes : fields of an update
    asynchronous : a deletion is answered before it is done: `deleted` is false
    within : parameters of every call, such as the parent
    total : how many objects a list has beside what the case makes
    note : told in the page, beside what reads
    """

    name: str
    create: Parameters | None = None
    made: Callable[[Place], Any] | None = None
    creators: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    changes: Mapping[str, Any] = field(default_factory=dict)
    asynchronous: bool = False
    within: Parameters = lambda place: {}
    total: int = 0
    kinds: tuple[str, ...] = KINDS
    note: str = ""

    @property
    def plural(self) -> str:
        return get_resource(self.name).plural

    def make(self, place: Place, within: dict[str, Any]) -> Any:
        if self.made is not None:
            return self.made(place)
        assert self.create is not None
        made = getattr(place.client, f"create_{self.name}")
        return made(**{**self.create(place), **within})["data"]


def _checked(answer: Any, family: Family) -> Any:
    assert answer["meta"]["status"] == 200
    data, resource = answer["data"], get_resource(family.name)
    assert data["object"] == (resource.object_type or resource.name)
    assert data["deleted"] in (False, True)
    return data


def _create(family: Family) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        assert family.create is not None
        given = {**family.create(place), **family.within(place)}
        data = _checked(getattr(place.client, f"create_{family.name}")(**given), family)
        assert data["deleted"] is False
        shown = {each.name for each in get_resource(family.name).fields} - family.hidden
        for name in given.keys() & shown:
            assert data[name] == given[name], name

    return check


def _show(family: Family) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        within = family.within(place)
        made = family.make(place, within)
        get = getattr(place.client, f"get_{family.name}")
        shown = _checked(get(made["id"], **within), family)
        assert (shown["id"], shown["deleted"]) == (made["id"], False)
        missing = {each.name for each in get_resource(family.name).fields} - shown.keys()
        assert not missing
        with pytest.raises(place.errors.FatalApiError, match="Couldn't find"):
            get("999999999", **within)

    return check


def _index(family: Family) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        within = family.within(place)
        made = [family.make(place, within)["id"] for _ in range(3)]
        get = getattr(place.client, f"get_{family.plural}")
        whole = get(**within)
        assert whole["meta"]["status"] == 200
        total = 3 + family.total
        assert whole["meta"]["pagination"] == {
            "limit": 50,
            "offset": 0,
            "count": total,
            "total": total,
        }
        ids = [each["id"] for each in whole["data"]]
        assert set(made) <= set(ids)
        page = get(limit=2, offset=1, **within)
        assert [each["id"] for each in page["data"]] == ids[1:3]
        assert page["meta"]["pagination"] == {"limit": 2, "offset": 1, "count": 2, "total": total}
        beyond = get(offset=1000, **within)
        assert (beyond["data"], beyond["meta"]["pagination"]["count"]) == ([], 0)

    return check


def _iterate(family: Family) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        within = family.within(place)
        made = [family.make(place, within)["id"] for _ in range(3)]
        seen: list[Any] = []
        iterate = getattr(place.client, f"iterate_all_{family.plural}")
        iterate(lambda item: seen.append(item["id"]), limit=2, **within)
        assert len(seen) == len(set(seen)) == 3 + family.total
        assert set(made) <= set(seen)

    return check


def _generate(family: Family) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        within = family.within(place)
        for _ in range(3):
            family.make(place, within)
        generate = getattr(place.client, f"iter_{family.plural}")
        seen = [each["id"] for each in generate(limit=2, **within)]
        assert len(seen) == len(set(seen)) == 3 + family.total
        assert [each["id"] for each in generate(limit=1, offset=1, **within)] == seen[1:]

    return check


def _update(family: Family) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        made = family.make(place, family.within(place))
        update = getattr(place.client, f"update_{family.name}")
        changed = _checked(update(made["id"], **family.changes), family)
        wanted = {k: v for k, v in family.changes.items() if k not in family.hidden}
        assert {name: changed[name] for name in wanted} == wanted
        with pytest.raises(place.errors.FatalApiError, match="Couldn't find"):
            update("999999999", **family.changes)

    return check


def _delete(family: Family) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        made = family.make(place, family.within(place))
        delete = getattr(place.client, f"delete_{family.name}")
        gone = _checked(delete(made["id"]), family)
        assert (gone["id"], gone["deleted"]) == (made["id"], not family.asynchronous)
        with pytest.raises(place.errors.FatalApiError, match="Couldn't find"):
            delete("999999999")
        if family.name not in ("project", "endpoint_pipeline"):
            with pytest.raises(place.errors.FatalApiError, match="Couldn't find"):
                getattr(place.client, f"get_{family.name}")(made["id"])

    return check


def enter(family: Family) -> None:
    """Enter the cases that follow from a family."""
    resource = get_resource(family.name)
    one, many = family.name, family.plural
    kinds = family.kinds
    if family.create is not None:
        METHODS.add(f"create_{one}", kinds=family.creators or kinds)(_create(family))
    if resource.find("show") is not None:
        METHODS.add(f"get_{one}", kinds=kinds, note=family.note)(_show(family))
    if resource.find("index") is not None:
        METHODS.add(f"get_{many}", kinds=kinds, note=family.note)(_index(family))
        METHODS.add(f"iterate_all_{many}", kinds=kinds)(_iterate(family))
        METHODS.add(f"iter_{many}", kinds=(OURS,))(_generate(family))
    if family.changes:
        METHODS.add(f"update_{one}", kinds=kinds)(_update(family))
    if resource.find("delete") is not None:
        METHODS.add(f"delete_{one}", kinds=kinds)(_delete(family))


def _sample(place: Place) -> dict[str, Any]:
    cluster = getattr(place, "cluster", None)
    if cluster is None:
        fields = {"organization_id": place.organization, "project_id": place.id, "name": "c"}
        cluster = place.report("clusters", fields)["id"]
        place.cluster = cluster  # type: ignore[attr-defined]
    return {"cluster_id": cluster, "cpu": 3, "memory": 41, "slave_data": {"node": {"cpu": 0.5}}}


def _machine(place: Place) -> dict[str, Any]:
    return {"id": unique("c5"), "description": "2xCPU 4.0 GB RAM"}


def _line(place: Place) -> dict[str, Any]:
    return {"project_id": place.id, "pod_name": "w", "data": "line\n"}


def _fired(place: Place) -> Any:
    """What an alert tells of predictions that failed: the model is missing."""
    endpoint = place.endpoint()["id"]
    place.client.create_review_alert(endpoint_id=endpoint, kind="runtime_errors_burst", threshold=1)
    place.client.create_endpoint_prediction(endpoint_id=endpoint, **_ROWS)
    (item,) = place.client.get_review_alert_items(endpoint_id=endpoint)["data"]
    assert (item["kind"], item["values"]) == ("runtime_errors_burst", [1.0])
    return item


_AGENTS = "agents report them"
_ROWS: dict[str, Any] = {"records": [[1, None], [2, 3]], "features": ["a", "b"]}


FAMILIES = (
    Family(
        name="organization",
        create=lambda place: {"name": unique("organization")},
        changes={"role_to_assume_arn": "arn:aws:iam::1:role/x"},
        hidden=frozenset({"role_to_assume_arn"}),
        asynchronous=True,
        total=1,
    ),
    Family(
        name="project",
        create=lambda place: {"name": unique("p"), "organization_id": place.organization},
        changes={"default_worker_nodes_count": 5, "default_kubernetes_stack": "experimental"},
        asynchronous=True,
        total=1,
    ),
    Family(
        name="experiment",
        create=lambda place: {"id": unique("e"), "name": "first"},
        changes={"name": "second", "notes": "better"},
    ),
    Family(
        name="experiment_session",
        create=lambda place: {
            "id": unique("s"),
            "experiment_id": place.experiment()["id"],
            "status": "started",
            "message": "Some sort of message",
            "model_settings": {"start_time": "2019-12-11 15:03:43.606", "n": [1, {"x": None}]},
            "leaderbord": {},
        },
        changes={"status": "preprocess", "model_type": "classification"},
        made=lambda place: place.session(),
    ),
    Family(
        name="hyperparameter",
        create=lambda place: {
            "algorithm_name": "sklearn.svm.SVC",
            "algorithm_params": {"C": 0.5, "kernel": unique("k")},
        },
    ),
    Family(name="trial", made=lambda place: place.trial()),
    Family(
        name="dataset_manifest",
        create=lambda place: {
            "id": unique("d"),
            "name": "Iris",
            "statistics": {"stat_data": [{"column_name": "a", "range": ["0", "1"]}]},
        },
        changes={"dataset_url": "s3://bucket/iris.csv"},
    ),
    Family(
        name="project_file",
        create=lambda place: {
            "name": "iris.csv",
            "project_id": place.id,
            "url": f"s3://bucket/{unique('iris')}.csv",
            "description": "Flowers",
        },
    ),
    Family(
        name="pipeline",
        create=lambda place: {"trial_id": place.trial()["id"]},
        changes={"status": "packaging"},
    ),
    Family(name="pipeline_file", create=lambda place: {"trial_id": place.trial()["id"]}),
    Family(
        name="prediction", create=lambda place: {"pipeline_id": place.pipeline()["id"], **_ROWS}
    ),
    Family(
        name="prediction_group",
        create=lambda place: {"pipeline_id": place.pipeline()["id"], **_ROWS},
    ),
    Family(
        name="endpoint",
        create=lambda place: {"pipeline_id": place.pipeline()["id"], "name": "first"},
        changes={"name": "second"},
    ),
    Family(
        name="endpoint_prediction",
        create=lambda place: dict(_ROWS),
        within=lambda place: {"endpoint_id": place.endpoint()["id"]},
    ),
    Family(
        name="review_alert",
        create=lambda place: {
            "endpoint_id": place.endpoint()["id"],
            "kind": "model_accuracy",
            "threshold": 0.7,
            "sensitivity": 72,
        },
        changes={"threshold": 0.6, "sensitivity": 24, "active": False},
    ),
    Family(name="review_alert_item", made=_fired, note="the hub makes them"),
    Family(
        name="similar_trials_request",
        create=lambda place: {
            "dataset_manifest_id": place.manifest()["id"],
            "algorithm_name": "SVC",
            "algorithm_params_hash": "h",
        },
    ),
    Family(
        name="trial_search",
        create=lambda place: {
            "trials_total_count": 5,
            "search_space": {"SVC": {"C": {"type": "float", "bounds": [0.1, 10]}}},
        },
    ),
    Family(
        name="warm_start_request",
        create=lambda place: {
            "dataset_manifest_id": place.manifest()["id"],
            "score_name": "logloss",
        },
    ),
    Family(
        name="cluster",
        create=lambda place: {
            "organization_id": place.organization,
            "project_id": place.id,
            "name": "workers",
        },
        asynchronous=True,
        kinds=(OURS,),
    ),
    Family(
        name="cluster_status",
        create=_sample,
        creators=(OURS,),
        made=lambda place: place.report("cluster_statuses", _sample(place)),
        note=_AGENTS,
    ),
    Family(
        name="cluster_task",
        create=lambda place: {"name": "a.b.c", "queue": "q", "args": [{"x": None}]},
        changes={"status": "started"},
    ),
    Family(
        name="instance_type",
        create=_machine,
        creators=(OURS,),
        made=lambda place: place.report("instance_types", _machine(place)),
        note=_AGENTS,
    ),
    Family(
        name="pod_log",
        create=_line,
        creators=(OURS,),
        made=lambda place: place.report("pod_logs", _line(place)),
        note=_AGENTS,
    ),
)

for _family in FAMILIES:
    enter(_family)
