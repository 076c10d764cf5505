"""Loading one run: what it has is read, compared with the journal, handed over, and read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.exchange.comparing import digest_of
from mooring.exchange.loading.attempts import Attempts, Failure, capture
from mooring.exchange.loading.checking import compare
from mooring.exchange.loading.content import RECORDS, digest_run, digest_value
from mooring.exchange.loading.journal import Journal, RunId, RunState
from mooring.exchange.loading.outline import (
    FileItem,
    Outline,
    Series,
    chunk_series,
    files_of_series,
    outline_run,
    read_chunk,
)
from mooring.exchange.loading.report import RunLoad, RunStatus
from mooring.exchange.loading.result import (
    Result,
    count_problems,
    fetch,
    join_series,
    merge_lost,
    new_problems,
)
from mooring.exchange.reports import Problem
from mooring.exchange.selection import SelectedSource, type_of
from mooring.exchange.source import SourceRun
from mooring.exchange.target import FoundRun, Lost, PlansNames, Target, TargetRun
from mooring.model import AttributeType

if TYPE_CHECKING:
    pass

POINT_TYPES = (
    AttributeType.FLOAT_SERIES,
    AttributeType.STRING_SERIES,
    AttributeType.HISTOGRAM_SERIES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all runs of a load share.

    `work` is a folder for the content of a file while it is handed over, `seed` goes into the
    digests of points.
    """

    source: SelectedSource
    target: Target
    journal: Journal | None
    attempts: Attempts
    work: Path
    seed: str


class RunLoading:
    """Loads one run. `result` tells how far it came, also when `TargetGone` is raised."""

    def __init__(self, context: Context, run: SourceRun, *, parent: str | None = None) -> None:
        self._context = context
        self._run = run
        self._parent = parent
        self._key: RunId = (run.project, run.run_id)
        self.result = Result()

    @property
    def load(self) -> RunLoad:
        """What the load did with the run."""
        result, counts = self.result, self.result.counts
        return RunLoad(
            project=self._run.project,
            run_id=self._run.run_id,
            status=result.status,
            id=result.id,
            content=result.content,
            values=counts["values"],
            series=counts["series"],
            points=counts["points"],
            files=counts["files"],
            bytes=counts["bytes"],
            checked=result.checked,
            lost=merge_lost(result.lost),
            problems=tuple(result.problems),
        )

    def execute(self, *, dry_run: bool) -> None:
        """Load the run, or with `dry_run` find out what that would do."""
        result, source = self.result, self._context.source
        known = count_problems(source)
        outline = capture(lambda: outline_run(source, self._run))
        if isinstance(outline, Failure):
            result.problems.append(Problem("run", outline.why))
            return
        found = self.find()
        if isinstance(found, Failure):
            result.problems.append(Problem("run", f"cannot be looked for: {found.why}"))
            return
        if found is not None:
            result.id = found.id
        if found is not None and found.complete:
            self._compare(outline, found, known)
        elif dry_run:
            self._foresee(outline)
            result.status = RunStatus.WOULD_RESUME if found else RunStatus.WOULD_LOAD
        else:
            self._fill(outline, found, known)

    def find(self) -> FoundRun | Failure | None:
        """Return what an earlier load made of the run: the target tells, or else the journal."""
        context = self._context
        state = self._state
        if context.target.capabilities.finds_runs:
            found = context.attempts.call(lambda: context.target.find_run(self._run))
            if isinstance(found, FoundRun) and not found.content and state.id == found.id:
                return FoundRun(found.id, found.complete, state.content)
            return found
        if state.id and (state.content or context.target.capabilities.resumes):
            return FoundRun(state.id, bool(state.content), state.content)
        return None

    @property
    def _state(self) -> RunState:
        journal = self._context.journal
        return RunState() if journal is None else journal.runs.get(self._key, RunState())

    # a run that is complete in the target

    def _compare(self, outline: Outline, found: FoundRun, known: int) -> None:
        result = self.result
        self._digest(outline)
        result.problems.extend(new_problems(self._context.source, known))
        if not found.content or found.content == result.content:
            result.status = RunStatus.PRESENT
            state = self._state
            if state.content == result.content and state.id == found.id:
                result.lost = [Lost(path, why, count) for path, why, count in state.lost]
            else:
                result.lost = [Lost(None, "what the manifest of the load that made it tells")]
            return
        result.status = RunStatus.CHANGED
        if not result.problems:
            result.problems.append(
                Problem(
                    "run",
                    f"the target holds it complete ({found.id}) with other content: the source "
                    "changed since, or other attributes were chosen. It was left as it is; to "
                    "load it anew delete it in the target",
                )
            )

    def _digest(self, outline: Outline) -> None:
        for path, value in outline.values.items():
            self.result.parts[path] = digest_value(value)
        self.result.counts["values"] = len(outline.values)
        for type in POINT_TYPES:
            for series in self._read(outline, type):
                self.result.parts[series.path] = series.digest
                self._count_series(series)
        for path, items in self._files(outline):
            digests = [
                (item, capture(partial(digest_of, self._context.source, item.file)))
                for item in items
            ]
            for _, digest in digests:
                if isinstance(digest, Failure):
                    self.result.fail(path, items[0].type, digest)
            self._add_files(path, [(item, str(digest)) for item, digest in digests])
            self.result.counts["files"] += len(items)
            self.result.counts["bytes"] += sum(item.file.size_bytes or 0 for item in items)
        self._seal_content()

    def _add_files(self, path: str, digests: Sequence[tuple[FileItem, str]]) -> None:
        told = [
            (item.step, item.time, digest_value(item.file, content=digest))
            for item, digest in digests
        ]
        self.result.parts[path] = sha256(repr(told).encode()).hexdigest()[:32]

    def _seal_content(self) -> None:
        """Compute the digest of the run from those of its parts."""
        run, parts = self._run, self.result.parts
        identity = repr((run.kind.value, run.name, run.parent, run.fork_step))
        content = {path: digest for path, digest in parts.items() if path not in RECORDS}
        self.result.content = digest_run(
            {**content, "\n": sha256(identity.encode()).hexdigest()[:32]}
        )

    # a run that is not

    def _foresee(self, outline: Outline) -> None:
        result, types = self.result, self._context.target.capabilities.types
        for path, type in outline.attributes:
            if type not in types:
                self._cannot_hold(path, type)
        result.counts["values"] = len(outline.values)
        result.counts["files"] = len(outline.files)
        for series in outline.series:
            if series.type is AttributeType.FILE_SERIES:
                result.counts["files"] += series.count or 0
            else:
                result.counts["series"] += 1
                result.counts["points"] += series.count or 0
        self._note_fork()

    def _fill(self, outline: Outline, found: FoundRun | None, known: int) -> None:
        result = self.result
        opened = self._open(outline, found)
        if isinstance(opened, Failure):
            result.problems.append(Problem("run", f"cannot be made: {opened.why}"))
            return
        result.id, result.status = opened.id, RunStatus.PARTIAL
        if self._context.journal is not None:
            self._context.journal.opened(self._key, opened.id)
            if not self._context.target.capabilities.resumes:
                self._state.done.clear()
        self._note_fork()
        if self._run.incomplete:
            result.problems.append(
                Problem("run", f"the source does not have all of it: {self._run.incomplete}")
            )
        if isinstance(opened, PlansNames):
            result.lost.extend(opened.plan_names(outline.attributes))
        self._write_values(opened, outline)
        for type in POINT_TYPES:
            self._write_series(opened, outline, type)
        for path, items in self._files(outline):
            self._write_files(opened, path, items)
        result.problems.extend(new_problems(self._context.source, known))
        self._seal_content()
        self._end(opened)

    def _open(self, outline: Outline, found: FoundRun | None) -> TargetRun | Failure:
        context = self._context
        if found is None and context.journal is not None:
            if self._key in context.journal.runs and not context.target.capabilities.finds_runs:
                self.result.lost.append(
                    Lost(None, "an earlier load was cut while it made or filled this run: the "
                               "target may hold that one too")
                )  # fmt: skip
            context.journal.opening(self._key)
        first = True

        def open_run() -> TargetRun:
            nonlocal first, found
            if not first and context.target.capabilities.finds_runs:
                found = context.target.find_run(
                    self._run
                )  # the call that broke off may have made it
            first = False
            return context.target.open_run(
                self._run, outline.all_values, parent=self._parent, found=found is not None
            )

        return context.attempts.call(open_run)

    def _write_values(self, target: TargetRun, outline: Outline) -> None:
        result, done = self.result, self._state.done
        digests = {path: digest_value(value) for path, value in outline.values.items()}
        result.parts.update(digests)
        held = {}
        for path, value in outline.values.items():
            if type_of(value) in self._context.target.capabilities.types:
                held[path] = value
            else:
                self._cannot_hold(path, type_of(value))
        if not held:
            return
        if not all(path in done and done[path]["digest"] == digests[path] for path in held):
            lost = self._context.attempts.call(lambda: target.write_values(held))
            if isinstance(lost, Failure):
                result.problems.append(Problem(f"values ({len(held)} attributes)", lost.why))
                for path, value in held.items():
                    result.note(path, type_of(value), "failed")
                return
            self._arrived({path: (digests[path], 1) for path in held}, lost)
        else:
            self._arrived_before(held)
        for path, value in held.items():
            result.note(path, type_of(value), "arrived", digest=digests[path])
            result.expected.values[path] = type_of(value)
        result.counts["values"] += len(held)

    def _write_series(self, target: TargetRun, outline: Outline, type: AttributeType) -> None:
        holds = type in self._context.target.capabilities.types
        for paths in chunk_series(outline, type):
            chunk = list(self._read(outline, type, paths))
            self.result.parts.update({series.path: series.digest for series in chunk})
            if not holds:
                for series in chunk:
                    self._cannot_hold(series.path, type, series.count, digest=series.digest)
                continue
            done = self._state.done
            new = [
                series
                for series in chunk
                if series.path not in done or done[series.path]["digest"] != series.digest
            ]
            before = {series.path for series in chunk} - {series.path for series in new}
            self._arrived_before(before)
            arrived = before | self._send(target, type, new)
            for series in chunk:
                if series.path in arrived:
                    self._count_series(series)
                    self.result.note(
                        series.path, type, "arrived", count=series.count, digest=series.digest
                    )
                    self.result.expected.series[series.path] = (type, series.count)

    def _send(self, target: TargetRun, type: AttributeType, chunk: Sequence[Series]) -> set[str]:
        """Hand over series; return the paths of those that arrived."""
        if not chunk:
            return set()
        points = join_series(chunk)
        lost = self._context.attempts.call(lambda: target.write_points(type, points))
        if not isinstance(lost, Failure):
            self._arrived({series.path: (series.digest, series.count) for series in chunk}, lost)
            return {series.path for series in chunk}
        if len(chunk) == 1:
            self.result.fail(chunk[0].path, type, lost)
            return set()
        return set().union(*(self._send(target, type, [series]) for series in chunk))

    def _write_files(self, target: TargetRun, path: str, items: Sequence[FileItem]) -> None:
        result, done = self.result, self._state.done
        if items[0].type not in self._context.target.capabilities.types:
            digests = [
                (item, capture(partial(digest_of, self._context.source, item.file)))
                for item in items
            ]
            self._add_files(path, [(item, str(digest)) for item, digest in digests])
            self._cannot_hold(path, items[0].type, len(items))
            return
        written: list[tuple[FileItem, str]] = []
        for item in items:
            what = path if item.step is None else f"{path} at step {item.step / 1_000_000:g}"
            known = done.get(item.key)
            if known is not None and item.file.digest and known["digest"] == item.file.digest:
                self._arrived_before([item.key])
                digest, size, name = item.file.digest, known["count"], known["name"]
            else:
                content = self._context.work / "content"
                fetched = capture(partial(fetch, self._context.source, item.file, content))
                if isinstance(fetched, Failure):
                    result.fail(path, item.type, fetched, what=what)
                    continue
                digest, size = fetched
                if known is not None and known["digest"] == digest:
                    self._arrived_before([item.key])
                    name = known["name"]
                else:
                    write = partial(
                        target.write_file, path, item.type, item.step, item.file, content
                    )
                    lost = self._context.attempts.call(write)
                    if isinstance(lost, Failure):
                        result.fail(path, item.type, lost, what=what)
                        continue
                    name = target.name_of(path, item.type, item.step)
                    self._arrived({item.key: (digest, size)}, lost, name=name)
            written.append((item, digest))
            result.expected.files[(path, item.step)] = (name, size)
            result.counts["files"] += 1
            result.counts["bytes"] += size
        self._add_files(path, written)
        if items[0].type is AttributeType.FILE_SERIES and written:
            result.lost.append(Lost(None, "times of files in series", len(written)))
        if len(written) == len(items):
            result.note(path, items[0].type, "arrived", count=len(items), digest=result.parts[path])

    def _end(self, target: TargetRun) -> None:
        """Read back, mark the run, and write it down."""
        result, context = self.result, self._context
        self._check(target)
        complete = not result.problems
        finished = context.attempts.call(
            lambda: target.finish(complete=complete, content=result.content)
        )
        if isinstance(finished, Failure):
            result.problems.append(Problem("run", f"cannot be ended: {finished.why}"))
        if not result.checked:
            self._check(target)
        if not result.problems:
            result.status = RunStatus.LOADED
            if context.journal is not None:
                lost = [[loss.path, loss.why, loss.count] for loss in merge_lost(result.lost)]
                context.journal.completed(self._key, result.id, result.content, lost)

    def _check(self, target: TargetRun) -> None:
        result, context = self.result, self._context
        if not context.target.capabilities.reads_back:
            return
        inventory = context.attempts.call(target.read_back)
        if isinstance(inventory, Failure):
            result.problems.append(Problem("run", f"cannot be read back: {inventory.why}"))
            result.checked = True
        elif inventory is not None:
            result.checked = True
            missing = list(compare(result.expected, inventory, result.lost, target.name_of))
            for path, why in missing:
                result.attributes[path]["state"] = "missing"
                result.problems.append(Problem(path, why))
            if context.journal is not None:
                context.journal.gone(self._key, {path for path, _ in missing})
        for path, entry in result.attributes.items():
            entry["name"] = target.name_of(path, entry["type"])

    # parts of it

    def _read(
        self, outline: Outline, type: AttributeType, paths: Sequence[str] | None = None
    ) -> Iterator[Series]:
        """Yield the series of a type that can be read, and note those that cannot."""
        context = self._context
        for chunk in chunk_series(outline, type) if paths is None else [list(paths)]:
            missing = set(chunk)
            for series in read_chunk(context.source, self._run, type, chunk, seed=context.seed):
                if isinstance(series, Series):
                    missing.discard(series.path)
                    yield series
                else:
                    path, failure = series
                    missing.discard(path)
                    self.result.fail(path, type, failure)
            for path in sorted(missing):
                self.result.note(path, type, "failed")
                self.result.problems.append(Problem(path, "its points could not be read"))

    def _files(self, outline: Outline) -> Iterator[tuple[str, Sequence[FileItem]]]:
        """Yield the files of the run, attribute by attribute."""
        for item in outline.files:
            yield item.path, [item]
        for series in self._read(outline, AttributeType.FILE_SERIES):
            yield series.path, list(files_of_series(series))

    def _count_series(self, series: Series) -> None:
        self.result.counts["series"] += 1
        self.result.counts["points"] += series.count

    def _cannot_hold(
        self, path: str, type: AttributeType, count: int = 1, *, digest: str = ""
    ) -> None:
        name = self._context.target.name
        self.result.note(path, type, "cannot be held", count=count, digest=digest)
        self.result.lost.append(Lost(path, f"{name} has nothing for a {type.value}", count))

    def _note_fork(self) -> None:
        run, forks = self._run, self._context.target.capabilities.forks
        if run.parent is None:
            return
        if not forks:
            self.result.lost.append(Lost(None, f"that it was forked from {run.parent}"))
        elif self._parent is None:
            self.result.lost.append(
                Lost(None, f"the link to {run.parent}, its parent, which is not in the target")
            )

    def _arrived(
        self, attributes: Mapping[str, tuple[str, int]], lost: Sequence[Lost], *, name: str = ""
    ) -> None:
        self.result.lost.extend(lost)
        records: dict[str, dict[str, Any]] = {
            key: {"digest": digest, "count": count} for key, (digest, count) in attributes.items()
        }
        if name:  # of a file: a target may only know it while it writes it
            for record in records.values():
                record["name"] = name
        first = next(iter(records))
        for loss in merge_lost(lost):
            path = loss.path if loss.path in records else first
            assert path is not None
            records[path].setdefault("lost", []).append([loss.path, loss.why, loss.count])
        if self._context.journal is not None:
            self._context.journal.arrived(self._key, records)

    def _arrived_before(self, keys: Sequence[str] | set[str] | Mapping[str, Any]) -> None:
        for key in keys:
            for path, why, count in self._state.done[key].get("lost", ()):
                self.result.lost.append(Lost(path, why, count))
