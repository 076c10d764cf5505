"""Runs of any source as Parquet and files.

A run is whole when its manifest is there: it is written last, and names every part and file. What
is left of an export that was cut is used by the next one, see `parts`; files have their names only
when they are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from threading import BoundedSemaphore

import pyarrow as pa
import pyarrow.parquet as pq

from mooring.errors import AlreadyExists, ExportDamaged, MooringError, SourceUnreadable, StoreFull
from mooring.exchange.comparing import chunks
from mooring.exchange.fingerprint import fingerprint
from mooring.exchange.points import in_pieces
from mooring.exchange.reports import Outcome, Problem, RunOutcome, TransferReport
from mooring.exchange.selection import (
    SelectedSource,
    type_of,
)
from mooring.exchange.source import (
    UNKNOWN_COUNT,
    Progress,
    RunExtras,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
)
from mooring.exchange.targets.parquet.parts import RunParts, digest_of, remove_journal
from mooring.exchange.targets.parquet.places import (
    ExportPlaces,
    FileKey,
    file_paths,
    run_folders,
)
from mooring.exchange.targets.parquet.tables import describe_files, points_table, values_table
from mooring.exchange.writing import disk_error, sync_file, write_stream, write_whole
from mooring.model import AttributeType, Typed, order_by_lineage
from mooring.store.transfer import SealedFile
from mooring.wire.exporter import EXPORTER_TYPES, sanitize_id
from mooring.wire.exporter.manifest import (
    FileEntry,
    Manifest,
    PartEntry,
    decode_manifest,
    encode_manifest,
)

_WRITTEN_AT_ONCE = 4
Step = Callable[[Callable[[], None]], None]
"""Takes a step of writing a run, to do it at once or later."""
POINTS_AT_ONCE = 1_000_000
"""Points that are read and written together, of as many series as have so many."""


def write_export(
    source: SelectedSource,
    places: ExportPlaces,
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> TransferReport:
    """Write runs to Parquet and files. See `mooring.exchange.export_runs`."""
    job = _Export(source, places, overwrite=overwrite, dry_run=dry_run)
    return job.run(progress or (lambda done, total: None))


def read_manifest(places: ExportPlaces, run: SourceRun) -> Manifest | None:
    """Return the manifest of a run in an export, or None where there is none that can be read."""
    path = places.manifests_of(run) / f"{sanitize_id(run.run_id)}.json"
    try:
        return decode_manifest(path.read_bytes(), where=str(path))
    except (OSError, ExportDamaged):
        return None  # the run is exported again


class _Export:
    def __init__(
        self, source: SelectedSource, places: ExportPlaces, *, overwrite: bool, dry_run: bool
    ) -> None:
        self._source = source
        self._places = places
        self._overwrite = overwrite
        self._dry_run = dry_run
        self._waiting = BoundedSemaphore(_WRITTEN_AT_ONCE)

    def run(self, progress: Progress) -> TransferReport:
        source = self._source
        projects = {name: source.list_runs(name) for name in source.list_projects()}
        total, done = sum(map(len, projects.values())), 0
        written: list[tuple[SourceRun, RunOutcome | Future[RunOutcome]]] = []
        told = list(source.problems.named)
        with ThreadPoolExecutor(_WRITTEN_AT_ONCE, thread_name_prefix="mooring-export") as pool:
            for runs in projects.values():
                folders = run_folders(runs)
                for run in order_by_lineage(runs):
                    progress(done, total)
                    written.append((run, self._export(run, folders[run.run_id], pool)))
                    done += 1
        outcomes = [self._settle(*one) for one in written]
        progress(total, total)
        of_runs = {problem for outcome in outcomes for problem in outcome.missing}
        told += [p for p in source.problems.named[len(told) :] if p not in of_runs]
        return TransferReport(
            source=source.address,
            target=str(self._places.data),
            runs=tuple(outcomes),
            problems=tuple(told),
            problems_not_named=source.problems.not_named,
        )

    def _export(
        self, run: SourceRun, folder: str, pool: ThreadPoolExecutor
    ) -> RunOutcome | Future[RunOutcome]:
        with self._failing(run) as failed:
            return self._write(run, folder, pool)
        return failed[0]

    def _settle(self, run: SourceRun, outcome: RunOutcome | Future[RunOutcome]) -> RunOutcome:
        """Return what became of a run once its files are on the disk."""
        if isinstance(outcome, RunOutcome):
            return outcome
        with self._failing(run) as failed:
            return outcome.result()
        return failed[0]

    @contextmanager
    def _failing(self, run: SourceRun) -> Iterator[list[RunOutcome]]:
        """Turn what ends the export of one run into its outcome; a full disk ends all."""
        failed: list[RunOutcome] = []
        try:
            yield failed
        except OSError as error:
            failure = disk_error(error, self._places.parts_of(run))
            if isinstance(failure, StoreFull):
                raise failure from error
            reason = str(failure)
        except (MooringError, pa.ArrowException) as error:
            if isinstance(error, StoreFull):
                raise
            reason = str(error)
        else:
            return
        failed.append(
            RunOutcome(project=run.project, run_id=run.run_id, outcome=Outcome.FAILED, note=reason)
        )

    def _write(
        self, run: SourceRun, folder: str, pool: ThreadPoolExecutor
    ) -> RunOutcome | Future[RunOutcome]:
        source, places = self._source, self._places
        before = len(source.problems.named)
        values = dict(source.read_values(run))
        series = source.list_series(run)
        extras = source.read_extras(run)
        content = fingerprint(run, values, series, extras, options=self._options())
        known = read_manifest(places, run)
        outcome = RunOutcome(
            project=run.project,
            run_id=run.run_id,
            outcome=Outcome.DONE,
            values=len(values),
            series=len(series),
            points=sum(one.count or 0 for one in series),
        )
        if known is not None and known.project == run.project and known.run_id == run.run_id:
            if (
                known.content == content
                and known.is_complete
                and not self._overwrite
                and self._is_there(run, known)
            ):
                if not self._dry_run:  # a kill after the manifest leaves the journal
                    remove_journal(places.manifests_of(run), run.run_id)
                return replace(outcome, outcome=Outcome.PRESENT, files=len(known.files))
        elif known is not None:
            raise AlreadyExists(
                f"the export has another run, {known.run_id!r} of {known.project}, in the place of "
                f"{run.run_id!r}; export to another folder"
            )
        if self._dry_run:
            return replace(outcome, outcome=Outcome.PLANNED, note=run.incomplete)
        missing: list[Problem] = []
        complete = self._write_run(run, folder, values, series, extras, content, missing)
        missing += source.problems.named[before:]
        if run.incomplete:
            missing.append(Problem(f"run {run.run_id!r}", run.incomplete))

        def finish() -> RunOutcome:
            parts, manifest = complete()
            manifest = replace(manifest, missing=tuple((one.what, one.why) for one in missing))
            parts.finish()
            path = places.manifests_of(run) / f"{sanitize_id(run.run_id)}.json"
            write_whole(path, encode_manifest(manifest))
            parts.remove_journal()
            return replace(
                outcome,
                outcome=Outcome.PARTLY if missing else Outcome.DONE,
                points=manifest.points,
                files=len(manifest.files),
                size_bytes=sum(part.size_bytes for part in manifest.parts)
                + sum(file.size_bytes for file in manifest.files),
                missing=tuple(missing),
            )

        # To compress, and to force files to the disk, takes longer than to read: the next run goes
        # on meanwhile.
        self._waiting.acquire()
        future = pool.submit(finish)
        future.add_done_callback(lambda _: self._waiting.release())
        return future

    def _options(self) -> str:
        chosen = self._source.selection
        return repr((chosen.attributes, sorted(chosen.classes or ())))

    def _is_there(self, run: SourceRun, manifest: Manifest) -> bool:
        """Return whether the files that a manifest names are there, as long as it tells."""
        parts, files = self._places.parts_of(run), self._places.files_of(run)
        extras = [one for one in (manifest.rows, manifest.previews) if one is not None]
        expected = [
            *((parts / one.name, one.size_bytes) for one in manifest.parts),
            *((files / one.path, one.size_bytes) for one in manifest.files),
            *((self._places.manifests_of(run) / one.name, one.size_bytes) for one in extras),
        ]
        with suppress(OSError):
            return all(path.stat().st_size == size for path, size in expected)
        return False

    def _write_run(
        self,
        run: SourceRun,
        folder: str,
        values: dict[str, SourceValue],
        series: Sequence[SourceSeries],
        extras: RunExtras,
        content: str,
        missing: list[Problem],
    ) -> Callable[[], tuple[RunParts, Manifest]]:
        """Read a run, and write it; of one with few points return what writes it."""
        places = self._places
        others = [
            (path, str(type_of(value)), value.value)
            for path, value in values.items()
            if isinstance(value, Typed) and value.type not in EXPORTER_TYPES
        ]
        values = {path: v for path, v in values.items() if type_of(v) in EXPORTER_TYPES}
        file_points = self._read_file_points(run, series)
        described = describe_files(values, file_points)
        paths = file_paths(
            folder, run.kind, [(key, type, file.mime_type) for key, type, file in described]
        )
        written, entries = self._write_files(run, described, paths, missing)
        values = {
            path: value
            for path, value in values.items()
            if (path, None) in written or (path, None) not in paths
        }
        parts = RunParts(places.parts_of(run), places.manifests_of(run), run.run_id, content)
        expected = (UNKNOWN_COUNT if one.count is None else one.count for one in series)
        many = sum(expected) > POINTS_AT_ONCE
        steps: list[Callable[[], None]] = []
        step: Step = (lambda action: action()) if many else steps.append
        try:
            if not parts.has_values:
                step(lambda: parts.add(values_table(run, values, paths, written)))
            self._write_points(run, series, parts, step)
            for table in file_points:
                kept = _with_files(table, written)
                kept = kept.filter([path not in parts.done for path in kept["path"].to_pylist()])
                if kept.num_rows:
                    rows = points_table(run, AttributeType.FILE_SERIES, kept, paths)
                    step(partial(parts.add, rows, AttributeType.FILE_SERIES))
        except BaseException:
            parts.abort()
            raise

        def complete() -> tuple[RunParts, Manifest]:
            try:
                for action in steps:
                    action()
                parts.close_part()
            except BaseException:
                parts.abort()
                raise
            return parts, Manifest(
                project=run.project,
                run_id=run.run_id,
                kind=run.kind,
                sys_id=run.sys_id,
                name=run.name,
                created=run.created,
                parent=run.parent,
                fork_step=run.fork_step,
                trashed=run.trashed,
                tool=_tool(),
                exported=datetime.now(UTC).isoformat(timespec="seconds"),
                content=content,
                parts=tuple(parts.parts),
                series=tuple(parts.series),
                files=tuple(entries),
                values=len(values),
                others=others,
                rows=self._write_extra(run, "rows", extras.rows),
                previews=self._write_extra(run, "previews", extras.previews),
                not_inherited=tuple(extras.not_inherited),
            )

        return complete

    def _write_points(
        self, run: SourceRun, series: Sequence[SourceSeries], parts: RunParts, step: Step
    ) -> None:
        plain = [one for one in series if one.type is not AttributeType.FILE_SERIES]
        if not plain:
            return
        copied = self._source.list_parts(run)
        if copied is not None and _can_copy(copied, plain, parts.done):
            for part in copied:
                if parts.done.isdisjoint(one.path for one in part.series):
                    step(partial(parts.copy, part))
            return
        todo = [one for one in plain if one.path not in parts.done]
        for type, names in chunks(todo, POINTS_AT_ONCE):
            points = self._source.read_points(run, type, names)
            for piece in in_pieces(points, POINTS_AT_ONCE):
                step(partial(_add_points, parts, run, type, piece))

    def _read_file_points(self, run: SourceRun, series: Sequence[SourceSeries]) -> list[pa.Table]:
        files = [one for one in series if one.type is AttributeType.FILE_SERIES]
        return [
            self._source.read_points(run, type, names)
            for type, names in chunks(files, POINTS_AT_ONCE)
        ]

    def _write_files(
        self,
        run: SourceRun,
        described: Sequence[tuple[FileKey, AttributeType, SourceFile]],
        paths: Mapping[FileKey, str],
        missing: list[Problem],
    ) -> tuple[dict[FileKey, tuple[str, int]], list[FileEntry]]:
        """Write the files of a run; return digest and size of each, and their entries."""
        root = self._places.files_of(run)
        written: dict[FileKey, tuple[str, int]] = {}
        entries: list[FileEntry] = []
        for key, _, file in described:
            target = root / paths[key]
            try:
                digest, size = self._write_file(file, target)
            except SourceUnreadable as error:
                missing.append(Problem(_named(key), str(error)))
                continue
            written[key] = (digest, size)
            entries.append(FileEntry(path=paths[key], size_bytes=size, digest=digest))
        return written, entries

    def _write_file(self, file: SourceFile, target: Path) -> tuple[str, int]:
        if file.digest is not None and file.size_bytes is not None:
            with suppress(OSError):
                if target.stat().st_size == file.size_bytes and digest_of(target) == file.digest:
                    return file.digest, file.size_bytes  # of an earlier export
        with self._source.open_file(file) as stream:
            digest, size = write_stream(target, stream)
        if file.digest is not None and digest != file.digest:
            target.unlink()
            raise SourceUnreadable(
                f"the content of {file.name or file.location!r} does not have its digest",
                where=file.location,
            )
        return digest, size

    def _write_extra(self, run: SourceRun, what: str, table: pa.Table | None) -> PartEntry | None:
        if table is None:
            return None
        folder = self._places.manifests_of(run)
        path = folder / f"{sanitize_id(run.run_id)}.{what}"
        temporary = path.with_name(f"{path.name}.tmp")
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, temporary, compression="zstd")
        digest, size = digest_of(temporary), temporary.stat().st_size
        sync_file(temporary)
        temporary.replace(path)
        return PartEntry(name=path.name, rows=table.num_rows, size_bytes=size, digest=digest)


def _can_copy(
    copied: Sequence[SealedFile], plain: Sequence[SourceSeries], done: frozenset[str]
) -> bool:
    """Return whether files hold all series, each in rows of its own, and nothing else.

    And none of them one series that is written and one that is not, which happens where a run was
    sealed after its export was cut.
    """
    for part in copied:
        if part.rows != sum(one.count for one in part.series) or any(
            one.count != one.span for one in part.series
        ):
            return False  # single values too, or series among each other's rows
    paths = [{one.path for one in part.series} for part in copied]
    return set().union(*paths) == {one.path for one in plain} and all(
        found <= done or found.isdisjoint(done) for found in paths
    )


def _add_points(parts: RunParts, run: SourceRun, type: AttributeType, points: pa.Table) -> None:
    parts.add(points_table(run, type, points, {}), type)


def _with_files(points: pa.Table, written: Mapping[FileKey, tuple[str, int]]) -> pa.Table:
    """Return the points whose files were written, with digests and sizes."""
    keys = list(
        zip(points["path"].cast(pa.string()).to_pylist(), points["step"].to_pylist(), strict=True)
    )
    points = points.filter(pa.array([key in written for key in keys], pa.bool_()))
    values = points["value"].to_pylist()
    for value, key in zip(values, [key for key in keys if key in written], strict=True):
        value["digest"], value["size_bytes"] = written[key]
    at = points.column_names.index("value")
    return points.set_column(at, "value", pa.array(values, points.schema.field("value").type))


def _named(key: FileKey) -> str:
    path, step = key
    return path if step is None else f"{path} at step {step / 1e6:g}"


@cache
def _tool() -> str:
    return f"mooring {version('mooring')}"
