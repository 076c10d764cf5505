"""Tables of points, as `Source.read_points` returns them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def rows_by_path(table: pa.Table) -> list[tuple[str, int, int]]:
    """Return (path, first row, number of rows) of each series; its rows lie together.

    >>> points = pa.table({"path": pa.array(["a", "a", "b"]).dictionary_encode()})
    >>> rows_by_path(points)
    [('a', 0, 2), ('b', 2, 1)]
    """
    if not table.num_rows:
        return []
    column = table["path"]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    names = column.chunk(0).dictionary.to_pylist()
    codes = np.concatenate([c.indices.to_numpy(zero_copy_only=False) for c in column.chunks])
    starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    stops = np.append(starts[1:], len(codes))
    return [
        (names[code], int(first), int(stop - first))
        for code, first, stop in zip(
            codes[starts].tolist(), starts.tolist(), stops.tolist(), strict=True
        )
    ]
