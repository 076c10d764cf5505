"""Every error that Mooring raises, as one tree.

::

    MooringError
    ├── StoreError                 the store itself: its file, folder or disk
    │   ├── StoreNotFound          nothing at the address
    │   ├── NotAStore              a file that Mooring did not write
    │   ├── StoreCorrupt           damaged or truncated
    │   │   └── SegmentMissing     a Parquet segment or blob that should be there is not
    │   ├── StoreTooNew            written by a newer Mooring
    │   ├── StoreLocked            another process holds it too long      (Transient)
    │   ├── StoreFull              the disk is full                       (Transient)
    │   ├── StoreReadOnly          a write to something that can only be read
    │   ├── StoreClosed            used after close()
    │   ├── UnsafeFilesystem       a network file system where this mode could lose data
    │   ├── UnsafePermissions      others may write where content is run
    │   └── HubError               what a hub answers, or that it does not
    │       ├── HubUnreachable     no answer: refused, cut off, timed out (Transient)
    │       ├── HubBusy            it asks to come again later            (Transient)
    │       ├── HubFailed          an answer that only a fault explains   (Transient)
    │       ├── Unauthenticated    no token, or one that is wrong, expired or revoked
    │       ├── AccessDenied       a role that is not enough
    │       ├── RequestTooLarge    a body or an upload beyond the hub's bounds
    │       └── LinkInvalid        a signed link that is wrong or has expired
    ├── NotFound                   a name that the store does not hold
    │   ├── ProjectNotFound
    │   ├── TableNotFound
    │   ├── RunNotFound
    │   ├── StudyNotFound
    │   ├── AttributeNotFound      (also a KeyError)
    │   └── AssetNotFound          (also a KeyError)
    ├── AlreadyExists              a name that is taken
    ├── InvalidInput               (also a ValueError) an argument that cannot be accepted
    │   ├── InvalidAddress
    │   ├── InvalidName
    │   ├── InvalidPath
    │   ├── InvalidStep
    │   ├── InvalidValue
    │   ├── InvalidSpace           a search space that cannot be searched
    │   ├── UnknownOptimizer       a way of searching of no known name
    │   ├── TypeConflict           an attribute that already has another type
    │   └── QueryError             a filter that cannot be read or compared
    ├── TypeMismatch               (also a TypeError) a call that the attribute's type does not have
    ├── ExchangeError              what goes out or comes in
    │   ├── SourceUnreadable       a file of an export, a backup or another tracker
    │   ├── ExportDamaged          a file that its own manifest contradicts
    │   ├── ImportConflict         a run of this id is there, with other content
    │   ├── TargetRefused          another tracker says no
    │   └── TargetUnreachable      another tracker does not answer        (Transient)
    ├── ServingError               a model that cannot answer
    │   ├── ServingOff             its project's owner did not switch serving on
    │   ├── ModelUnusable          a file that holds no model that can be served
    │   └── ModelFailed            the model raised, died, or took too long
    ├── StudyError                 a search that cannot go on like this
    │   ├── TrialFinished          a trial that has been told already
    │   ├── TrialPruned            an objective ends a trial that leads nowhere
    │   └── ObjectiveFailed        the function that was searched raised, hung or was killed
    ├── LogNotWritten              a line of a log file, of JSONL or for stdout
    ├── AssetUnreadable            a pickled object is whole, and cannot be loaded here
    └── MissingExtra               an optional dependency is not installed

`Transient` marks what may succeed when it is tried again; retry loops look for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "AssetNotFound",
    "AssetUnreadable",
    "AttributeNotFound",
    "ExchangeError",
    "ExportDamaged",
    "HubBusy",
    "HubError",
    "HubFailed",
    "HubUnreachable",
    "ImportConflict",
    "InvalidAddress",
    "InvalidInput",
    "InvalidName",
    "InvalidPath",
    "InvalidSpace",
    "InvalidStep",
    "InvalidValue",
    "LinkInvalid",
    "LogNotWritten",
    "MissingExtra",
    "ModelFailed",
    "ModelUnusable",
    "MooringError",
    "NotAStore",
    "NotFound",
    "ObjectiveFailed",
    "ProjectNotFound",
    "QueryError",
    "RequestTooLarge",
    "RunNotFound",
    "SegmentMissing",
    "ServingError",
    "ServingOff",
    "SourceUnreadable",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoreNotFound",
    "StoreReadOnly",
    "StoreTooNew",
    "StudyError",
    "StudyNotFound",
    "TableNotFound",
    "TargetRefused",
    "TargetUnreachable",
    "Transient",
    "TrialFinished",
    "TrialPruned",
    "TypeConflict",
    "TypeMismatch",
    "Unauthenticated",
    "UnknownOptimizer",
    "UnsafeFilesystem",
    "UnsafePermissions",
    "closest",
]


class MooringError(Exception):
    """Base of every error that Mooring raises."""


class Transient:
    """Marker: the same call may succeed later."""


class StoreError(MooringError):
    """The store itself cannot be used. `address` tells which."""

    def __init__(self, message: str, *, address: str = "") -> None:
        super().__init__(message)
        self.address = address


class StoreNotFound(StoreError):
    """Nothing lies at the address."""


class NotAStore(StoreError):
    """The file exists, and Mooring did not write it."""


class StoreCorrupt(StoreError):
    """The file is damaged or truncated."""


class SegmentMissing(StoreCorrupt):
    """A segment or blob that the store refers to is not where it should be."""


class StoreTooNew(StoreError):
    """A newer Mooring wrote the store; `found` and `supported` are format versions."""

    def __init__(self, address: str, *, found: int, supported: int) -> None:
        super().__init__(
            f"{address} has store format {found}; this Mooring reads formats up to {supported}. "
            "Upgrade Mooring (pip install -U mooring) to open it.",
            address=address,
        )
        self.found = found
        self.supported = supported


class StoreLocked(Transient, StoreError):
    """Another process kept the store locked for longer than the time-out."""


class StoreFull(Transient, StoreError):
    """The disk that holds the store is full. Nothing logged before is lost."""


class StoreReadOnly(StoreError):
    """A write to a store that is opened, or can only be opened, for reading."""


class StoreClosed(StoreError):
    """The store was used after `close()`."""


class UnsafeFilesystem(StoreError):
    """The store lies on a network file system where the asked mode could lose data."""


class UnsafePermissions(StoreError):
    """Another user may write to a folder or file whose content is run when it is loaded."""


class NotFound(MooringError):
    """A name that the store does not hold.

    Attributes: `name`, and `suggestions`, the closest names that exist.
    """

    what = "name"

    def __init__(self, name: str, *, where: str = "", known: Iterable[str] = ()) -> None:
        self.name = name
        self.suggestions = closest(name, known)
        message = f"{self.what} {name!r} not found"
        if where:
            message += f" in {where}"
        if self.suggestions:
            message += f"; closest: {', '.join(self.suggestions)}"
        super().__init__(message)


class ProjectNotFound(NotFound):
    """No such project in the store."""

    what = "project"


class TableNotFound(NotFound):
    """No such tracker's table in the store."""

    what = "table"


class RunNotFound(NotFound):
    """No such run in the project."""

    what = "run"


class StudyNotFound(NotFound):
    """No such study in the project."""

    what = "study"


class AttributeNotFound(NotFound, KeyError):
    """The run has no attribute of this path."""

    what = "attribute"

    def __str__(self) -> str:  # KeyError would show the message as a quoted literal
        return Exception.__str__(self)


class AssetNotFound(NotFound, KeyError):
    """The store has no asset of this hash, and no column of this name holds one."""

    what = "asset"

    def __str__(self) -> str:  # KeyError would show the message as a quoted literal
        return Exception.__str__(self)


class AlreadyExists(MooringError):
    """A run or project of this name exists already."""


class InvalidInput(MooringError, ValueError):
    """An argument that cannot be accepted."""


class InvalidAddress(InvalidInput):
    """A store address of no known form."""


class InvalidName(InvalidInput):
    """A project name or run id that cannot be used."""


class InvalidPath(InvalidInput):
    """An attribute path that cannot be used."""


class InvalidStep(InvalidInput):
    """A step that is not a finite number within ±10^12."""


class InvalidValue(InvalidInput):
    """A value that no attribute type can hold."""


class InvalidSpace(InvalidInput):
    """A search space that cannot be searched: no choices, bounds that exclude each other."""


class UnknownOptimizer(InvalidInput):
    """No way of searching has this name. Attribute: `name`."""

    def __init__(self, name: str, *, known: Iterable[str] = ()) -> None:
        self.name = name
        known = sorted(known)
        super().__init__(
            f"no optimizer is called {name!r:.80}"
            + (f"; known: {', '.join(known)}" if known else "")
        )


class TypeConflict(InvalidInput):
    """The attribute already has another type. Attributes: `path`, `expected`, `got`."""

    def __init__(self, path: str, *, expected: str, got: str) -> None:
        super().__init__(
            f"attribute {path!r} is a {expected} in this run and cannot take a {got}; "
            "log it under another path, or delete the attribute first"
        )
        self.path = path
        self.expected = expected
        self.got = got


class QueryError(InvalidInput):
    """A filter that cannot be read. `text` and `position` tell where."""

    def __init__(self, message: str, *, text: str = "", position: int | None = None) -> None:
        if text and position is not None:
            start = max(0, position - 60)
            shown = "".join(
                char if char.isprintable() else " " for char in text[start : start + 120]
            )
            message = f"{message} at position {position}\n  {shown}\n  {' ' * (position - start)}^"
        super().__init__(message)
        self.text = text
        self.position = position


class TypeMismatch(MooringError, TypeError):
    """A call that the attribute's type does not have.

    Attributes: `path`, `type`, `method`, and `instead`, the calls that the type does have.
    """

    def __init__(self, path: str, *, type: str, method: str, instead: Sequence[str]) -> None:
        super().__init__(
            f"attribute {path!r} is a {type}, which has no {method}(); "
            f"call {' or '.join(f'{name}()' for name in instead)}"
        )
        self.path = path
        self.type = type
        self.method = method
        self.instead = tuple(instead)


class ExchangeError(MooringError):
    """Something that goes out or comes in. Attributes: `where`, `run`, `attribute`, as known."""

    def __init__(
        self, message: str, *, where: str = "", run: str | None = None, attribute: str | None = None
    ) -> None:
        super().__init__(message)
        self.where = where
        self.run = run
        self.attribute = attribute


class SourceUnreadable(ExchangeError):
    """A file of an export, a backup or another tracker is missing, damaged or foreign."""


class ExportDamaged(ExchangeError):
    """A file of an export or backup is not the one that its manifest tells of."""


class ImportConflict(ExchangeError):
    """A run of this id is in the store already, and its content is another one."""


class TargetRefused(ExchangeError):
    """Another tracker answered that it does not take this."""


class TargetUnreachable(Transient, ExchangeError):
    """Another tracker does not answer, or broke off."""


class HubError(StoreError):
    """What a hub answers, or that it does not. Attributes: `address`, `status` (HTTP, or None)."""

    def __init__(self, message: str, *, address: str = "", status: int | None = None) -> None:
        super().__init__(message, address=address)
        self.status = status


class HubUnreachable(Transient, HubError):
    """The hub does not answer: the connection is refused, cut off, or takes too long."""


class HubBusy(Transient, HubError):
    """The hub asks to come again later. `retry_after_s` is when, if it said so."""

    def __init__(
        self,
        message: str,
        *,
        address: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, address=address, status=status)
        self.retry_after_s = retry_after_s


class HubFailed(Transient, HubError):
    """The hub, or something before it, answered with a fault of its own."""


class Unauthenticated(HubError):
    """No token, or one that is wrong, expired or revoked."""


class AccessDenied(HubError):
    """The user may see this, and may not do that to it."""


class RequestTooLarge(HubError):
    """A body or an upload is beyond the hub's bounds."""


class LinkInvalid(HubError):
    """A signed link is wrong, or has expired."""


class ServingError(MooringError):
    """A model that cannot answer."""


class ServingOff(ServingError):
    """The owner of the project did not switch the serving of models on."""


class ModelUnusable(ServingError):
    """A file that holds no model which can be served."""


class ModelFailed(ServingError):
    """The model raised, died, or took more time or memory than it may."""


class StudyError(MooringError):
    """A search that cannot go on like this."""


class TrialFinished(StudyError):
    """The trial has been told its values already, or has failed; it stays as it is."""


class TrialPruned(StudyError):
    """An objective ends a trial that leads nowhere: no failure, and the search goes on."""


class ObjectiveFailed(StudyError):
    """The function that was searched raised, took too long, or its process died."""


class LogNotWritten(MooringError):
    """Lines could not be written to a log file, to JSONL or to stdout.

    Attributes: `targets`, what could not be written to, and `lines`, how many lines that cost. The
    other targets, and the store, have what was logged.
    """

    def __init__(self, reasons: Mapping[str, str], *, lines: int) -> None:
        told = "; ".join(f"{target}: {reason}" for target, reason in reasons.items())
        super().__init__(
            f"log line not written to {told}. Rows in the store are not touched; make the place "
            "writable, or log to another"
        )
        self.targets = tuple(reasons)
        self.lines = lines


class AssetUnreadable(MooringError):
    """A pickled object whose bytes are whole, and which cannot be loaded here.

    Mostly a module that is missing or has changed. Attribute: `hash_value`.
    """

    def __init__(self, hash_value: str, error: BaseException) -> None:
        super().__init__(
            f"asset {hash_value} is whole, but cannot be loaded here: {type(error).__name__}: "
            f"{error}. Install what it was made with, or take its bytes by get_bytes()"
        )
        self.hash_value = hash_value


class MissingExtra(MooringError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(f"{package} is not installed; pip install 'mooring[{extra}]'")
        self.package = package
        self.extra = extra


def closest(name: str, known: Iterable[str], limit: int = 3) -> Sequence[str]:
    """Return up to `limit` of `known` that resemble `name`, best first.

    >>> closest("metrics/los", ["metrics/loss", "params/lr"])
    ['metrics/loss']
    """
    return get_close_matches(name, list(known), n=limit, cutoff=0.6)
