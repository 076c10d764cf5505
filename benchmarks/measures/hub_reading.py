"""Reads through a hub: long series, pages of the resource API, searches beside MLflow's server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds, percentile
from benchmarks.processes import TaskFailed
from benchmarks.servers import Server, mlflow_server, mooring_hub
from benchmarks.subjects import AUGER_CLIENT, MLFLOW_SERVER, MOORING

POINTS, SERIES = 10_000_000, 100
TRIALS, PAGE = 100_000, 50
RUNS = 5_000
REPEATS = 5
PAGES = 100
FRAME_BAR, PAGE_BAR = Bar("median", 1.5), Bar("median", 20.0)
HUB = "Mooring hub"


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    ask: Callable[[Path], Mapping[str, Any]] = field(compare=False)
    is_mooring: bool = True
    bars: tuple[Bar, ...] = ()


def measure_series(bench: Bench) -> list[Figure]:
    """Read a run that was written through the hub, in a new process each round."""
    if MOORING not in bench.subjects:
        return []
    points = 100_000 if bench.quick else POINTS
    question = Measure(
        key="hub-read", title=f"{points:,} points of {SERIES} metrics through a hub", unit="s"
    )
    with bench.folder() as folder, mooring_hub(folder) as hub:
        bench.say("hub · writing a run")
        task = {"run": "long", "points": points, "series": SERIES, "repeats": REPEATS, **hub.facts}
        bench.job("hub", {"task": "write_run", **task}, folder / "write")

        def way(title: str, name: str, *bars: Bar) -> _Way:
            return _Way(
                title, lambda place: bench.job("hub", {"task": name, **task}, place), bars=bars
            )

        ways = [
            way(f"{HUB}, ReadOnlyProject.fetch_metrics, a DataFrame", "read_frame", FRAME_BAR),
            way(f"{HUB}, HubStore.read_series, an Arrow table", "read_arrow"),
        ]
        return _reads(bench, question, ways, length=points, unit_s=1.0, word="reads")


def measure_pages(bench: Bench) -> list[Figure]:
    """List pages of a session's trials, near and far, with the original client and without."""
    if MOORING not in bench.subjects:
        return []
    trials = 200 if bench.quick else TRIALS
    figures: list[Figure] = []
    with bench.folder() as folder, mooring_hub(folder) as hub:
        bench.say(f"hub · making {trials:,} trials")
        made = bench.job("hub", {"task": "make_trials", "trials": trials, **hub.facts}, folder)
        for offset in (0, trials // 2):
            task = {
                "task": "list_trials",
                "session": made["session"],
                "trials": trials,
                "offset": offset,
                "page": PAGE,
                "repeats": 10 if bench.quick else PAGES,
                **hub.facts,
            }
            figures += _pages(bench, task)
    return figures


def _pages(bench: Bench, task: Mapping[str, Any]) -> list[Figure]:
    question = Measure(
        key=f"hub-page-{task['offset']}",
        title=f"page of {PAGE} of {task['trials']:,} trials, from the {task['offset']:,}th on, "
        "GET /api/v1/trials",
        unit="ms",
    )
    ways = [_Way(f"{HUB}, httpx", lambda place: bench.job("hub", task, place), bars=(PAGE_BAR,))]
    if AUGER_CLIENT in bench.subjects:
        title = f"{HUB}, auger-hub-api-client unmodified"
        ask = lambda place: bench.task(AUGER_CLIENT, task, place)  # noqa: E731 - as the one above
        ways.append(_Way(title, ask, bars=(PAGE_BAR,)))
    return _reads(bench, question, ways, length=PAGE, unit_s=1e-3, word="pages", tail=True)


def measure_search(bench: Bench) -> list[Figure]:
    """Search the best of some thousand runs, beside MLflow's server with the same runs."""
    if MOORING not in bench.subjects:
        return []
    runs = 40 if bench.quick else RUNS
    repeats = 5 if bench.quick else 20
    task = {"task": "search", "page": PAGE, "repeats": repeats}
    question = Measure(
        key="hub-search",
        title=f"search through a server: a page of {PAGE} of {runs:,} runs, by a parameter and a "
        "metric, best first",
        unit="ms",
    )
    with bench.folder() as folder:
        store, database = folder / "runs.db", folder / "mlflow.db"
        bench.say(f"hub · writing {runs:,} runs")
        written = {"task": "write_runs", "runs": runs}
        bench.job("hub", {**written, "file": str(store)}, folder / "write")

        def ask_hub(hub: Server) -> Callable[[Path], Mapping[str, Any]]:
            return lambda place: bench.job("hub", {**task, **hub.facts}, place)

        def ask_mlflow(place: Path) -> Mapping[str, Any]:
            with mlflow_server(bench.python(MLFLOW_SERVER), place, database) as server:
                return bench.task(MLFLOW_SERVER, {**task, **server.facts}, place / "client")

        with mooring_hub(folder / "hub", store) as hub:
            ways = [_Way(f"{HUB}, ReadOnlyProject.fetch_runs_df", ask_hub(hub))]
            if MLFLOW_SERVER in bench.subjects:
                bench.say(f"MLflow server · writing {runs:,} runs")
                written["file"] = str(database)
                title = f"{MLFLOW_SERVER.title}, mlflow.search_runs"
                try:
                    bench.task(MLFLOW_SERVER, written, folder / "write-mlflow")
                except TaskFailed as failure:
                    bench.say(f"  failed: {failure}")
                ways.append(_Way(title, ask_mlflow, is_mooring=False))
            return _reads(bench, question, ways, length=None, unit_s=1e-3, word="searches")


def _reads(
    bench: Bench,
    question: Measure,
    ways: Sequence[_Way],
    *,
    length: int | None,
    unit_s: float,
    word: str,
    tail: bool = False,
) -> list[Figure]:
    """Let ways read in turn. `length`: what each has to find; `tail`: tell the 99th percentile."""

    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as folder:
            found = way.ask(folder)
        if length is not None and found["length"] != length:
            raise TaskFailed(f"{found['length']:,} came where {length:,} are")
        return found

    results, problems = bench.interleaved(question.title, bench.rounds_or(5), ways, one_round)
    figures = []
    for way in ways:
        measure = Measure(key=question.key, title=question.title, unit=question.unit, bars=way.bars)
        if not results[way]:
            figures.append(
                failed(measure, way.title, is_mooring=way.is_mooring, problem=problems[way])
            )
            continue
        rounds = [[taken / unit_s for taken in found["taken_s"]] for found in results[way]]
        later = [taken[1:] for taken in rounds]
        every = [taken for some in later for taken in some]
        first = percentile([taken[0] for taken in rounds], 50)
        figures.append(
            over_rounds(
                measure,
                way.title,
                [percentile(taken, 50) for taken in later],
                is_mooring=way.is_mooring,
                n=f"{len(later[0])} {word}",
                p99=percentile(every, 99) if tail else None,
                note=f"the first one of a process {first:,.2f} {question.unit}; slowest of the "
                f"others {max(every):,.2f} {question.unit}",
            )
        )
    return figures
