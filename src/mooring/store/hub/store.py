"""`HubStore`: the contract over HTTP, by way of a hub.

Differences that are declared: with a spool (`buffered`), what a logging call returned for is on
this disk, not yet in the hub: this object's own reads wait for it, others see it when it arrived.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mooring.client.settings import ClientSettings
from mooring.client.token import ApiToken, secret_of
from mooring.client.transport import HubTransport
from mooring.errors import (
    AlreadyExists,
    HubError,
    InvalidAddress,
    InvalidInput,
    MooringError,
    StoreClosed,
    StoreReadOnly,
)
from mooring.model import (
    AttributeType,
    RunInfo,
    RunSpec,
    SeriesStats,
    now_micros,
    validate_path,
)
from mooring.query import Field
from mooring.store.appending import Assign, ChangeSet, Delete, Receipt, Update
from mooring.store.blobs import need_content
from mooring.store.contract import (
    AttributeColumn,
    CompactionReport,
    Durability,
    EventTable,
    PathSelector,
    RunPage,
    RunQuery,
    RunWriter,
    SeriesQuery,
    Store,
    StoreCheck,
    TableColumn,
)
from mooring.store.hub.connection import HubConnection
from mooring.store.hub.files import download, upload
from mooring.store.hub.importing import IMPORT_TYPE, HubRunImport
from mooring.store.hub.messages import decode_receipt
from mooring.store.hub.updates import encode_update
from mooring.store.hub.writer import HubWriter
from mooring.store.transfer import RunImport, SealedFile
from mooring.store.usage import DiskUsage, UsageBy
from mooring.store.values import check_loggable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from mooring.client.spool import SpoolHead
    from mooring.client.syncing import SyncReport
    from mooring.store.hub.buffering import Buffer

LEASE_S = 90.0
"""How long a run stays active after its writer was last heard of."""
_BEAT_S = 20.0
_NAME = re.compile("[0-9a-f]{32}")


class HubStore:
    """A hub as a store. Open it with `mooring.open_store`.

    Parameters
    ----------
    address : `http://host:port` of the hub
    token : an API token, or its secret alone
    buffered : whether logging calls return when their update is in the spool on this disk, from
        where it is sent in the background; else when the hub has it
    """

    def __init__(
        self,
        address: str,
        token: str | None,
        *,
        read_only: bool = False,
        buffered: bool = True,
        durability: Durability = Durability.PROCESS,
        spool: Path | None = None,
        settings: ClientSettings | None = None,
        open_staging: Callable[[str], Store],
    ) -> None:
        secret = None if token is None else secret_of(token)
        self._hub = HubConnection(HubTransport(address, secret, settings))
        self._address = self._hub.address
        self.read_only = read_only
        self._quick = HubConnection(self._hub.transport.without_repeats())
        self._buffer: Buffer | None = None
        if buffered and not read_only:
            from mooring.store.hub.buffering import Buffer

            self._buffer = Buffer(
                self._hub.address,
                # Its sender repeats what fails, for as long as it takes.
                partial(self._deliver, self._quick),
                durability=durability,
                folder=spool,
                timeout_s=self._hub.transport.settings.timeout_s,
            )
        self._open_staging = open_staging
        self._writers: set[HubWriter] = set()
        self._lock = threading.RLock()
        self._closed = False
        self._heart: _Heart | None = None
        try:
            self.user = str(self._hub.describe().get("user", ""))
        except BaseException:
            self._hub.transport.close()
            raise

    def __repr__(self) -> str:
        mode = ", read_only=True" if self.read_only else ""
        return f"HubStore({self.address!r}{mode})"

    @property
    def address(self) -> str:
        """Where the hub is."""
        return self._address

    @property
    def buffered(self) -> bool:
        """Whether logging calls return when their update is in the spool on this disk."""
        return self._buffer is not None

    def _call(self, call: str, /, **arguments: object) -> Any:
        self._check_open()
        self._settle()
        return self._hub.call(call, **arguments)

    def _change(self, call: str, /, **arguments: object) -> Any:
        self._check_writable()
        self._settle()
        return self._hub.call(call, **arguments)

    def _settle(self) -> None:
        """Wait until the hub has what this object's writers were told."""
        if self._buffer is not None:
            self._buffer.settle()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"{self._address} has been closed here", address=self._address)

    def _check_writable(self) -> None:
        self._check_open()
        if self.read_only:
            raise StoreReadOnly(
                f"{self._address} is opened for reading only", address=self._address
            )

    # projects

    def create_project(self, name: str) -> str:
        """Create a project. See `Store.create_project`."""
        return str(self._change("create_project", name=name))

    def ensure_project(self, name: str) -> str:
        """Return a project, created when it is missing. See `Store.ensure_project`."""
        return str(self._change("ensure_project", name=name))

    def list_projects(self) -> Sequence[str]:
        """Return the projects that this user may see. See `Store.list_projects`."""
        return list(self._call("list_projects"))

    def delete_project(self, name: str) -> None:
        """Delete a project with its runs. See `Store.delete_project`."""
        self._change("delete_project", name=name)

    # runs

    def create_run(self, spec: RunSpec) -> RunInfo:
        """Create a run. See `Store.create_run`.

        The instant of creation is told by this side. Should the hub's answer get lost, it tells
        whether a run of this id is the one that was asked for.
        """
        if spec.created is None:
            spec = replace(spec, created=now_micros())
        try:
            run: RunInfo = self._change("create_run", spec=spec)
        except AlreadyExists:
            found = None if spec.run_id is None else self.find_run(spec.project, run_id=spec.run_id)
            if found is None or found.created != spec.created:
                raise
            run = found
        return run

    def find_run(
        self, project: str, *, run_id: str | None = None, sys_id: str | None = None
    ) -> RunInfo | None:
        """Return a run, or None. See `Store.find_run`."""
        found: RunInfo | None = self._call(
            "find_run", project=project, run_id=run_id, sys_id=sys_id
        )
        return found

    def get_runs(self, keys: Sequence[int]) -> Sequence[RunInfo]:
        """Return runs by key. See `Store.get_runs`."""
        return list(self._call("get_runs", keys=_keys(keys)))

    def query_runs(self, query: RunQuery) -> RunPage:
        """Return the runs that a query selects. See `Store.query_runs`."""
        page: RunPage = self._call("query_runs", query=query)
        return page

    def trash_runs(self, keys: Sequence[int]) -> None:
        """Mark runs as trashed. See `Store.trash_runs`."""
        self._change("trash_runs", keys=_keys(keys))

    def restore_runs(self, keys: Sequence[int]) -> None:
        """Take runs out of the trash. See `Store.restore_runs`."""
        self._change("restore_runs", keys=_keys(keys))

    def delete_runs(self, keys: Sequence[int]) -> None:
        """Delete runs for good. See `Store.delete_runs`."""
        self._change("delete_runs", keys=_keys(keys))

    # writing

    def open_writer(self, key: int) -> RunWriter:
        """Return a writer on a run. See `Store.open_writer`."""
        self._check_writable()
        self._settle()
        (run,) = self.get_runs([key])
        name = uuid.uuid4().hex
        self._hub.call("hold_run", key=key, writer=name, seconds=LEASE_S)
        writer = HubWriter(
            run,
            name=name,
            types=self._hub.call("attribute_types", key=key),
            deliver=partial(self._deliver, self._hub),
            last_applied=lambda key, writer: int(
                self._hub.call("last_applied", key=key, writer=writer)
            ),
            open_spool=None if self._buffer is None else partial(self._buffer.open_spool, run),
            wake=_nothing if self._buffer is None else self._buffer.wake,
            closed=self._end,
        )
        with self._lock:
            self._writers.add(writer)
            if self._heart is None:
                self._heart = _Heart(self._beat)
        return writer

    @staticmethod
    def _deliver(
        hub: HubConnection, key: int, writer: str, first: int, records: Sequence[bytes]
    ) -> Receipt:
        body = b"[" + b",".join(records) + b"]"
        path = f"/runs/{key}/updates?writer={writer}&first={first}"
        return decode_receipt(hub.send(path, body, kind="application/json"))

    def _beat(self) -> None:
        with self._lock:
            writers = list(self._writers)
        for writer in writers:
            # What is missed is made up for by the next beat; the lease outlasts several.
            with suppress(MooringError):
                self._quick.call(
                    "hold_run", key=writer.run.key, writer=writer.name, seconds=LEASE_S
                )

    def _end(self, writer: HubWriter) -> None:
        """Send what a writer still holds, and tell the hub that it has ended."""
        try:
            if writer.spool is not None and self._buffer is not None:
                self._buffer.end(writer.spool)
        finally:
            with self._lock:
                self._writers.discard(writer)
            # A hub that is away ends it by itself, when it hears nothing more.
            with suppress(HubError):
                self._quick.call("release_run", key=writer.run.key, writer=writer.name)

    def write_points(
        self,
        key: int,
        path: str,
        *,
        steps: np.ndarray | Sequence[Any] | pa.Array,
        values: np.ndarray | Sequence[Any] | pa.Array,
        times: np.ndarray | Sequence[Any] | pa.Array | int | None = None,
    ) -> int:
        """Append points of one float series. See `Store.write_points`."""
        from mooring.store.hub.columns import points_table

        self._check_writable()
        check_loggable(validate_path(path))
        table = points_table(path, steps=steps, values=values, times=times)
        if not table.num_rows:
            self.get_runs([key])
            return 0
        return self.write_table(key, table)

    def write_table(self, key: int, table: pa.Table) -> int:
        """Append points of many float series. See `Store.write_table`."""
        return self.write_table_once(key, table, request=uuid.uuid4().hex)

    def set_events(
        self, key: int, path: str, value: object, *, where: tuple[str, object] | None = None
    ) -> int:
        """Set a cell in logged rows. See `Store.set_events`."""
        return self.set_events_once(key, path, value, where=where, request=uuid.uuid4().hex)

    # writing in numbered batches and named requests

    def append_batch(self, key: int, writer: str, first: int, updates: Sequence[Update]) -> Receipt:
        """Apply updates of a writer, each once. See `AppendsBatches.append_batch`."""
        self._check_writable()
        _check_name(writer, "writer")
        if type(first) is not int or not 1 <= first < 2**63:
            raise InvalidInput(f"updates are numbered from 1 on, not {first!r:.80}")
        self._settle()
        now = now_micros()
        records = [encode_update(_timed(update, now)) for update in updates]
        return self._deliver(self._hub, int(key), writer, first, records)

    def last_applied(self, key: int, writer: str) -> int:
        """Return a writer's last number. See `AppendsBatches.last_applied`."""
        _check_name(writer, "writer")
        return int(self._call("last_applied", key=key, writer=writer))

    def hold_run(self, key: int, writer: str, *, seconds: float) -> None:
        """Keep a run active for some time. See `AppendsBatches.hold_run`."""
        _check_name(writer, "writer")
        self._change("hold_run", key=key, writer=writer, seconds=float(seconds))

    def release_run(self, key: int, writer: str) -> None:
        """End what `hold_run` began. See `AppendsBatches.release_run`."""
        _check_name(writer, "writer")
        self._change("release_run", key=key, writer=writer)

    def attribute_types(self, key: int) -> Mapping[str, AttributeType]:
        """Return the types of a run's attributes. See `AppendsBatches.attribute_types`."""
        types: Mapping[str, AttributeType] = self._call("attribute_types", key=key)
        return types

    def write_table_once(self, key: int, table: pa.Table, *, request: str) -> int:
        """Append points of a named request. See `AppendsBatches.write_table_once`."""
        from mooring.store.hub.columns import check_table
        from mooring.wire.native.columns import STREAM_TYPE, stream_table

        self._check_writable()
        _check_name(request, "request")
        self._settle()
        size, _ = stream_table(check_table(table))
        answer = self._hub.send(
            f"/runs/{int(key)}/points",
            lambda: stream_table(table)[1],
            kind=STREAM_TYPE,
            request=request,
            headers={"content-length": str(size)},
        )
        return int(answer["points"])

    def set_events_once(
        self,
        key: int,
        path: str,
        value: object,
        *,
        where: tuple[str, object] | None = None,
        request: str,
    ) -> int:
        """Set a cell in logged rows. See `AppendsBatches.set_events_once`."""
        _check_name(request, "request")
        return int(
            self._change(
                "set_events_once",
                key=key,
                path=validate_path(path),
                value=value,
                where=where,
                request=request,
            )
        )

    # runs as a whole

    def import_run(self, spec: RunSpec, *, request: str | None = None) -> RunImport:
        """Begin to import a run. See `TransfersRuns.import_run`."""
        self._check_writable()
        self._settle()

        def send(stream: Callable[[], Any]) -> RunInfo:
            run: RunInfo = self._hub.send_for_value(
                "/imports", stream, kind=IMPORT_TYPE, request=request
            )
            return run

        return HubRunImport(spec, self._open_staging, send)

    def count_points(self, key: int) -> Sequence[tuple[str, AttributeType, int]]:
        """Return a run's own series. See `TransfersRuns.count_points`."""
        return [(p, t, n) for p, t, n in self._call("count_points", key=key)]

    def list_sealed(self, key: int) -> Sequence[SealedFile] | None:
        """Return None: files of a hub are not to be had. See `TransfersRuns.list_sealed`."""
        self.get_runs([key])
        return None

    def read_rows(self, key: int) -> pa.Table | None:
        """Return the rows of a table that a run logged. See `TransfersRuns.read_rows`."""
        return self._call("read_rows", key=key)

    def read_previews(self, key: int) -> pa.Table | None:
        """Return the provisional points of a run. See `TransfersRuns.read_previews`."""
        return self._call("read_previews", key=key)

    def list_not_inherited(self, key: int) -> Sequence[str]:
        """Return what a fork deleted. See `TransfersRuns.list_not_inherited`."""
        return list(self._call("list_not_inherited", key=key))

    # reading

    def list_attributes(
        self,
        keys: Sequence[int] | None,
        select: PathSelector,
        *,
        project: str | None = None,
        projects: tuple[str, ...] | None = None,
    ) -> Sequence[tuple[str, AttributeType]]:
        """Return distinct paths and types. See `Store.list_attributes`."""
        found = self._call(
            "list_attributes",
            keys=None if keys is None else _keys(keys),
            select=select,
            project=project,
            projects=projects,
        )
        return [(path, type) for path, type in found]

    def read_attributes(
        self, keys: Sequence[int], select: PathSelector
    ) -> Sequence[AttributeColumn]:
        """Return attribute values by column. See `Store.read_attributes`."""
        return list(self._call("read_attributes", keys=_keys(keys), select=select))

    def read_aggregates(
        self, keys: Sequence[int], fields: Sequence[Field]
    ) -> Sequence[AttributeColumn]:
        """Return one column for each field. See `Store.read_aggregates`."""
        return list(self._call("read_aggregates", keys=_keys(keys), fields=list(fields)))

    def get_stats(self, key: int, path: str) -> SeriesStats:
        """Return what is kept of a series. See `Store.get_stats`."""
        stats: SeriesStats = self._call("get_stats", key=key, path=path)
        return stats

    def read_series(
        self, keys: Sequence[int], select: PathSelector, query: SeriesQuery
    ) -> pa.Table:
        """Return points of series. See `Store.read_series`."""
        from mooring.wire.native.columns import read_table

        self._check_open()
        types = [type for type in select.types or () if type.is_series]
        if len(types) != 1 or len(select.types or ()) != 1:
            raise InvalidInput("read_series reads one series type: name it in PathSelector.types")
        self._settle()
        stream = self._hub.read_stream("/series", keys=_keys(keys), select=select, query=query)
        return read_table(stream, trusted=True)

    def read_events(
        self,
        project: str,
        keys: Sequence[int] | None = None,
        *,
        columns: Sequence[str] | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> EventTable:
        """Return rows of a tracker's table. See `Store.read_events`."""
        table: EventTable = self._call(
            "read_events",
            project=project,
            keys=None if keys is None else _keys(keys),
            columns=columns,
            first=first,
            last=last,
        )
        return table

    def count_events(self, project: str, keys: Sequence[int] | None = None) -> int:
        """Return the number of rows of a tracker's table. See `Store.count_events`."""
        found = self._call(
            "count_events", project=project, keys=None if keys is None else _keys(keys)
        )
        return int(found)

    def list_columns(self, project: str) -> Sequence[TableColumn]:
        """Return the columns of a tracker's table. See `Store.list_columns`."""
        return list(self._call("list_columns", project=project))

    def get_value(self, key: int, path: str) -> tuple[AttributeType, Any]:
        """Return type and value of an attribute. See `Store.get_value`."""
        type, value = self._call("get_value", key=key, path=path)
        return type, value

    # files

    def put_blob(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store content. See `Store.put_blob`."""
        self._check_writable()
        return upload(self._hub, source)

    def open_blob(self, digest: str) -> BinaryIO:
        """Open content for reading. See `Store.open_blob`."""
        self._check_open()
        self._settle()
        need_content(digest)
        return download(self._hub, digest)

    # care

    def compact(
        self,
        project: str | None = None,
        *,
        events: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> CompactionReport:
        """Seal, join and clean up. See `Store.compact`."""
        self._check_writable()
        self._settle()
        report = CompactionReport()
        for found in self._hub.lines("/compact", project=project, events=events):
            if isinstance(found, CompactionReport):
                report = found
            elif progress is not None:
                progress(*found)
        return report

    def check(self, *, repair: bool = False) -> StoreCheck:
        """Look for damage. See `Store.check`."""
        if repair:
            self._check_writable()
        found: StoreCheck = self._call("check", repair=repair)
        return found

    def measure_usage(self, by: UsageBy = "project") -> DiskUsage:
        """Tell what takes how many bytes. See `MeasuresUsage.measure_usage`."""
        usage: DiskUsage = self._call("measure_usage", by=by)
        return usage

    def sync(self, progress: Callable[[SpoolHead, int, int], None] | None = None) -> SyncReport:
        """Send what processes left on this machine that died, or that ended without the hub.

        `progress(head, sent, left)` is called after each request. What cannot be sent stays where
        it is; the report tells why.
        """
        self._check_writable()
        if self._buffer is None:
            raise InvalidInput("this store was opened without a spool (buffered=False)")
        report = self._buffer.sync(progress)
        for result in report.spools:
            if result.head is not None and not result.left:
                # Nobody is behind it any more. Else the run stays active until its lease ends.
                with suppress(MooringError):
                    self._quick.call("release_run", key=result.head.key, writer=result.head.writer)
        return report

    def close(self) -> None:
        """End all activity. Idempotent. What the hub does not take now stays in the spool."""
        if self._closed:
            return
        try:
            for writer in list(self._writers):
                writer.close()
        finally:
            self._closed = True
            if self._heart is not None:
                self._heart.stop()
            if self._buffer is not None:
                self._buffer.close()
            self._quick.transport.close()
            self._hub.transport.close()

    def __enter__(self) -> HubStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Heart:
    """A thread that tells the hub that writers are still there."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="mooring-heart", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.wait(_BEAT_S):
            self._beat()

    def stop(self) -> None:
        self._stop.set()


def _check_name(name: object, what: str) -> str:
    """Return the name of a writer or request, as a hub takes it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(f"{what} {name!r:.80} is no name; give a UUID's 32 hex digits")
    return name


def _timed(update: Update, now: int) -> Update:
    """Return an update with its time: the hub does not know when it was made."""
    if isinstance(update, (Assign, ChangeSet, Delete)) and update.time is None:
        return replace(update, time=now)
    return update


def _nothing() -> None:
    pass


def _keys(keys: Sequence[int]) -> list[int]:
    return [int(key) for key in keys]


def hub_address(address: str, token: str | None) -> tuple[str, str | None]:
    """Return address and token of a hub, each of which may be told by the other.

    Raises
    ------
    InvalidAddress
        When neither tells where the hub is.
    """
    if address:
        return address, token
    found = None if token is None else ApiToken.find(token)
    if found is None:
        raise InvalidAddress("this token does not tell where its hub is; give its address")
    return found.address, token
