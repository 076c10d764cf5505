"""What a hub is like to have: small calls, the time that it takes to start, and its memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds, percentile
from benchmarks.servers import Memory, Server, mlflow_server, mooring_hub
from benchmarks.subjects import MLFLOW_SERVER, MOORING

CONNECTIONS = (1, 16)
CALLS = 200
SETTLES_S = 1.0
START_BAR, MEMORY_BAR = Bar("median", 2.0), Bar("median", 150.0)
HUB = "Mooring hub"
NAMES = {
    "find_run": "HubStore.find_run",
    "get_value": "HubStore.get_value",
    "append": "RunWriter.log without the spool, acknowledged by the hub",
}


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    clients: int


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    is_mooring: bool
    start: Callable[[Path], AbstractContextManager[Server]] = field(compare=False)
    use: Callable[[Server, Path], object] = field(compare=False)


def measure_calls(bench: Bench) -> list[Figure]:
    """Time small calls, alone and beside 15 other clients."""
    if MOORING not in bench.subjects:
        return []
    calls = 10 if bench.quick else CALLS
    ways = [
        _Way(f"{HUB}, {count} " + ("connections" if count > 1 else "connection"), count)
        for count in CONNECTIONS
    ]

    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as folder, mooring_hub(folder) as hub:
            tasks = [
                {"task": "small_calls", "run": f"run-{number}", "calls": calls, **hub.facts}
                for number in range(way.clients)
            ]
            answers = bench.jobs_together("hub", folder / "clients", tasks)
        wall = max(a["ended"] for a in answers) - min(a["started"] for a in answers)
        taken = {
            name: [1e3 * call for answer in answers for call in answer["taken_s"][name]]
            for name in NAMES
        }
        return {"taken": taken, "rate": calls * len(NAMES) * way.clients / wall}

    results, problems = bench.interleaved(
        "small calls through a hub", bench.rounds_or(5), ways, one_round
    )
    figures = []
    for name, title in NAMES.items():
        question = Measure(
            key=f"hub-call-{name}", title=f"small call through a hub: {title}", unit="ms"
        )
        for way in ways:
            found = results[way]
            if not found:
                problem = problems[way]
                figures.append(failed(question, way.title, is_mooring=True, problem=problem))
                continue
            rate = percentile([one["rate"] for one in found], 50)
            figures.append(
                over_rounds(
                    question,
                    way.title,
                    [percentile(one["taken"][name], 50) for one in found],
                    is_mooring=True,
                    n=f"{calls * way.clients:,} calls",
                    p99=percentile([taken for one in found for taken in one["taken"][name]], 99),
                    note=f"all three in turn: {rate:,.0f} calls/s together",
                )
            )
    return figures


def measure_idle(bench: Bench) -> list[Figure]:
    """Start a server on nothing, weigh it; use it a little, weigh it again."""
    if MOORING not in bench.subjects:
        return []
    kinds = [
        _Kind(
            HUB,
            True,
            mooring_hub,
            lambda server, place: bench.job("hub", {"task": "one_of_each", **server.facts}, place),
        )
    ]
    if MLFLOW_SERVER in bench.subjects:
        kinds.append(
            _Kind(
                MLFLOW_SERVER.title,
                False,
                lambda folder: mlflow_server(bench.python(MLFLOW_SERVER), folder),
                lambda server, place: bench.task(
                    MLFLOW_SERVER, {"task": "one_of_each", **server.facts}, place
                ),
            )
        )

    def one_round(kind: _Kind) -> tuple[float, Memory, Memory]:
        with bench.folder() as folder, kind.start(folder) as server:
            time.sleep(SETTLES_S)
            before = server.memory()
            kind.use(server, folder / "client")
            time.sleep(SETTLES_S)
            return server.ready_s, before, server.memory()

    results, problems = bench.interleaved("idle server", bench.rounds_or(5), kinds, one_round)
    start = Measure(
        key="hub-start", title="start of a server on nothing, until it answers", unit="s"
    )
    idle = Measure(key="hub-idle", title="resident memory of an idle server", unit="MB")
    used = Measure(
        key="hub-used",
        title="resident memory of an idle server, after a request of each kind",
        unit="MB",
    )
    figures = []
    for measure, bar, read in (
        (start, START_BAR, lambda found: found[0]),
        (idle, MEMORY_BAR, lambda found: found[1].resident),
        (used, MEMORY_BAR, lambda found: found[2].resident),
    ):
        for kind in kinds:
            bars = (bar,) if kind.is_mooring else ()
            question = Measure(key=measure.key, title=measure.title, unit=measure.unit, bars=bars)
            if not results[kind]:
                problem = problems[kind]
                figures.append(
                    failed(question, kind.title, is_mooring=kind.is_mooring, problem=problem)
                )
                continue
            figures.append(
                over_rounds(
                    question,
                    kind.title,
                    [read(found) for found in results[kind]],
                    is_mooring=kind.is_mooring,
                    n="1 server",
                    note="" if measure is start else _shared(results[kind], measure is used),
                )
            )
    return figures


def _shared(measured: list[tuple[float, Memory, Memory]], after: bool) -> str:
    found = [memory[2] if after else memory[1] for memory in measured]
    proportional = percentile([memory.proportional for memory in found], 50)
    return (
        f"of {found[0].processes} processes; {proportional:.0f} MB when what they share with "
        "others is divided among them"
    )
