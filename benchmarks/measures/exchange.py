"""Stores to exports and back, beside the copying of files and the rules of another exporter."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Better, Figure, Measure, Rival, against, failed, over_rounds
from benchmarks.subjects import EXPORTER_RULES, MOORING

LARGE = {"runs": 100, "metrics": 50, "points": 2_000, "params": 20}
SMALL = {"runs": 2_000, "metrics": 0, "points": 0, "params": 20}
QUICK_LARGE = {"runs": 4, "metrics": 5, "points": 2_000, "params": 20}
QUICK_SMALL = {"runs": 20, "metrics": 0, "points": 0, "params": 20}
COPIED, SYNCED = "cp -r of the same files", "cp -r of the same files, synced"
WRITER_THEIRS = "the tool itself on another machine: 2.1 s, 4.7 M points/s, 400 to 430 runs/s"
SUMMARY_THEIRS = "the tool itself on another machine: {} s, of which 2.1 s its start"
COMMAND = "from mooring.cli import main; import sys; sys.argv[1:] = ['summary', {0!r}]; main()"

Answer = Mapping[str, Any]
Read = Callable[[Answer], float]


def _seconds(found: Answer) -> float:
    return float(found["seconds"])


@dataclass(frozen=True, slots=True)
class _Way:
    """A line: what does a round, what a figure is made of, and the bars that it has to reach."""

    title: str
    run: Callable[[], Answer] = field(compare=False)
    read: Read = _seconds
    bars: tuple[Bar, ...] = ()
    note: str = ""
    is_mooring: bool = True


@dataclass(frozen=True, slots=True)
class _Data:
    """Stores and exports that rounds begin with, below one folder."""

    bench: Bench
    folder: Path
    large: Mapping[str, int]
    small: Mapping[str, int]

    @property
    def points(self) -> int:
        return self.large["runs"] * self.large["metrics"] * self.large["points"]

    def store(self, name: str) -> str:
        return str(self.folder / name / "store" / "bench.db")

    def export(self, name: str) -> str:
        return str(self.folder / name / "store" / "export")

    def job(self, task: Mapping[str, Any], *, copy: str = "") -> Answer:
        """Do a task in a folder of its own; on a copy of a store, where it would change it."""
        with self.bench.folder() as folder:
            if copy:
                shutil.copytree(self.folder / copy / "store", folder / "copy")
                task = {**task, "source": str(folder / "copy" / "bench.db")}
            return self.bench.job("exchange", task, folder)

    def peer(self, task: Mapping[str, Any]) -> Answer:
        with self.bench.folder() as folder:
            return self.bench.task(EXPORTER_RULES, task, folder)


def measure(bench: Bench) -> list[Figure]:
    """Export, import, count and open: all in new processes, into new folders."""
    if MOORING not in bench.subjects:
        return []
    with bench.folder() as folder:
        large, small = (QUICK_LARGE, QUICK_SMALL) if bench.quick else (LARGE, SMALL)
        data = _Data(bench, folder, large, small)
        peer = EXPORTER_RULES in bench.subjects
        _make(data, peer=peer)
        return [
            *_export_sealed(data, peer=peer),
            *_export_logged(data, peer=peer),
            *_export_small(data, peer=peer),
            *_imports(data, peer=peer),
            *_import_small(data, peer=peer),
            *_summaries(data, peer=peer),
            *_openings(data, peer=peer),
        ]


def _make(data: _Data, *, peer: bool) -> None:
    bench, folder = data.bench, data.folder
    for name, task, size in (
        ("sealed", "write_sealed", data.large),
        ("logged", "write_logged", data.large),
        ("small", "write_sealed", data.small),
    ):
        bench.say(f"exchange · writing a store: {name}")
        bench.job("exchange", {"task": task, **size}, folder / name)
    for name in ("sealed", "small"):
        bench.say(f"exchange · writing an export: {name}")
        export = {"task": "export", "source": data.store(name), "warm": False}
        bench.job("exchange", export, folder / f"{name}-export")
    shutil.copytree(data.export("sealed-export"), data.export("bare"))
    for manifests in Path(data.export("bare")).rglob(".mooring"):
        shutil.rmtree(manifests)
    if peer:
        for name, size in (("foreign", data.large), ("foreign-small", data.small)):
            bench.say(f"exchange · writing an export: {name}")
            bench.task(EXPORTER_RULES, {"task": "write", **size}, folder / name)


def _export_sealed(data: _Data, *, peer: bool) -> list[Figure]:
    task = {"task": "export_and_copy", "source": data.store("sealed")}
    found: list[Answer] = []

    def export() -> Answer:
        found.append(data.job(task))
        return found[-1]

    ways = [_Way(MOORING.title, export, note="forced to the disk; manifests with checksums")]
    if peer:
        ways.append(_writer(data, data.large, _seconds))
    question = Measure(
        key="export-sealed",
        title=f"export of {data.points:,} points in sealed runs",
        unit="s",
    )
    figures = _answered(data, question, ways, n=_size(data.large))
    copies = [
        over_rounds(question, title, [one[key] for one in found], is_mooring=False, n=n)
        for title, key, n in (
            (COPIED, "cp_s", f"{found[0]['files']:,} files"),
            (SYNCED, "cp_sync_s", f"{found[0]['files']:,} files"),
        )
        if found
    ]
    return against(figures + copies, MOORING.title, Rival(COPIED), Rival(SYNCED))


def _export_logged(data: _Data, *, peer: bool) -> list[Figure]:
    points, bar = data.points, Bar("median", 3.0)
    task = {"task": "export", "again": True}

    def rate(found: Answer) -> float:
        return points / float(found["seconds"]) / 1e6

    def again(found: Answer) -> float:
        return points / float(found["again_s"]) / 1e6

    found: list[Answer] = []

    def export() -> Answer:
        found.append(data.job(task, copy="logged"))
        return found[-1]

    sealed = {"task": "export", "source": data.store("sealed"), "read": True}
    ways = [
        _Way(
            "Mooring Run, nobody has read it before",
            export,
            rate,
            (bar,),
            "aggregates are made first, as by any first read",
        ),
        _Way("Mooring Run, sealed, read by a selection", lambda: data.job(sealed), rate),
    ]
    if peer:
        ways.append(_writer(data, data.large, rate))
    question = Measure(
        key="export-logged",
        title=f"export of {points:,} points in the log",
        unit="M points/s",
        better=Better.MORE,
    )
    figures = _answered(data, question, ways, n=_size(data.large))
    if found:
        title = "Mooring Run, read before"
        barred = Measure(
            key=question.key,
            title=question.title,
            unit=question.unit,
            better=Better.MORE,
            bars=(bar,),
        )
        second = over_rounds(
            barred, title, [again(one) for one in found], is_mooring=True, n=_size(data.large)
        )
        figures.insert(1, second)
    return figures


def _export_small(data: _Data, *, peer: bool) -> list[Figure]:
    task = {"task": "export", "source": data.store("small")}
    ways = [_Way(MOORING.title, lambda: data.job(task), _runs_a_second, note="forced to the disk")]
    if peer:
        ways.append(_writer(data, data.small, lambda one: data.small["runs"] / _seconds(one)))
    return _answered(data, _of_small(data, "export"), ways, n=_size(data.small))


def _writer(data: _Data, size: Mapping[str, int], read: Read) -> _Way:
    return _Way(
        EXPORTER_RULES.title,
        lambda: data.peer({"task": "write", **size}),
        read,
        note=f"its writing alone, of batches that are ready, nothing synced; {WRITER_THEIRS}",
        is_mooring=False,
    )


def _imports(data: _Data, *, peer: bool) -> list[Figure]:
    points = data.points

    def way(title: str, export: str, bar: float, **more: Any) -> _Way:
        task = {"task": "import", "source": data.export(export), **more}
        return _Way(
            title,
            lambda: data.job(task),
            lambda found: points / _seconds(found) / 1e6,
            (Bar("median", bar),),
        )

    attached = [
        way("Mooring Run, its own export", "sealed-export", 20.0),
        way("Mooring Run, its own export, hard links", "sealed-export", 20.0, attach="link"),
    ]
    verified = [way("Mooring Run, its own export", "sealed-export", 3.0, verify=True)]
    if peer:
        title = "Mooring Run, an export by the exporter's rules"
        attached.append(way(title, "foreign", 20.0))
        verified.append(way(title, "foreign", 3.0, verify=True))
    figures = []
    for key, words, ways in (
        ("import-attach", "import by attaching files", attached),
        ("import-verify", "import, and all read back and compared", verified),
    ):
        question = Measure(
            key=key, title=f"{words}: {points:,} points", unit="M points/s", better=Better.MORE
        )
        figures += _answered(data, question, ways, n=_size(data.large))
    return figures


def _import_small(data: _Data, *, peer: bool) -> list[Figure]:
    def way(title: str, export: str) -> _Way:
        task = {"task": "import", "source": data.export(export)}
        return _Way(title, lambda: data.job(task), _runs_a_second)

    ways = [way("Mooring Run, its own export", "small-export")]
    if peer:
        ways.append(way("Mooring Run, an export by the exporter's rules", "foreign-small"))
    return _answered(data, _of_small(data, "import"), ways, n=_size(data.small))


def _summaries(data: _Data, *, peer: bool) -> list[Figure]:
    bench, bar = data.bench, Bar("median", 1.0)

    def way(title: str, export: str, *bars: Bar) -> _Way:
        task = {"task": "summarize", "source": data.export(export)}
        with bench.folder() as folder:
            command = bench.start_python(MOORING, COMMAND.format(data.export(export)), folder)
        note = f"the command `mooring summary`, from start to end: {command:.1f} s"
        return _Way(title, lambda: data.job(task), bars=bars, note=note)

    def theirs(export: str, seconds: float) -> _Way:
        task = {"task": "summarize", "source": data.export(export)}
        note = SUMMARY_THEIRS.format(seconds)
        return _Way(EXPORTER_RULES.title, lambda: data.peer(task), note=note, is_mooring=False)

    large = [
        way("Mooring Run, its own export", "sealed-export", bar),
        way("Mooring Run, its own export without manifests", "bare", bar),
    ]
    small = [way("Mooring Run, its own export", "small-export")]
    if peer:
        title = "Mooring Run, an export by the exporter's rules"
        large += [way(title, "foreign", bar), theirs("foreign", 3.7)]
        small += [way(title, "foreign-small"), theirs("foreign-small", 7.2)]
    questions = (
        (f"summary of an export of {data.points:,} points", large, data.large),
        (f"summary of an export of {data.small['runs']:,} small runs", small, data.small),
    )
    figures = []
    for title, ways, size in questions:
        question = Measure(key="summary", title=title, unit="s")
        figures += _answered(data, question, ways, n=_size(size))
    return figures


def _openings(data: _Data, *, peer: bool) -> list[Figure]:
    def way(title: str, export: str) -> _Way:
        task = {"task": "open", "source": data.export(export)}
        return _Way(title, lambda: data.job(task))

    ways = [way("Mooring Run, its own export", "sealed-export")]
    if peer:
        ways.append(way("Mooring Run, an export by the exporter's rules", "foreign"))
    title = f"an export of {data.points:,} points opened in place, as a store"
    question = Measure(key="open-export", title=title, unit="s")
    return _answered(data, question, ways, n=_size(data.large))


def _answered(data: _Data, question: Measure, ways: Sequence[_Way], *, n: str) -> list[Figure]:
    """Let every way do its rounds, in turn."""
    rounds = data.bench.rounds_or(3)
    results, problems = data.bench.interleaved(question.title, rounds, ways, lambda way: way.run())
    figures = []
    for way in ways:
        measure = Measure(
            key=question.key,
            title=question.title,
            unit=question.unit,
            better=question.better,
            bars=way.bars,
        )
        if not results[way]:
            problem = problems[way]
            figures.append(failed(measure, way.title, is_mooring=way.is_mooring, problem=problem))
            continue
        peak = max(found["peak_mib"] for found in results[way])
        worked = statistics.median(found["cpu_s"] for found in results[way])
        memory = f"{worked:.2f} CPU s, {peak:,.0f} MiB at most"
        figures.append(
            over_rounds(
                measure,
                way.title,
                [way.read(found) for found in results[way]],
                is_mooring=way.is_mooring,
                n=n,
                note=f"{way.note}; {memory}" if way.note else memory,
            )
        )
    return figures


def _of_small(data: _Data, words: str) -> Measure:
    return Measure(
        key=f"{words}-small",
        title=f"{words} of {data.small['runs']:,} runs of {data.small['params']} parameters",
        unit="runs/s",
        better=Better.MORE,
    )


def _runs_a_second(found: Answer) -> float:
    return float(found["runs"]) / _seconds(found)


def _size(size: Mapping[str, int]) -> str:
    if not size["points"]:
        return f"{size['runs']:,} runs"
    return f"{size['runs']} runs x {size['metrics']} x {size['points']:,}"
