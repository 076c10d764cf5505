"""`Table`: what a command hands to `Output`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values. `rows` may be an iterator, which is then read once.

    Names of columns are distinct: a second `loss` is called `loss_2`.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[object]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _distinct(self.columns))

    @classmethod
    def of_records(cls, records: Iterable[Mapping[str, object]], columns: Sequence[str]) -> Table:
        """Return a table of dicts; a key that one of them lacks is a missing value.

        >>> Table.of_records([{"a": 1}], ["a", "b"]).rows
        [(1, None)]
        """
        return cls(columns, [tuple(record.get(name) for name in columns) for record in records])

    @classmethod
    def of_arrow(cls, table: pa.Table) -> Table:
        """Return the rows of an Arrow table, read in blocks."""
        return cls(table.column_names, _arrow_rows(table))


def _arrow_rows(table: pa.Table) -> Iterator[tuple[object, ...]]:
    from mooring.store.tables import decode

    if not table.num_columns:
        return
    for start in range(0, table.num_rows, _BLOCK_ROWS):
        block = table.slice(start, _BLOCK_ROWS)
        columns = [decode(field, block.column(i)) for i, field in enumerate(block.schema)]
        yield from zip(*columns, strict=True)


def _distinct(names: Sequence[str]) -> Sequence[str]:
    used: set[str] = set()
    result = []
    for name in names:
        unique, number = name, 1
        while unique in used:
            number += 1
            unique = f"{name}_{number}"
        used.add(unique)
        result.append(unique)
    return tuple(result)
