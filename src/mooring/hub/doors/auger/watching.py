"""What became of the predictions through an endpoint: rows, what was true of them, and alerts.

Everything is computed from the stored predictions and actuals, the newest thousand requests of
either kind. An alert that fires makes one item; it fires again after its sensitivity has passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mooring.hub.doors.auger.calls import Call, JsonObject
from mooring.hub.doors.auger.fields import Form, equals
from mooring.hub.doors.auger.models import PREDICTION_ID
from mooring.hub.doors.auger.records import NewRecord, Record, Scope
from mooring.hub.doors.auger.trials import find_trial
from mooring.hub.review import (
    Alert,
    AlertKind,
    Cell,
    ExpressionInvalid,
    History,
    PredictedRow,
    ThresholdPolicy,
    UnknownFeature,
    check_alert,
    daily_feature_distribution,
    daily_model_performance,
    join,
    metric_for,
    review_rows,
    roi,
    stats,
)
from mooring.query import Expression, Or

_MOST = 1000
_MOST_HOURS = 24 * 366 * 100
_VALUES = ("actual", "endpoint_actual")
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What is known of an endpoint's predictions by its primary pipeline."""

    history: History
    times_ms: Sequence[int]


def read_reviewed(call: Call, endpoint: Record) -> Reviewed:
    """Return the predictions through an endpoint, joined with what was true."""
    records, scope = call.everything(), Scope(endpoint.run.project)
    primary = endpoint.values.get("primary_pipeline_id")
    pipeline = records.find("pipeline", primary)
    of_it = equals("endpoint_id", Form.TEXT, str(endpoint.id))
    groups = [
        group
        for group in records.page("prediction_group", scope, [of_it], limit=_MOST).records
        if group.values.get("pipeline_id") == primary
    ]
    truths: Expression = of_it
    if isinstance(primary, str):
        truths = Or((of_it, equals("pipeline_id", Form.TEXT, primary)))
    sent = records.page("actual", scope, [truths], limit=_MOST).records
    target = None if pipeline is None else pipeline.values.get("target_feature")
    actuals: dict[str, Cell] = {}
    for record in reversed(sent):  # the last word counts
        actuals.update(_actuals_of(record, target))
    done = [group for group in groups if group.get("status") == "done"]
    rows = [row for group in reversed(done) for row in _rows_of(group)]
    for group in done:  # an id of a request of one row is that of the row
        if group.values.get("records_count") == 1 and str(group.id) in actuals:
            actuals.setdefault(f"{group.id}-0", actuals[str(group.id)])
    return Reviewed(
        History(
            join(rows, actuals),
            [moment_of(group) for group in groups if group.get("status") == "error"],
            _metric(call, pipeline),
            _baseline(call, endpoint),
        ),
        [ms for group in done if isinstance(ms := group.values.get("time_consumed_ms"), int)],
    )


def moment_of(record: Record) -> datetime:
    """Return when a prediction was made."""
    told = record.values.get("predicted_at")
    return told if isinstance(told, datetime) else record.created


def _rows_of(group: Record) -> Iterator[PredictedRow]:
    values = group.values
    names, records, result = values.get("features"), values.get("records"), values.get("result")
    if not isinstance(names, list) or not isinstance(records, list) or not isinstance(result, dict):
        return
    columns, data = result.get("columns"), result.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        return
    # The prediction follows the features, where they are part of the result.
    place = 0 if values.get("no_features_in_result") else len(names)
    ids = columns.index(PREDICTION_ID) if PREDICTION_ID in columns else None
    at = moment_of(group)
    for number, (given, told) in enumerate(zip(records, data, strict=False)):
        id = f"{group.id}-{number}" if ids is None else str(told[ids])
        yield PredictedRow(id, at, told[place], dict(zip(names, given, strict=False)))


def _actuals_of(record: Record, target: object) -> Iterator[tuple[str, Cell]]:
    """Return what a request tells to be true, by the ids of predictions."""
    values = record.values
    names, group = values.get("actual_column_names"), values.get("prediction_group_id")
    told = values.get("actuals")
    columns = names if isinstance(names, list) else []
    for number, item in enumerate(told if isinstance(told, list) else ()):
        named = dict(zip(columns, item, strict=False)) if isinstance(item, list) else item
        id = named.get(PREDICTION_ID)
        if id is None and group is not None:
            id = f"{group}-{number}"  # in the order of the rows
        keys = [name for name in (*_VALUES, target) if isinstance(name, str) and name in named]
        if id is not None and keys and isinstance(named[keys[0]], _PLAIN):
            yield str(id), named[keys[0]]


def _metric(call: Call, pipeline: Record | None) -> str:
    if pipeline is None:
        return metric_for(None)
    told = pipeline.values
    trial = told.get("trial_id")
    found = find_trial(call, trial) if isinstance(trial, str) else None
    names = [told.get("score_name"), told.get("task_type")]
    if found is not None:
        names = [found.values.get("score_name"), found.values.get("task_type")]
    return metric_for(*(name if isinstance(name, str) else None for name in names))


def features_of(call: Call, endpoint: Record) -> set[str] | None:
    """Return the features of an endpoint's data, as far as anything tells them."""
    columns = _columns_of_data(call, endpoint)
    if columns:
        return {str(column.get("column_name")) for column in columns}
    of_it = equals("endpoint_id", Form.TEXT, str(endpoint.id))
    scope = Scope(endpoint.run.project)
    for group in call.everything().page("prediction_group", scope, [of_it], limit=1).records:
        names = group.values.get("features")
        if isinstance(names, list):
            return {str(name) for name in names}
    return None


def _columns_of_data(call: Call, endpoint: Record) -> list[JsonObject]:
    """Return the statistics of the columns that the endpoint's session was trained on."""
    session = endpoint.values.get("primary_experiment_session_id")
    found = call.everything().find("experiment_session", session) if session else None
    told = None if found is None else found.values.get("dataset_statistics")
    columns = told.get("stat_data") if isinstance(told, dict) else None
    return [c for c in columns if isinstance(c, dict)] if isinstance(columns, list) else []


def _baseline(call: Call, endpoint: Record) -> dict[str, tuple[float, float]]:
    known = {}
    for column in _columns_of_data(call, endpoint):
        mean, spread = column.get("avg"), column.get("std_dev")
        if isinstance(mean, (int, float)) and isinstance(spread, (int, float)):
            known[str(column.get("column_name"))] = (float(mean), float(spread))
    return known


# what an endpoint shows


def describe(call: Call, endpoint: Record) -> JsonObject:
    """Return `stats`, the daily fields and `avg_prediction_time_ms`; null where nothing is known.

    `stats` are those of `mooring.hub.review.stats`, with `errors_count`, and `roi` where the
    endpoint has expressions for it: `count`, `investment`, `revenue`, `roi`, or an `error`.
    """
    found = read_reviewed(call, endpoint)
    history = found.history
    if not history.rows and not history.failures:
        return {}
    told = stats(history.rows, history.score_name)
    told["errors_count"] = len(history.failures)
    told["roi"] = _roi(endpoint, history.rows)
    times = found.times_ms
    return {
        "stats": told,
        "daily_model_performance": daily_model_performance(history.rows, history.score_name),
        "daily_feature_distribution": daily_feature_distribution(history.rows),
        "avg_prediction_time_ms": sum(times) / len(times) if times else None,
    }


def _roi(endpoint: Record, rows: Sequence[PredictedRow]) -> JsonObject | None:
    texts: list[str | None] = []
    for name in ("roi_filter", "roi_investment", "roi_revenue"):
        text = endpoint.values.get(name)
        texts.append(text if isinstance(text, str) else None)
    if not any(texts):
        return None
    try:
        found = roi(texts[0], texts[1], texts[2], review_rows(rows))
    except (ExpressionInvalid, UnknownFeature) as error:
        return {"error": str(error)}
    return {
        "count": found.count,
        "investment": found.investment,
        "revenue": found.revenue,
        "roi": found.roi,
    }


# alerts


def watch(call: Call, endpoint: Record, now: datetime | None = None) -> None:
    """Let the active alerts of an endpoint look at what there is, and note which of them fire."""
    of_it = equals("endpoint_id", Form.TEXT, str(endpoint.id))
    active = equals("active", Form.FLAG, True)
    scope = Scope(endpoint.run.project)
    alerts = call.everything().page("review_alert", scope, [of_it, active]).records
    if not alerts:
        return
    now = now or datetime.now(UTC)
    history = read_reviewed(call, endpoint).history
    for record in alerts:
        _check(call, record, history, now)


def watch_pipeline(call: Call, pipeline: Record) -> None:
    """Let the alerts of the endpoints look whose primary pipeline this is."""
    of_it = equals("primary_pipeline_id", Form.TEXT, str(pipeline.id))
    for endpoint in (
        call.everything().page("endpoint", Scope(pipeline.run.project), [of_it]).records
    ):
        watch(call, endpoint)


def _check(call: Call, record: Record, history: History, now: datetime) -> None:
    told = record.values
    hours = told.get("sensitivity")
    threshold, policy = told.get("threshold"), told.get("threshold_policy")
    alert = Alert(
        AlertKind(str(told["kind"])),
        float(threshold) if isinstance(threshold, (int, float)) else None,
        min(max(hours, 1), _MOST_HOURS) if isinstance(hours, int) else None,
        ThresholdPolicy(str(policy)) if policy else ThresholdPolicy.ALL_VALUES,
    )
    fired = check_alert(alert, history, now)
    if fired is None or _is_open(call, record, now, fired.sensitivity):
        return
    # Two requests at a time note the same firing: the name is that of the hours it is of.
    window = int(now.timestamp()) // (3600 * fired.sensitivity)
    call.everything().create(
        NewRecord(
            resource="review_alert_item",
            project=record.run.project,
            values={
                "endpoint_id": told.get("endpoint_id"),
                "review_alert_id": record.run.key,
                "kind": str(fired.kind),
                "threshold": fired.threshold,
                "sensitivity": fired.sensitivity,
                "opened_at": fired.opened_at,
                "values": list(fired.values),
            },
            request=f"alert-{record.run.key}-{fired.sensitivity}-{window}",
        )
    )


def _is_open(call: Call, alert: Record, now: datetime, hours: int) -> bool:
    """Tell whether an alert fired within its hours already."""
    of_it = equals("review_alert_id", Form.INTEGER, alert.run.key)
    scope = Scope(alert.run.project)
    for item in call.everything().page("review_alert_item", scope, [of_it], limit=1).records:
        opened = item.values.get("opened_at")
        return isinstance(opened, datetime) and now - opened < timedelta(hours=hours)
    return False
