"""The dialect of `init`, `log`, `finish`, for hands used to it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Literal

from mooring.errors import AttributeNotFound, InvalidInput
from mooring.store.contract import PathSelector
from mooring.tracker.disabled import DiscardingStore
from mooring.tracker.flatten import as_mapping, flatten
from mooring.tracker.opening import Resume, RunRequest
from mooring.tracker.run import Run
from mooring.tracker.session import DurabilityName, OnError, StoreArgument, StoreLease
from mooring.tracker.settings import DEFAULT_STORE
from mooring.tracker.times import Timestamp

Mode = Literal["online", "offline", "disabled"]

_RESUME: Mapping[object, Resume] = {
    None: False,
    False: False,
    "never": False,
    True: "allow",
    "allow": "allow",
    "auto": "allow",
    "must": True,
}


class Section(MutableMapping[str, Any]):
    """Values of a run below one path, which read back as they were set.

    Keys are also attributes: `run.config.lr` is `run.config["lr"]`. Of a resumed run it begins
    with what the store holds.
    """

    _run: InitRun
    _path: str
    _values: dict[str, Any]

    def __init__(self, run: InitRun, path: str, *, stored: bool) -> None:
        values = _read_below(run, path) if stored else {}
        for name, value in (("_run", run), ("_path", path), ("_values", values)):
            object.__setattr__(self, name, value)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        self._remove(key, self._values.pop(key))

    def _remove(self, key: str, value: object) -> None:
        for path, leaf in flatten(value, f"{self._path}/{key}"):
            if leaf is not None:
                del self._run[path]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"{self._path} has no {key!r}") from None

    def __setattr__(self, key: str, value: object) -> None:
        self[key] = value

    def __repr__(self) -> str:
        return repr(self._values)

    def update(self, other: object = (), /, **more: Any) -> None:
        """Set several values at once, of a dict, dataclass, Namespace or pydantic model.

        None means that there is no value: it is read back, and not stored.
        """
        more.pop("allow_val_change", None)
        parts = as_mapping(other)
        values = {**(dict(other) if parts is None else parts), **more}  # type: ignore[call-overload]
        for key in values.keys() & self._values.keys():
            if values[key] is None:
                self._remove(key, self._values[key])
        self._values.update(values)
        self._run[self._path] = values


class Summary(Section):
    """What is worth keeping of a run; of a metric that was logged, its last value."""

    def __getitem__(self, key: str) -> Any:
        if key in self._values:
            return self._values[key]
        try:
            return self._run.store.get_value(self._run.info.key, key)[1]
        except AttributeNotFound:
            raise KeyError(key) from None


class InitRun(Run):
    """A run as `mooring.init` returns it: a `Run` with `config` and `summary`.

    Attributes
    ----------
    config : dict-like, assigned under `config/`
    summary : dict-like, assigned under `summary/`; a metric's name gives its last value
    """

    _config: Section | None
    _summary: Summary | None
    _held: Mapping[str, object]
    _held_step: object

    def _open(
        self, lease: StoreLease, request: Callable[[], RunRequest], *, on_error: OnError
    ) -> None:
        self._config = self._summary = None
        self._held, self._held_step = {}, None
        self._hold_lock = threading.Lock()
        super()._open(lease, request, on_error=on_error)

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.run_id

    @property
    def config(self) -> Section:
        """The run's configuration."""
        if self._config is None:
            self._config = Section(self, "config", stored=self._resumed)
        return self._config

    @property
    def summary(self) -> Summary:
        """The run's results."""
        if self._summary is None:
            self._summary = Summary(self, "summary", stored=self._resumed)
        return self._summary

    def log(
        self,
        data: Mapping[str, object],
        step: object = None,
        commit: bool = True,
        *,
        timestamp: Timestamp | None = None,
        preview_completion: float | None = None,
    ) -> None:
        """Append one point to each named series; see `Run.log`.

        `commit=False` holds the values back and writes them with the next call (of the same
        step, or that names none), or before a call for another step, or when the run closes.
        """
        if commit and not self._held:
            super().log(data, step, timestamp=timestamp, preview_completion=preview_completion)
            return
        with self._hold_lock:
            held, held_step = self._held, self._held_step
            if held and None not in (step, held_step) and step != held_step:
                self._held = {}
                super().log(held, held_step)
                held, held_step = {}, None
            self._held = {**held, **dict(flatten(data))}
            self._held_step = held_step if step is None else step
            if commit:
                held, self._held = self._held, {}
                super().log(
                    held,
                    self._held_step,
                    timestamp=timestamp,
                    preview_completion=preview_completion,
                )

    def _end(self, *, quiet: bool = False) -> None:
        held, self._held = self._held, {}
        if held:
            super().log(held, self._held_step)
        super()._end(quiet=quiet)


def init(
    project: str | None = None,
    *,
    name: str | None = None,
    config: object = None,
    id: str | None = None,
    resume: bool | str | None = None,
    tags: Iterable[str] = (),
    notes: str | None = None,
    group: str | None = None,
    entity: str | None = None,
    mode: Mode = "online",
    dir: str | os.PathLike[str] | None = None,
    store: StoreArgument | None = None,
    on_error: OnError = "warn",
    durability: DurabilityName = "process",
) -> InitRun:
    """Open a run, make it the current one of `mooring.log`, and return it.

    Parameters
    ----------
    project, name, tags, store, on_error, durability : as for `Run`
    config : anything nested; assigned under `config/`, and read back by `run.config`
    id, resume : the run's id, and whether to go on with it: None or "never" (it must be new), True
        or "allow" (go on with it or create it), "must" (it must be there)
    notes : text for `sys/description`
    group : text for `sys/group_tags`
    entity : the workspace of `project`
    mode : "online" and "offline" are the same, as nothing waits for a network; "disabled" gives a
        run that takes every call and stores nothing
    dir : folder of the store `mooring.db`, when no `store` is given

    Examples
    --------
    >>> import mooring
    >>> run = mooring.init("digits", config={"lr": 0.1}, store=":memory:")
    >>> mooring.log({"loss": 0.5}, step=1)
    >>> run.config.lr, run.summary["loss"]
    (0.1, 0.5)
    >>> mooring.finish()
    """
    global _current
    if mode not in ("online", "offline", "disabled"):
        raise InvalidInput(f"mode is 'online', 'offline' or 'disabled', not {mode!r}")
    if resume not in _RESUME:
        raise InvalidInput(f"resume is None, True, 'allow', 'must' or 'never', not {resume!r}")
    if mode == "disabled":
        store = DiscardingStore()  # type: ignore[assignment]
    elif store is None and dir is not None:
        store = Path(dir) / DEFAULT_STORE
    run = InitRun(
        f"{entity}/{project}" if entity and project and "/" not in project else project,
        store=store,
        run_id=id,
        name=name,
        tags=tags,
        # without an id there is nothing to go on with
        resume=_RESUME[resume] if id is not None or resume == "must" else False,
        on_error=on_error,
        durability=durability,
    )
    try:
        if notes is not None:
            run["sys/description"] = notes
        if group is not None:
            run.add_tags(group, group_tags=True)
        if config is not None:
            run.config.update(config)
    except BaseException:
        run.close()
        raise
    _current = run
    return run


def log(data: Mapping[str, object], step: object = None, commit: bool = True) -> None:
    """Log to the run that `mooring.init` opened last."""
    if _current is None:
        raise InvalidInput("no current run; call mooring.init() before mooring.log()")
    _current.log(data, step, commit)


def finish(exit_code: int | None = None) -> None:
    """Close the run that `mooring.init` opened last, if it is open."""
    global _current
    run, _current = _current, None
    if run is not None:
        run.finish(exit_code)


_current: InitRun | None = None


def _read_below(run: Run, path: str) -> dict[str, Any]:
    columns = run.store.read_attributes(
        (run.info.key,), PathSelector(patterns=(f"^{re.escape(path)}/",))
    )
    return {column.path[len(path) + 1 :]: column.values[0] for column in columns if column.values}
