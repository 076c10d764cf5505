"""A digest of what a run is, cheap to compute: it tells whether a run has changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pyarrow as pa

from mooring.exchange.selection import type_of
from mooring.exchange.source import RunExtras, SourceFile, SourceRun, SourceSeries, SourceValue
from mooring.model import Typed


def fingerprint(
    run: SourceRun,
    values: Mapping[str, SourceValue],
    series: Sequence[SourceSeries],
    extras: RunExtras | None = None,
    *,
    options: str = "",
) -> str:
    """Return a SHA-256 in hex of a run's identity, values, counts of points, and rows.

    Points themselves are not read: a store moves `sys/modification_time` when some come.
    """
    hasher = hashlib.sha256()

    def tell(*parts: object) -> None:
        hasher.update(repr(parts).encode("utf-8", "surrogatepass"))

    tell(run.project, run.run_id, str(run.kind), run.name, run.created, run.parent, run.fork_step)
    tell(run.trashed, options)
    for path in sorted(values):
        value = values[path]
        plain = value.value if isinstance(value, Typed) else value
        if isinstance(plain, frozenset):
            plain = sorted(plain)
        elif isinstance(plain, SourceFile):
            plain = (plain.name, plain.mime_type, plain.size_bytes, plain.digest)
        tell(path, str(type_of(value)), plain)
    for one in sorted(series, key=lambda s: s.path):
        tell(one.path, str(one.type), one.count)
    if extras is not None:
        tell(sorted(extras.not_inherited))
        for table in (extras.rows, extras.previews):
            if table is not None:
                _tell_table(hasher.update, table)
    return hasher.hexdigest()


def _tell_table(update: object, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    update(sink.getvalue())  # type: ignore[operator]
