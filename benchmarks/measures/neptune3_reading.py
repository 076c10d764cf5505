"""What Neptune's reader asks of a hub: very many series, pages of very many runs, definitions.

The client is neptune-query, unmodified. What it needs by itself is measured by giving it the hub's
answers out of memory; what the hub needs, by sending the client's requests without the client.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import (
    Bar,
    Figure,
    Measure,
    Rival,
    against,
    failed,
    over_rounds,
    percentile,
)
from benchmarks.processes import TaskFailed
from benchmarks.recording import Asked, recording
from benchmarks.servers import Server, mooring_hub
from benchmarks.subjects import MOORING, NEPTUNE_QUERY, NEPTUNE_SCALE

HUB = "Mooring hub"
MEMORY = "the same answers out of memory"
SERIES, EACH = 100_000, 100
RUNS, PAGE = 100_000, 50
REPEATS = 200
PAGE_BAR, DEFINITIONS_BAR = Bar("median", 50.0), Bar("median", 100.0)
REGEX = "metric_.*77"


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    ask: Callable[[Path], Mapping[str, Any]] = field(compare=False)
    changes: bool = False


def measure_fetch(bench: Bench) -> list[Figure]:
    """Fetch all points of a run of very many metrics, from the hub and out of memory."""
    if not {MOORING, NEPTUNE_QUERY, NEPTUNE_SCALE} <= set(bench.subjects):
        return []
    series = 200 if bench.quick else SERIES
    question = Measure(
        key="neptune3-fetch",
        title=f"neptune-query fetch_metrics of {series * EACH:,} points, {series:,} metrics x "
        f"{EACH}",
        unit="s",
    )
    task = {"task": "fetch_metrics", "run": "wide", "repeats": 1}
    with bench.folder() as folder, mooring_hub(folder) as hub, recording(hub) as recorder:
        _write_wide(bench, hub, series, folder)

        def ask(server: Mapping[str, str], place: Path) -> Mapping[str, Any]:
            before = hub.cpu_s()
            found = bench.task(NEPTUNE_QUERY, {**task, **server}, place)
            if found["length"] != series * EACH:
                raise TaskFailed(f"{found['length']:,} points came of {series * EACH:,}")
            return {**found, "cpu_s": hub.cpu_s() - before}

        def out_of_memory(place: Path) -> Mapping[str, Any]:
            recorder.replays = True
            found = ask(recorder.facts, place)
            recorder.check()
            return found

        bench.say("neptune-query · recording what the hub answers")
        ask(recorder.facts, folder / "record")
        ways = [_Way(HUB, lambda place: ask(hub.facts, place)), _Way(MEMORY, out_of_memory)]
        return _fetched(bench, question, ways, f"{series * EACH:,} points")


def _fetched(bench: Bench, question: Measure, ways: Sequence[_Way], n: str) -> list[Figure]:
    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as folder:
            return way.ask(folder)

    results, problems = bench.interleaved(question.title, bench.rounds_or(3), ways, one_round)
    figures = []
    for way in ways:
        is_hub = way.title == HUB
        found = results[way]
        if not found:
            figures.append(failed(question, way.title, is_mooring=is_hub, problem=problems[way]))
            continue
        used = percentile([one["cpu_s"] for one in found], 50)
        figures.append(
            over_rounds(
                question,
                way.title,
                [one["taken_s"][0] for one in found],
                is_mooring=is_hub,
                n=n,
                note=f"the first call of a process; the hub took {used:.1f} s of CPU"
                if is_hub
                else "the client's own time",
            )
        )
    return against(figures, HUB, Rival(MEMORY, 1 / 1.5))


def _write_wide(bench: Bench, hub: Server, series: int, folder: Path) -> None:
    """Write a run as neptune-scale does, five steps a request."""
    bench.say(f"hub · writing a run of {series:,} metrics")
    bodies = folder / "bodies"
    made = {"task": "serialise", "runs": ["wide"], "bodies": str(bodies), "metrics": series}
    steps = {"snapshots": 5, "requests": EACH // 5}
    bench.task(NEPTUNE_SCALE, {**made, **steps}, folder / "made")
    created = {"task": "create", "bodies": [str(bodies / "wide")], **hub.facts}
    bench.job("neptune3", created, folder / "created")
    sent = {"task": "send", "bodies": str(bodies / "wide"), **hub.facts}
    bench.jobs_together("neptune3", folder / "write", [sent])
    shutil.rmtree(bodies)


def measure_page(bench: Bench) -> list[Figure]:
    """Ask for a page of very many runs, as the client does: by the client, and without it."""
    if not {MOORING, NEPTUNE_QUERY} <= set(bench.subjects):
        return []
    runs = 200 if bench.quick else RUNS
    with bench.folder() as folder:
        store = folder / "runs.db"
        bench.say(f"hub · writing {runs:,} runs")
        written = {"task": "write_runs", "runs": runs, "file": str(store)}
        bench.job("hub", written, folder / "write")
        with mooring_hub(folder / "hub", store) as hub:
            title = f"a page of {PAGE} of {runs:,} runs, by a parameter and a metric, best first"
            task = {"task": "fetch_page", "page": PAGE}
            return _requests(
                bench, hub, folder, title, task, "entries/search/", PAGE_BAR, changes=True
            )


def measure_definitions(bench: Bench) -> list[Figure]:
    """Ask for the definitions of a run of very many attributes by a regular expression."""
    if not {MOORING, NEPTUNE_QUERY, NEPTUNE_SCALE} <= set(bench.subjects):
        return []
    series = 200 if bench.quick else SERIES
    with bench.folder() as folder, mooring_hub(folder) as hub:
        _write_wide(bench, hub, series, folder)
        title = f"definitions of a run of {series:,} attributes by a regular expression"
        task = {"task": "list_attributes", "run": "wide", "regex": REGEX}
        path = "attributes/definitions/query"
        return _requests(bench, hub, folder, title, task, path, DEFINITIONS_BAR, changes=False)


def _requests(
    bench: Bench,
    hub: Server,
    folder: Path,
    title: str,
    task: Mapping[str, Any],
    path: str,
    bar: Bar,
    *,
    changes: bool,
) -> list[Figure]:
    """Let the client ask, and send its request at `path` again and again without it."""
    repeats = 10 if bench.quick else REPEATS
    with recording(hub) as recorder:
        asked = {**task, "repeats": 1, **recorder.facts}
        bench.task(NEPTUNE_QUERY, asked, folder / "record")
        request = recorder.one(path)

    def without(changed: bool) -> Callable[[Path], Mapping[str, Any]]:
        sent = {**_facts(request), "repeats": repeats, "changes": changed, **hub.facts}

        def ask(place: Path) -> Mapping[str, Any]:
            before = hub.cpu_s()
            found = bench.job("neptune3", {"task": "repeat", **sent}, place)
            return {**found, "cpu_s": (hub.cpu_s() - before) / repeats}

        return ask

    def by_client(place: Path) -> Mapping[str, Any]:
        before = hub.cpu_s()
        asked = {**task, "repeats": repeats // 5, **hub.facts}
        found = bench.task(NEPTUNE_QUERY, asked, place)
        return {**found, "cpu_s": (hub.cpu_s() - before) / (repeats // 5)}

    ways = [_Way(f"{HUB}, the client's request alone", without(False))]
    if changes:
        ways.append(_Way(f"{HUB}, after one run changed", without(True)))
    ways.append(_Way(f"{HUB}, neptune-query", by_client))
    question = Measure(key=f"neptune3-{task['task']}", title=title, unit="ms")

    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as place:
            return way.ask(place)

    results, problems = bench.interleaved(title, bench.rounds_or(3), ways, one_round)
    return _percentiles(question, ways, results, problems, bar)


def _percentiles(
    question: Measure,
    ways: Sequence[_Way],
    results: Mapping[_Way, Sequence[Mapping[str, Any]]],
    problems: Mapping[_Way, str],
    bar: Bar,
) -> list[Figure]:
    """Return the medians of rounds, and their 95th percentiles, which are what the bar is about."""
    high = Measure(key=f"{question.key}-p95", title=f"{question.title}: 95th percentile", unit="ms")
    barred = Measure(key=high.key, title=high.title, unit="ms", bars=(bar,))
    figures = []
    for measure, percent in ((question, 50), (high, 95)):
        for way in ways:
            found = results[way]
            if not found:
                figures.append(
                    failed(measure, way.title, is_mooring=True, problem=problems.get(way, ""))
                )
                continue
            alone = "neptune-query" not in way.title
            rounds = [[1e3 * taken for taken in one["taken_s"][1:]] for one in found]
            used = percentile([1e3 * one["cpu_s"] for one in found], 50)
            first = percentile([1e3 * one["taken_s"][0] for one in found], 50)
            figures.append(
                over_rounds(
                    barred if percent == 95 and alone else measure,
                    way.title,
                    [percentile(taken, percent) for taken in rounds],
                    is_mooring=True,
                    n=f"{len(rounds[0])} requests",
                    note=f"the hub took {used:.1f} ms of CPU each; the first one {first:.1f} ms",
                )
            )
    return figures


def _facts(request: Asked) -> Mapping[str, Any]:
    return {
        "method": request.method,
        "path": request.path,
        "headers": {
            name: value
            for name, value in request.headers.items()
            if name.lower() in ("content-type", "accept")
        },
        "body": base64.b64encode(request.body).decode(),
    }
