"""Points and calls of `log` through a hub, beside MLflow's tracking server.

After each round the server is killed, and its file counted by a new process: what is missing makes
the line a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Better, Figure, Measure, failed, over_rounds, percentile
from benchmarks.processes import TaskFailed
from benchmarks.servers import Server, mlflow_server, mooring_hub
from benchmarks.subjects import MLFLOW_SERVER, MOORING

TABLE = {"series": 100, "points": 1_000_000, "batches": 5, "seconds": 600.0}
QUICK_TABLE = {"series": 10, "points": 10_000, "batches": 2, "seconds": 600.0}
SMALL = {"series": 10, "points": 1_000, "batches": 100_000, "seconds": 5.0}
QUICK_SMALL = {"series": 10, "points": 1_000, "batches": 3, "seconds": 5.0}
TRAININGS = 16
METRICS = 5
CALLS = 20_000
RATE_BAR, LOG_BAR = Bar("median", 3.0), Bar("median", 20_000.0)
HUB = "Mooring hub"


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    clients: int
    is_mooring: bool = True


def measure_points(bench: Bench) -> list[Figure]:
    """Measure large tables, then requests of 1,000 points, each with a new server."""
    if MOORING not in bench.subjects:
        return []
    table = QUICK_TABLE if bench.quick else TABLE
    question = Measure(
        key="hub-points",
        title=f"points through a hub, {table['points']:,} a request of an Arrow table",
        unit="M points/s",
        better=Better.MORE,
        bars=(RATE_BAR,),
    )
    ways = [_Way(f"{HUB}, 1 client", 1), _Way(f"{HUB}, 4 clients", 4)]
    figures = _points(bench, question, ways, table, 1e6)
    small = QUICK_SMALL if bench.quick else SMALL
    for clients in (1, TRAININGS):
        question = Measure(
            key=f"hub-small-{clients}",
            title=f"points through a server, {small['points']:,} a request, {clients} "
            + ("clients" if clients > 1 else "client"),
            unit="points/s",
            better=Better.MORE,
        )
        ways = [_Way(HUB, clients)]
        if MLFLOW_SERVER in bench.subjects:
            ways.append(_Way(MLFLOW_SERVER.title, clients, is_mooring=False))
        figures += _points(bench, question, ways, small, 1.0)
    return figures


def _points(
    bench: Bench, question: Measure, ways: Sequence[_Way], task: Mapping[str, Any], scale: float
) -> list[Figure]:
    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as folder:
            if way.is_mooring:
                answers, found = _ask_hub(bench, folder, "write_tables", way.clients, task)
            else:
                answers, found = _ask_mlflow(bench, folder, way.clients, task)
        points = sum(answer["points"] for answer in answers)
        _check(points, found)
        return {"points": points, "rate": points / _wall(answers) / scale}

    results, problems = bench.interleaved(question.title, bench.rounds_or(5), ways, one_round)
    call = {True: "HubStore.write_table", False: "MlflowClient.log_batch"}
    return [
        _rates(question, way, results[way], problems.get(way, ""), call[way.is_mooring])
        for way in ways
    ]


def _rates(
    question: Measure, way: _Way, measured: Sequence[Mapping[str, Any]], problem: str, call: str
) -> Figure:
    if not measured:
        return failed(question, way.title, is_mooring=way.is_mooring, problem=problem)
    points = sum(found["points"] for found in measured) // len(measured)
    return over_rounds(
        question,
        way.title,
        [found["rate"] for found in measured],
        is_mooring=way.is_mooring,
        n=f"{points:,} points",
        note=f"{call}; none lost when the server was killed",
    )


def measure_log(bench: Bench) -> list[Figure]:
    """Measure calls of `log` until the hub has all, and what each takes of the training."""
    if MOORING not in bench.subjects:
        return []
    calls = 200 if bench.quick else CALLS
    task = {"metrics": METRICS, "calls": calls, "seconds": 600.0}
    ways = [_Way(f"{HUB}, 1 process", 1), _Way(f"{HUB}, {TRAININGS} processes", TRAININGS)]

    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as folder:
            answers, found = _ask_hub(bench, folder, "log", way.clients, task)
        # The calls that warmed up are in the file, too, and are not counted as calls.
        warm = (found // METRICS) - calls * way.clients
        taken = [nanoseconds / 1e3 for answer in answers for nanoseconds in answer["taken_ns"]]
        _check(len(taken) * METRICS, found - warm * METRICS)
        logged = max(answer["logged"] for answer in answers)
        behind = max(answer["ended"] for answer in answers) - logged
        return {"taken": taken, "rate": len(taken) / _wall(answers), "behind": behind}

    title = f"log() of {METRICS} metrics through a hub"
    results, problems = bench.interleaved(title, bench.rounds_or(5), ways, one_round)
    return [
        figure
        for way in ways
        for figure in _log_figures(title, way, results[way], problems.get(way, ""), calls)
    ]


def _log_figures(
    title: str, way: _Way, measured: Sequence[Mapping[str, Any]], problem: str, calls: int
) -> list[Figure]:
    rate = Measure(
        key="hub-log",
        title=f"{title}, until the hub has all calls",
        unit="calls/s",
        better=Better.MORE,
        bars=(LOG_BAR,),
    )
    cost = Measure(key="hub-log-call", title=f"{title}, a call in the training", unit="µs")
    if not measured:
        return [failed(rate, way.title, is_mooring=True, problem=problem)]
    n = f"{calls * way.clients:,} calls"
    behind = max(found["behind"] for found in measured)
    slowest = max(max(found["taken"]) for found in measured) / 1e3
    every = [taken for found in measured for taken in found["taken"]]
    return [
        over_rounds(
            rate,
            way.title,
            [found["rate"] for found in measured],
            is_mooring=True,
            n=n,
            note=f"by way of the spool; the hub had the last call up to {behind:.2f} s after it "
            "returned; none lost when the hub was killed then",
        ),
        over_rounds(
            cost,
            way.title,
            [percentile(found["taken"], 50) for found in measured],
            is_mooring=True,
            n=n,
            p99=percentile(every, 99),
            note=f"in the spool at return; slowest call {slowest:.1f} ms",
        ),
    ]


def _ask_hub(
    bench: Bench, folder: Path, name: str, clients: int, task: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], int]:
    """Let clients do a task together; return their answers, and the points that they left."""
    runs = [f"run-{number}" for number in range(clients)]

    def ask(server: Server) -> list[dict[str, Any]]:
        tasks = [{"task": name, "run": run, **task, **server.facts} for run in runs]
        return bench.jobs_together("hub", folder / "clients", tasks)

    with mooring_hub(folder) as server:
        answers = _asked(server, ask)
    count = {"task": "count", "file": str(folder / "bench.db"), "runs": runs}
    return answers, sum(bench.job("hub", count, folder / "count")["points"].values())


def _ask_mlflow(
    bench: Bench, folder: Path, clients: int, task: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], int]:
    def ask(server: Server) -> list[dict[str, Any]]:
        # The first process makes the experiment.
        bench.task(MLFLOW_SERVER, {"task": "one_of_each", **server.facts}, folder / "first")
        tasks = [{"task": "log_batches", **task, **server.facts}] * clients
        return bench.together(folder / "clients", MLFLOW_SERVER, tasks)

    with mlflow_server(bench.python(MLFLOW_SERVER), folder) as server:
        answers = _asked(server, ask)
    count = {"task": "count", "file": str(folder / "mlflow.db")}
    return answers, bench.task(MLFLOW_SERVER, count, folder / "count")["points"]


def _asked(server: Server, ask: Callable[[Server], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    answers = ask(server)
    server.kill()
    return answers


def _wall(answers: Sequence[Mapping[str, Any]]) -> float:
    first = min(answer["started"] for answer in answers)
    return float(max(answer["ended"] for answer in answers) - first)


def _check(sent: int, found: int) -> None:
    if found != sent:
        raise TaskFailed(f"of {sent:,} points that were acknowledged, the file has {found:,}")
