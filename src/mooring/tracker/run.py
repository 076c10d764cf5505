"""`Run`: the handle on one run for series, files and typed values."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from mooring.errors import InvalidInput, InvalidValue, StoreError
from mooring.model import FileRef, RunInfo, Value
from mooring.store.contract import Store
from mooring.tracker.files import File, Source
from mooring.tracker.flatten import as_mapping, flatten
from mooring.tracker.handle import AttributeHandle
from mooring.tracker.histograms import DEFAULT_BINS, as_histogram
from mooring.tracker.opening import Resume, RunRequest, open_run
from mooring.tracker.session import (
    FAILED_PATH,
    DurabilityName,
    OnError,
    Session,
    StoreArgument,
    StoreLease,
    check_on_error,
    is_failure,
)
from mooring.tracker.settings import DEFAULT_STORE, Settings, choose_project
from mooring.tracker.times import Timestamp, to_micros
from mooring.tracker.values import Point, convert, refusal, to_attribute, to_point


class Run:
    """A run that is being logged.

    Parameters
    ----------
    project : `workspace/name`, or `name` in the workspace `local`. Default: `MOORING_PROJECT`,
        else `NEPTUNE_PROJECT`, else the only project of the store, else `local/events`
    store : address of a store, or an open one (which stays the caller's to close). Default:
        `MOORING_STORE`, else the file `mooring.db` in the working directory
    run_id : your own id of the run (`sys/custom_run_id`); made up when missing
    name : the experiment it belongs to (`sys/name`), whose head it becomes
    tags : texts for `sys/tags`
    params : anything nested; assigned under `params/`
    parent, fork_step : the run to fork from (a `Run`, or the id of one in the same project), and
        the last step that is inherited (default: the last one it has now)
    inherit_attributes : whether a fork copies the parent's attributes that are no series
    resume : True to go on with the run of this `run_id`, which must exist; "allow" to go on with
        it or create it; False to create it, and raise `AlreadyExists` if it is there
    on_error : what a failing write does once the run is open. "warn": it never stops a training;
        the values that were not written are counted (`failures`), and told when the run closes.
        "raise": it raises, and nothing of that call has been written
    durability : what a call that returned has survived: "process" (its death at any instant),
        "power" (a power cut too), "relaxed" (nothing yet; see `mooring.open_store`). Of no effect
        on a store that is open already

    Raises
    ------
    MooringError
        A store that cannot be opened, a run that is there or is not, invalid arguments. Opening
        raises whatever `on_error` says.

    Notes
    -----
    As a context manager it is closed at the end of the block; an exception that leaves the block
    (also `KeyboardInterrupt`, and `sys.exit` with a failure) sets `sys/failed` to True and
    `monitoring/traceback` to its traceback. A run that nobody closes is closed when it is
    garbage collected, or as the process ends, where an exception that ends it is kept likewise.

    Any thread may log. A forked child logs to the same run, which stays the parent's to close.

    Examples
    --------
    >>> from mooring import Run
    >>> with Run("digits", store=":memory:", params={"lr": 0.1}, tags=["baseline"]) as run:
    ...     for epoch in range(3):
    ...         run.log({"train": {"loss": 1 / (epoch + 1)}}, step=epoch)
    ...     run["test/accuracy"] = 0.9
    ...     run["notes"].upload(b"it works", name="notes.txt")
    """

    def __init__(
        self,
        project: str | None = None,
        *,
        store: StoreArgument | None = None,
        run_id: str | None = None,
        name: str | None = None,
        tags: Iterable[str] = (),
        params: object = None,
        parent: Run | str | None = None,
        fork_step: object = None,
        inherit_attributes: bool = False,
        resume: Resume = False,
        on_error: OnError = "warn",
        durability: DurabilityName = "process",
    ) -> None:
        settings = Settings.from_environment()
        check_on_error(on_error)
        lease = StoreLease(store or settings.store or DEFAULT_STORE, durability=durability)
        self._open(
            lease,
            lambda: RunRequest(
                project=choose_project(project, settings, lease.store),
                run_id=run_id,
                name=name,
                parent=parent.info if isinstance(parent, Run) else parent,
                fork_step=fork_step,
                inherit_attributes=inherit_attributes,
                resume=resume,
            ),
            on_error=on_error,
        )
        self._describe(tags, params)

    def _open(
        self, lease: StoreLease, request: Callable[[], RunRequest], *, on_error: OnError
    ) -> None:
        try:
            wanted = request()
            info, self._resumed = open_run(lease.store, wanted)
            self._session = Session(lease, info, on_error=on_error)
        except BaseException:
            lease.release()
            raise
        self._write_points = self._session.writer.log
        self._finalizer = weakref.finalize(self, self._session.abandon)
        self._new_name = wanted.name if self._resumed else None

    def _describe(self, tags: Iterable[str], params: object) -> None:
        try:
            if self._new_name is not None:
                self["sys/name"] = self._new_name
            if tags:
                self.add_tags(tags)
            if params is not None:
                self["params"] = params
        except BaseException:
            self.close()
            raise

    # what it is

    @property
    def info(self) -> RunInfo:
        """Identity of the run in its store."""
        return self._session.run

    @property
    def project(self) -> str:
        """Full name of the project, `workspace/name`."""
        return self.info.project

    @property
    def run_id(self) -> str:
        """The user's id of the run, `sys/custom_run_id`."""
        return self.info.run_id

    @property
    def sys_id(self) -> str:
        """Short id of the run, such as `DIG-12`."""
        return self.info.sys_id

    @property
    def store(self) -> Store:
        """The store it is written to."""
        return self._session.store

    @property
    def failures(self) -> Mapping[str, int]:
        """Number of values that were not written, by the name of the error."""
        return self._session.failures.counts

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(project={self.project!r}, run_id={self.run_id!r}, "
            f"store={self.store.address!r})"
        )

    # series

    def log(
        self,
        data: Mapping[str, object],
        step: object = None,
        *,
        timestamp: Timestamp | None = None,
        preview_completion: float | None = None,
    ) -> None:
        """Append one point to each named series.

        Parameters
        ----------
        data : names to numbers (a float series), texts (a string series), `Histogram` or `File`;
            nested ones are flattened, `{"train": {"loss": 1}}` to `train/loss`
        step : any number, up to six decimals; default: the next whole step of the run
        timestamp : a `datetime`, or seconds since 1970; default: now
        preview_completion : from 0 to 1 marks the points as provisional, so far complete

        Raises
        ------
        InvalidInput, StoreError
            Only with `on_error="raise"`.
        """
        # The writer takes plain numbers and texts at full speed and refuses the rest untouched.
        try:
            if timestamp is None and preview_completion is None:
                self._write_points(data, step=step)
            else:
                self._write_points(
                    data,
                    step=step,
                    time=to_micros(timestamp),
                    preview_completion=preview_completion,
                )
        except StoreError as error:
            self._session.lose(error, len(data))
        except Exception:  # noqa: BLE001 - whatever a value raised; the next attempt counts it
            self._log_converted(data, step, timestamp, preview_completion)

    def _log_converted(
        self,
        data: object,
        step: object,
        timestamp: Timestamp | None,
        preview_completion: float | None,
    ) -> None:
        """Log what the writer refused: nested, of foreign types, or in part impossible."""
        session = self._session
        if as_mapping(data) is None:
            return session.lose(
                InvalidInput(f"log() takes a dict of names to values, not {data!r}")
            )
        values, refused = convert(flatten(data), self._to_point)
        session.refuse(refused)
        session.write(
            lambda points: session.writer.log(
                points,
                step=step,
                time=to_micros(timestamp),
                preview_completion=preview_completion,
            ),
            values,
            divisible=step is not None,
        )
        return None

    def _to_point(self, path: str, value: object) -> Point:
        if isinstance(value, File):
            return value.store(path, self.store.put_blob)
        return to_point(path, value)

    def log_file(
        self,
        path: str,
        source: Source | File,
        step: object = None,
        *,
        name: str | None = None,
        mime_type: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> None:
        """Append a file to the series of files at `path`."""
        file = source if isinstance(source, File) else File(source, name=name, mime_type=mime_type)
        self.log({path: file}, step, timestamp=timestamp)

    def log_files(
        self,
        files: Mapping[str, Source | File],
        step: object = None,
        *,
        timestamp: Timestamp | None = None,
    ) -> None:
        """Append one file to each named series of files."""
        opened = {
            path: source if isinstance(source, File) else File(source)
            for path, source in files.items()
        }
        self.log(opened, step, timestamp=timestamp)

    def log_histogram(
        self,
        path: str,
        data: object,
        step: object = None,
        *,
        bins: int = DEFAULT_BINS,
        timestamp: Timestamp | None = None,
    ) -> None:
        """Append a histogram to the series at `path`.

        `data` is a `Histogram`, a pair of counts and edges, or raw values that are counted in
        `bins` bins of equal width between the least and the greatest finite one.
        """
        self.log_histograms({path: data}, step, bins=bins, timestamp=timestamp)

    def log_histograms(
        self,
        data: Mapping[str, object],
        step: object = None,
        *,
        bins: int = DEFAULT_BINS,
        timestamp: Timestamp | None = None,
    ) -> None:
        """Append one histogram to each named series; see `log_histogram`."""
        histograms, refused = convert(
            data.items(), lambda path, one: as_histogram(path, one, bins=bins)
        )
        self._session.refuse(refused)
        if histograms:
            self.log(histograms, step, timestamp=timestamp)

    # single values

    def __getitem__(self, path: str) -> AttributeHandle:
        """Return the handle of an attribute: `append`, `extend`, `upload`, `add`, `assign`."""
        return AttributeHandle(self, path)

    def __setitem__(self, path: str, value: object) -> None:
        """Set an attribute, or with a nested value all those below `path`.

        Numbers, texts, bools, `datetime` and `File` are held as they are; a set, list or tuple
        of texts is a string set; other lists are JSON text. Dicts, dataclasses, `Namespace` and
        pydantic models are flattened; None in them means that there is no value.
        """
        if value is None:
            error = refusal(path, None, f"to remove the attribute write `del run[{path!r}]`")
            return self._session.lose(error)
        leaves = ((leaf, part) for leaf, part in flatten(value, path) if part is not None)
        values, refused = convert(leaves, self._to_attribute)
        self._session.refuse(refused)
        self._session.write(self._session.writer.assign, values)
        return None

    def _to_attribute(self, path: str, value: object) -> Value:
        if isinstance(value, File):
            return value.store(path, self.store.put_blob)
        if isinstance(value, FileRef):
            return value
        return to_attribute(path, value)

    def __delitem__(self, path: str) -> None:
        """Remove an attribute with its points."""
        self._session.attempt(lambda: self._session.writer.delete(path))

    def add_tags(self, tags: str | Iterable[str], *, group_tags: bool = False) -> None:
        """Add to `sys/tags`, or to `sys/group_tags`."""
        self._change_set("sys/group_tags" if group_tags else "sys/tags", add=tags)

    def remove_tags(self, tags: str | Iterable[str], *, group_tags: bool = False) -> None:
        """Remove from `sys/tags`, or from `sys/group_tags`."""
        self._change_set("sys/group_tags" if group_tags else "sys/tags", remove=tags)

    def _change_set(
        self, path: str, *, add: str | Iterable[str] = (), remove: str | Iterable[str] = ()
    ) -> None:
        self._session.attempt(
            lambda: self._session.writer.change_set(
                path, add=_texts(path, add), remove=_texts(path, remove)
            )
        )

    # life

    def fork(
        self,
        *,
        step: object = None,
        run_id: str | None = None,
        name: str | None = None,
        tags: Iterable[str] = (),
        params: object = None,
        inherit_attributes: bool = False,
    ) -> Self:
        """Return a new run that begins as this one was at `step` (default: now).

        It sees this run's points up to and including that step, and logs its own from there.
        Both stay open, and write to the same store.
        """
        child = type(self).__new__(type(self))
        child._open(
            self._session.lease.share(),
            lambda: RunRequest(
                project=self.project,
                run_id=run_id,
                name=name,
                parent=self.info,
                fork_step=step,
                inherit_attributes=inherit_attributes,
            ),
            on_error="raise" if self._session.raises else "warn",
        )
        child._describe(tags, params)
        return child

    def finish(self, exit_code: int | None = None) -> None:
        """Close the run; an `exit_code` other than 0 marks it as failed."""
        if exit_code:
            self._session.fail_with({FAILED_PATH: True})
        self.close()

    def close(self) -> None:
        """End the run's activity; what was not written is told in one line. Idempotent."""
        self._end()

    def _end(self, *, quiet: bool = False) -> None:
        self._finalizer.detach()
        self._session.close(quiet=quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if is_failure(error):
            self._session.fail(error)
        self._end(quiet=error is not None)


def _texts(path: str, values: str | Iterable[str]) -> list[str]:
    texts = [values] if isinstance(values, str) else list(values)
    for text in texts:
        if not isinstance(text, str):
            raise InvalidValue(f"{path!r} is a set of texts, and {text!r} is none")
    return texts
