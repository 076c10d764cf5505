"""The command line: what to measure, with whom, how often."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import environments
from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.measures import (
    bulk,
    columns,
    disk,
    durability,
    exchange,
    exchange_load,
    exchange_memory,
    first_frame,
    fit_time,
    hub_reading,
    hub_serving,
    hub_writing,
    importing,
    logging,
    names,
    neptune3_reading,
    neptune3_writing,
    paths,
    reading,
    searching,
    tables,
    tracking,
    waiting,
    writers,
)
from benchmarks.report import Report, facts
from benchmarks.subjects import SUBJECTS, Subject

MEASURES: dict[str, Callable[[Bench], list[Figure]]] = {
    "durable": durability.measure,
    "log": logging.measure,
    "writers": writers.measure,
    "paths": paths.measure,
    "bulk": bulk.measure,
    "disk": disk.measure,
    "read": reading.measure_series,
    "table": reading.measure_table,
    "page": reading.measure_page,
    "import": importing.measure,
    "tables": tables.measure,
    "track": tracking.measure,
    "columns": columns.measure,
    "names": names.measure,
    "first_frame": first_frame.measure,
    "waiting": waiting.measure,
    "exchange": exchange.measure,
    "exchange_load": exchange_load.measure,
    "exchange_memory": exchange_memory.measure,
    "fit_time": fit_time.measure,
    "hub_points": hub_writing.measure_points,
    "hub_log": hub_writing.measure_log,
    "hub_read": hub_reading.measure_series,
    "hub_pages": hub_reading.measure_pages,
    "hub_search": hub_reading.measure_search,
    "hub_calls": hub_serving.measure_calls,
    "hub_idle": hub_serving.measure_idle,
    "neptune3_ingest": neptune3_writing.measure_ingest,
    "neptune3_fetch": neptune3_reading.measure_fetch,
    "neptune3_page": neptune3_reading.measure_page,
    "neptune3_definitions": neptune3_reading.measure_definitions,
    "neptune3_training": neptune3_writing.measure_training,
    "neptune3_seen": neptune3_writing.measure_seen,
    "search_quality": searching.measure_quality,
    "search_latency": searching.measure_latency,
    "search_store": searching.measure_store,
}
GROUPS = {
    group: [name for name in MEASURES if name.startswith(f"{group}_")]
    for group in ("hub", "neptune3", "search")
}
EXAMPLE = """example:
  python -m benchmarks --only durable,log --peers xetrack,mlflow --rounds 3
  python -m benchmarks --only hub --peers mlflow_server,auger_client
  python -m benchmarks --only neptune3 --peers neptune_scale,neptune_query
  python -m benchmarks --from benchmarks/results.json --markdown
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one report, and save it; 3 when a subject could not be measured."""
    options = _parser().parse_args(arguments)
    if options.source:
        report = Report.load(options.source)
    else:
        report = _measure(options)
        report.save(options.output)
        print(f"saved to {options.output}", file=sys.stderr)
    print(report.as_markdown() if options.markdown else report.as_text())
    return 3 if any(figure.problem for figure in report.figures) else 0


def _measure(options: argparse.Namespace) -> Report:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that started processes end, too
    load = os.getloadavg()
    bench = Bench(
        subjects=options.peers,
        environments={},
        work=options.work,
        rounds=options.rounds,
        quick=options.quick,
    )
    bench.environments = {
        subject.key: environments.prepare(subject, bench.say) for subject in options.peers
    }
    figures: list[Figure] = []
    for name in options.only:
        figures += MEASURES[name](bench)
    if options.quick:  # a bar is about the full size
        figures = [replace(made, measure=replace(made.measure, bars=())) for made in figures]
    return Report(figures=figures, facts=facts(bench.versions, quick=options.quick, load=load))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Mooring and its peers side by side, in one run.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=list(MEASURES),
        help=f"some of {','.join([*MEASURES, *GROUPS])}",
    )
    peers = ",".join(subject.key for subject in SUBJECTS if not subject.is_mooring)
    parser.add_argument(
        "--peers",
        type=_subjects,
        default=list(SUBJECTS),
        help=f"some of {peers}, or none; Mooring is always measured",
    )
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.add_argument(
        "--from", dest="source", type=Path, help="print a saved report; measure nothing"
    )
    parser.add_argument(
        "--output", type=Path, default=environments.ROOT / "results.json", help="where to save"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=environments.ROOT / ".work",
        help="folder for the measured files: the disk that is measured",
    )
    return parser


def _names(text: str) -> list[str]:
    names = [name for part in text.split(",") for name in GROUPS.get(part, [part])]
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; there are {', '.join([*MEASURES, *GROUPS])}"
        )
    return [name for name in MEASURES if name in names]


def _subjects(text: str) -> list[Subject]:
    keys = [] if text == "none" else text.split(",")
    known = {subject.key for subject in SUBJECTS}
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    return [subject for subject in SUBJECTS if subject.is_mooring or subject.key in keys]
