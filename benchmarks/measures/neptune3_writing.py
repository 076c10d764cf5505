"""What Neptune's writer sends to a hub: bodies of its own making, and real trainings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Better, Figure, Measure, failed, over_rounds, percentile
from benchmarks.processes import TaskFailed
from benchmarks.servers import Server, mooring_hub
from benchmarks.subjects import MOORING, NEPTUNE_QUERY, NEPTUNE_SCALE

HUB = "Mooring hub"
POINTS = 100_000
METRICS = (10, 100, 1_000, 10_000)
REQUESTS, FEW = 40, 400
WRITERS = (1, 4)
SETTLES_S = 1.0
RATE_BAR, COST_BAR, SEEN_BAR = Bar("median", 500_000.0), Bar("median", 1.1), Bar("median", 1.0)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Requests of so many snapshots of so many metrics."""

    metrics: int
    snapshots: int
    requests: int

    @property
    def title(self) -> str:
        return f"{self.metrics:,} metrics a snapshot, {self.snapshots:,} snapshots a request"


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    writers: int


def measure_ingest(bench: Bench) -> list[Figure]:
    """Send serialised requests while a reader polls, and count them in the file afterwards."""
    if not {MOORING, NEPTUNE_SCALE} <= set(bench.subjects):
        return []
    points, requests = (1_000, 3) if bench.quick else (POINTS, REQUESTS)
    shapes = [
        _Shape(metrics, points // metrics, requests) for metrics in METRICS if metrics <= points
    ]
    # What one training sends that logs 10 metrics 200 times a second, and a sender twice a second.
    small = _Shape(10, 100, 3 if bench.quick else FEW)
    figures = []
    for shape in dict.fromkeys([*shapes, small]):
        with bench.folder() as folder:
            bench.say(f"neptune-scale · serialising {shape.title}")
            runs = [f"run-{number}" for number in range(max(WRITERS))]
            task = {
                "task": "serialise",
                "runs": runs,
                "metrics": shape.metrics,
                "snapshots": shape.snapshots,
                "requests": shape.requests,
                "bodies": str(folder / "bodies"),
            }
            made = bench.task(NEPTUNE_SCALE, task, folder / "made")
            figures += _ingest(bench, shape, folder / "bodies", made, has_bar=shape is not small)
    return figures


def _ingest(
    bench: Bench, shape: _Shape, bodies: Path, made: Mapping[str, Any], *, has_bar: bool
) -> list[Figure]:
    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as folder:
            return _send(bench, folder, bodies, made["points"], way.writers)

    rate = Measure(
        key=f"neptune3-ingest-{shape.metrics}-{shape.snapshots}",
        title=f"requests of neptune-scale to a hub: {shape.title}",
        unit="points/s",
        better=Better.MORE,
        bars=(RATE_BAR,) if has_bar else (),
    )
    cost = Measure(key=f"{rate.key}-request", title=f"{rate.title}, a request", unit="ms")
    ways = [
        _Way(f"{HUB}, {count} " + ("writers" if count > 1 else "writer"), count)
        for count in WRITERS
    ]
    results, problems = bench.interleaved(rate.title, bench.rounds_or(3), ways, one_round)
    figures = []
    for way in ways:
        found = results[way]
        if not found:
            figures.append(failed(rate, way.title, is_mooring=True, problem=problems[way]))
            continue
        used = percentile([one["cpu_s"] / one["points"] for one in found], 50)
        size = made["points"] * way.writers
        polls = min(one["polls"] for one in found)
        figures.append(
            over_rounds(
                rate,
                way.title,
                [one["rate"] for one in found],
                is_mooring=True,
                n=f"{size:,} points",
                note=f"durable at answer; none lost when the hub was killed; {used * 1e6:.2f} s of "
                f"CPU a million points; read {polls} times meanwhile, the slowest read took "
                f"{max(one['slowest_poll_s'] for one in found):.2f} s",
            )
        )
        figures.append(
            over_rounds(
                cost,
                way.title,
                [percentile(one["taken"], 50) for one in found],
                is_mooring=True,
                n=f"{len(found[0]['taken']):,} requests",
                p99=percentile([taken for one in found for taken in one["taken"]], 99),
                note=f"{size // len(found[0]['taken']):,} points each",
            )
        )
    return sorted(figures, key=lambda figure: figure.measure.unit, reverse=True)


def _send(bench: Bench, folder: Path, bodies: Path, points: int, writers: int) -> Mapping[str, Any]:
    """Send all bodies of some runs; return the rate, and what it cost."""
    runs = [f"run-{number}" for number in range(writers)]
    with mooring_hub(folder) as hub:
        folders = [str(bodies / run) for run in runs]
        bench.job("neptune3", {"task": "create", "bodies": folders, **hub.facts}, folder / "made")
        tasks = [{"task": "send", "bodies": place, **hub.facts} for place in folders]
        with _polled(bench, folder, runs, hub) as polled:
            before = hub.cpu_s()
            answers = bench.jobs_together("neptune3", folder / "clients", tasks)
            used = hub.cpu_s() - before
        hub.kill()
    count = {"task": "count", "file": str(folder / "bench.db"), "runs": runs}
    found = bench.job("hub", count, folder / "count")["points"]
    if set(found.values()) != {points}:
        raise TaskFailed(f"of {points:,} points a run, the file has {found}")
    wall = max(answer["ended"] for answer in answers) - min(a["started"] for a in answers)
    return {
        "rate": points * writers / wall,
        "points": points * writers,
        "cpu_s": used,
        "taken": [1e3 * taken for answer in answers for taken in answer["taken_s"]],
        "polls": len(polled),
        "slowest_poll_s": max(polled, default=0.0),
    }


@contextmanager
def _polled(bench: Bench, folder: Path, runs: Sequence[str], hub: Server) -> Iterator[list[float]]:
    """Read beside what is done meanwhile; fill the list with the seconds of each read."""
    taken: list[float] = []
    if NEPTUNE_QUERY not in bench.subjects:
        yield taken
        return
    until = folder / "sent"
    task = {"task": "poll", "runs": runs, "until": str(until), **hub.facts}
    process = bench.process(NEPTUNE_QUERY, task, folder / "reader")
    try:
        process.read()
        process.go()
        yield taken
        until.touch()
        # The hub is needed until the last read ends.
        taken += process.answer()["taken_s"]
    finally:
        process.end()


def measure_training(bench: Bench) -> list[Figure]:
    """Time `log_metrics` of the real client, offline and beside a hub, in one process."""
    if not {MOORING, NEPTUNE_SCALE} <= set(bench.subjects):
        return []
    metrics = 10
    task = {
        "task": "train",
        "metrics": metrics,
        "calls": 20 if bench.quick else 1_000,
        "pause_s": 0.005,
    }
    title = f"log_metrics of {metrics} metrics by neptune-scale, 100 steps a second"

    def one_round(_: _Way) -> Mapping[str, list[float]]:
        with bench.folder() as folder, mooring_hub(folder) as hub:
            answer = bench.task(NEPTUNE_SCALE, {**task, **hub.facts}, folder / "client")
        if not answer["processed"]:
            raise TaskFailed("the client's operations were not all processed")
        return {
            name: [nanoseconds / 1e3 for nanoseconds in taken]
            for name, taken in answer["taken_ns"].items()
        }

    way = _Way(HUB, 1)
    results, problems = bench.interleaved(title, bench.rounds_or(5), [way], one_round)
    call = Measure(key="neptune3-training", title=title, unit="µs")
    ratio = Measure(
        key="neptune3-training-ratio",
        title=f"{title}: beside a hub, as a multiple of offline",
        unit="x",
        bars=(COST_BAR,),
    )
    found = results[way]
    if not found:
        return [failed(call, HUB, is_mooring=True, problem=problems[way])]
    n = f"{task['calls']:,} calls"
    names = {"hub": f"neptune-scale to a {HUB}", "offline": "neptune-scale offline"}
    return [
        *(
            over_rounds(
                call,
                title,
                [percentile(one[name], 50) for one in found],
                is_mooring=name == "hub",
                n=n,
                p99=percentile([taken for one in found for taken in one[name]], 99),
                note="one process logs to both in turn",
            )
            for name, title in names.items()
        ),
        over_rounds(
            ratio,
            names["hub"],
            [percentile(one["hub"], 50) / percentile(one["offline"], 50) for one in found],
            is_mooring=True,
            n=n,
            note="medians of the calls of a round",
        ),
    ]


def measure_seen(bench: Bench) -> list[Figure]:
    """Time from a call of the real writer until the real reader has the point."""
    if not {MOORING, NEPTUNE_SCALE, NEPTUNE_QUERY} <= set(bench.subjects):
        return []
    steps = 5 if bench.quick else 40
    # The pause is no multiple of the sender's half second, so that calls meet it at any moment.
    shared = {"run": "seen", "steps": steps, "metrics": 10, "pause_s": 0.73, "seconds": 300.0}

    def one_round(_: _Way) -> list[float]:
        with bench.folder() as folder, mooring_hub(folder) as hub, ExitStack() as stack:
            write = {"task": "write_steps", **shared, **hub.facts}
            watch = {"task": "watch", **shared, **hub.facts}
            writer = bench.process(NEPTUNE_SCALE, write, folder / "writer")
            stack.callback(writer.end)
            reader = bench.process(NEPTUNE_QUERY, watch, folder / "reader")
            stack.callback(reader.end)
            writer.read()
            reader.read()
            reader.go()
            time.sleep(SETTLES_S)  # its first question is behind it
            writer.go()
            seen = reader.answer()["seen"]
            called = writer.answer()["called"]
        if len(seen) != steps:
            raise TaskFailed(f"of {steps} steps the reader saw {len(seen)}")
        return [after - before for before, after in zip(called, seen, strict=True)]

    way = _Way(HUB, 1)
    title = "from log_metrics of neptune-scale until neptune-query's fetch_metrics has the point"
    results, problems = bench.interleaved(title, bench.rounds_or(3), [way], one_round)
    question = Measure(key="neptune3-seen", title=title, unit="s", bars=(SEEN_BAR,))
    if not results[way]:
        return [failed(question, HUB, is_mooring=True, problem=problems[way])]
    return [
        over_rounds(
            question,
            HUB,
            [percentile(seen, 50) for seen in results[way]],
            is_mooring=True,
            n=f"{steps} steps",
            p99=percentile([taken for seen in results[way] for taken in seen], 99),
            note="the client itself sends twice a second; the reader asks again as soon as it is "
            "answered",
        )
    ]
