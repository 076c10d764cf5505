"""`run["path"]`: the operations on one attribute of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import TYPE_CHECKING, Any, Never

from mooring.errors import InvalidValue
from mooring.tracker.files import File, Source
from mooring.tracker.times import Timestamp, to_micros

if TYPE_CHECKING:
    from mooring.tracker.run import Run

_BULK = 1000
"""From so many points on, one bulk write (which loads NumPy) beats a call for each."""


class AttributeHandle:
    """One attribute of a run, whatever its type. Obtained as `run["path"]`.

    >>> from mooring import Run
    >>> with Run("digits", store=":memory:") as run:
    ...     run["train/loss"].append(0.5, step=1)
    ...     run["train"]["loss"].extend([0.4, 0.3], steps=[2, 3])
    ...     run["report"].upload(b"<p>fine</p>", name="report.html")
    ...     run["words"].add(["new", "good"])
    """

    __slots__ = ("_path", "_run")

    def __init__(self, run: Run, path: str) -> None:
        self._run = run
        self._path = path

    def __repr__(self) -> str:
        return f"{self._run!r}[{self._path!r}]"

    def __getattr__(self, name: str) -> Never:
        if name.startswith("fetch") or name == "download":
            raise AttributeError(
                f"a Run is for logging and has no {name}(); read it with "
                f"mooring.ReadOnlyRun(mooring.ReadOnlyProject({self._run.project!r}, "
                f"store={self._run.store.address!r}), custom_id={self._run.run_id!r})"
            )
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __getitem__(self, path: str) -> AttributeHandle:
        """Return the handle of a path below this one."""
        return AttributeHandle(self._run, f"{self._path}/{path}")

    def __setitem__(self, path: str, value: object) -> None:
        self._run[f"{self._path}/{path}"] = value

    def __delitem__(self, path: str) -> None:
        del self._run[f"{self._path}/{path}"]

    def assign(self, value: object) -> None:
        """Set the value; the same as `run[path] = value`."""
        self._run[self._path] = value

    def append(
        self,
        value: object,
        *,
        step: object = None,
        timestamp: Timestamp | None = None,
        preview_completion: float | None = None,
    ) -> None:
        """Append a point; a dict appends one to each series below this path."""
        self._run.log(
            {self._path: value},
            step,
            timestamp=timestamp,
            preview_completion=preview_completion,
        )

    def extend(
        self,
        values: Iterable[Any],
        *,
        steps: Sequence[Any] | None = None,
        timestamps: Sequence[Timestamp] | None = None,
    ) -> None:
        """Append many points.

        `steps` and `timestamps` are as many as `values`. Long series of numbers whose steps are
        given are written at once, all or none; NumPy arrays are taken as they are.
        """
        session = self._run._session
        points = values if isinstance(values, Sized) else list(values)
        count = len(points)
        for what, given in (("steps", steps), ("timestamps", timestamps)):
            if given is not None and len(given) != count:
                error = InvalidValue(f"{self._path!r}: {count} values, but {len(given)} {what}")
                return session.lose(error, count)
        if steps is not None and count >= _BULK and _are_numbers(points):
            session.attempt(
                lambda: session.store.write_points(
                    session.run.key,
                    self._path,
                    steps=steps,
                    values=points,
                    times=None if timestamps is None else [to_micros(one) for one in timestamps],
                ),
                values=count,
            )
            return None
        for index, value in enumerate(points):
            self._run.log(
                {self._path: value},
                None if steps is None else steps[index],
                timestamp=None if timestamps is None else timestamps[index],
            )
        return None

    def upload(
        self, source: Source | File, *, name: str | None = None, mime_type: str | None = None
    ) -> None:
        """Store a file: a path, bytes, or an open binary file."""
        if not isinstance(source, File):
            source = File(source, name=name, mime_type=mime_type)
        self._run[self._path] = source

    def add(self, values: str | Iterable[str]) -> None:
        """Add to a string set."""
        self._run._change_set(self._path, add=values)

    def remove(self, values: str | Iterable[str]) -> None:
        """Remove from a string set."""
        self._run._change_set(self._path, remove=values)


def _are_numbers(points: Any) -> bool:
    kind = getattr(getattr(points, "dtype", None), "kind", None)
    if kind is not None:
        return kind in "fiu" and getattr(points, "ndim", 1) == 1
    return {float, int}.issuperset(map(type, points))
