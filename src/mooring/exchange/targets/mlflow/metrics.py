"""Float series as metrics: full requests, nothing twice, and compared when they are read back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from mooring.exchange.filling.steps import scale_steps
from mooring.exchange.mlflow_tracking.client import MAX_DOUBLE, METRIC_ROW, read_history
from mooring.exchange.target import Lost

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from mlflow.tracking import MlflowClient

MAX_METRICS_A_REQUEST = 1_000
SENDERS = 2
"""Threads that talk to a server: it works on one request while the next is made."""


class MetricWriter:
    """Writes the metrics of one run.

    `begun` names metrics that may have points already: their history is looked at, and only what
    is missing is sent, because MLflow's folders append what they are sent twice.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        *,
        multiplier: int,
        infinity: bool,
        senders: ThreadPoolExecutor | None,
        begun: Collection[str],
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._multiplier = multiplier
        self._infinity = infinity
        self._senders = senders
        self._begun = set(begun)
        self._digests: dict[str, bytes] = {}
        self.last_time = 0

    def write(self, series: Sequence[tuple[str, str, pa.Table]]) -> Sequence[Lost]:
        """Write series, each with its path and name, several in one request."""
        lost: list[Lost] = []
        parts: list[tuple[str, np.ndarray]] = []
        for path, name, points in series:
            rows = self._rows(path, points, lost)
            self._digests[name] = _digest(rows)
            if len(rows):
                self.last_time = max(self.last_time, int(rows["time"].max()))
            if name in self._begun:
                rows = _missing(rows, self._history(name))
            self._begun.add(name)
            parts.append((name, rows))
        self._send(_batches(parts))
        return lost

    def read_back(self, names: Collection[str]) -> tuple[dict[str, int], dict[str, str]]:
        """Return the number of points of each metric, and which hold others than were sent."""
        counts: dict[str, int] = {}
        different: dict[str, str] = {}
        read = map if self._senders is None else self._senders.map
        for name, rows in zip(names, read(self._history, names), strict=True):
            counts[name] = len(rows)
            if (sent := self._digests.get(name)) is not None and sent != _digest(rows):
                different[name] = f"its {len(rows)} points are not those that were sent"
        return counts, different

    def _rows(self, path: str, points: pa.Table, lost: list[Lost]) -> np.ndarray:
        """Return points as MLflow holds them: sorted by step, none twice; tell what that costs."""
        import numpy as np

        steps, cut = scale_steps(points["step"].to_numpy(), self._multiplier)
        micros = points["time"].to_numpy()
        rows = np.empty(len(steps), METRIC_ROW)
        rows["step"], rows["time"], rows["value"] = (
            steps,
            micros // 1_000,
            points["value"].to_numpy(),
        )
        if count := int(cut.sum()):
            lost.append(Lost(path, "what decimal steps have behind the point", count))
        if not self._infinity and (count := int(np.isinf(rows["value"]).sum())):
            lost.append(Lost(path, "infinities, which MLflow holds as ±1.797e308", count))
        if count := int(np.count_nonzero(micros % 1_000)):
            lost.append(Lost(None, "what times of points have below a millisecond", count))
        rows = self._as_held(rows)
        distinct = _distinct(rows)
        if count := len(rows) - len(distinct):
            lost.append(
                Lost(path, "points that are the same in step, millisecond and value", count)
            )
        return distinct

    def _as_held(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        if not self._infinity:
            rows["value"] = np.clip(rows["value"], -MAX_DOUBLE, MAX_DOUBLE)
        rows["value"] += 0.0  # -0.0 equals 0.0 for MLflow
        rows["value"][np.isnan(rows["value"])] = np.nan
        return rows

    def _history(self, name: str) -> np.ndarray:
        return self._as_held(read_history(self._client, self._run_id, name))

    def _send(self, batches: Iterator[list[Any]]) -> None:
        if self._senders is None:
            for batch in batches:
                self._client.log_batch(self._run_id, metrics=batch)
            return
        running: set[Future[Any]] = set()
        try:
            for batch in batches:
                if len(running) > SENDERS:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                running.add(
                    self._senders.submit(self._client.log_batch, self._run_id, metrics=batch)
                )
        finally:
            wait(running)
        for future in running:
            future.result()


def _batches(parts: Sequence[tuple[str, np.ndarray]]) -> Iterator[list[Any]]:
    """Yield metrics, as many as a request takes, whatever series they belong to."""
    from mlflow.entities import Metric

    batch: list[Any] = []
    for name, rows in parts:
        first = 0
        while first < len(rows):
            part = rows[first : first + MAX_METRICS_A_REQUEST - len(batch)]
            first += len(part)
            batch.extend(
                Metric(name, value, time, step)
                for value, time, step in zip(
                    part["value"].tolist(),
                    part["time"].tolist(),
                    part["step"].tolist(),
                    strict=True,
                )
            )
            if len(batch) == MAX_METRICS_A_REQUEST:
                yield batch
                batch = []
    if batch:
        yield batch


def _order(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.asarray(np.lexsort((rows["value"].view(np.int64), rows["time"], rows["step"])))


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Return the rows without those that occur a second time, in their order."""
    import numpy as np

    ordered = np.asarray(rows[_order(rows)])
    if len(ordered) < 2:
        return ordered
    raw = _raw(ordered)
    keep = np.ones(len(ordered), bool)
    keep[1:] = raw[1:] != raw[:-1]
    return np.asarray(ordered[keep])


def _missing(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
    import numpy as np

    if not len(held):
        return rows
    return np.asarray(rows[~np.isin(_raw(rows), _raw(held))])


def _digest(rows: np.ndarray) -> bytes:
    """Return a digest of rows that does not depend on their order."""
    import numpy as np

    return sha256(np.ascontiguousarray(rows[_order(rows)]).tobytes()).digest()


def _raw(rows: np.ndarray) -> np.ndarray:
    """Return each row as the bytes it is made of."""
    import numpy as np

    kind = np.dtype((np.void, rows.dtype.itemsize))
    return np.asarray(np.ascontiguousarray(rows).view(kind))
