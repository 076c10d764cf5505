"""Names that xetrack can not only read but also write to.

It pastes names into SQL, of SQLite and of DuckDB, and replaces its table's name wherever that
occurs in a statement. So a name is a plain identifier, no keyword of either, and free of the
table's name. What has to change is noted in the file, see `mooring.tracker.xetrack.extras`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mooring.tracker.xetrack.assets import ASSETS, COUNTS, KEYS
from mooring.tracker.xetrack.tables import NEW_TABLE, OLD_TABLE, OWN_PREFIX, TIMESTAMP, TRACK_ID

MAX_NAME = 64
"""Length at which xetrack cuts the names that it logs."""

_KEYWORDS = """
    add all alter analyse analyze and anti any array as asc asof asymmetric at authorization
    autoincrement between binary both by case cast check collate collation column commit
    concurrently constraint create cross current_date current_time current_timestamp default
    deferrable delete desc describe distinct do drop else end escape except exists false fetch for
    foreign freeze from full glob group having ilike in index initially inner insert intersect into
    is isnull join lambda lateral leading left like limit natural not nothing notnull null offset
    on only or order outer overlaps pivot pivot_longer pivot_wider placing positional primary
    qualify raise references returning right select semi set show similar some summarize symmetric
    table tablesample then to trailing transaction true union unique unpack unpivot update using
    values variadic verbose when where window with
"""
KEYWORDS = frozenset(_KEYWORDS.split())
"""Words that SQLite 3.40 or DuckDB 1.5 refuse as a bare column, found by trying all of theirs."""

_OTHER = re.compile(r"[^A-Za-z0-9_]")
_STATEMENTS = """
    SELECT * FROM COUNT(*) WHERE AND ORDER BY DESC LIMIT DISTINCT INSERT INTO VALUES UPDATE SET
    DELETE DROP TABLE IF EXISTS ALTER ADD COLUMN INTEGER REAL TEXT BLOB VARCHAR FLOAT BOOLEAN
    BIGINT NULL PRAGMA table_info track_id timestamp CREATE NOT PRIMARY KEY BEGIN TRANSACTION
"""
"""What its statements are made of: a table called like a part of it breaks them."""


class TableNames:
    """Chooses the names of tables; `events` becomes `default`, the rest keep theirs if they can.

    >>> names = TableNames()
    >>> names.choose("events"), names.choose("predictions"), names.choose("team/t")
    ('default', 'predictions', 'team_t')
    """

    def __init__(self) -> None:
        self._taken = {NEW_TABLE, OLD_TABLE, ASSETS, KEYS, COUNTS, TRACK_ID, TIMESTAMP}

    def choose(self, table: str) -> str:
        """Return the name of a table that is asked for once."""
        if table == OLD_TABLE:
            return NEW_TABLE
        name = _identifier(table)
        if name in _STATEMENTS or name.lower().startswith(("sqlite_", OWN_PREFIX)):
            name = f"rows_{name}"
        return _claim(name, self._taken)


def choose_columns(table: str, columns: Iterable[str]) -> list[str]:
    """Return the names of a table's columns, in their order.

    >>> choose_columns("default", ["loss", "loss/train", "Loss", "order", "default_lr", "1st"])
    ['loss', 'loss_train', 'Loss_2', 'order_', 'd_efault_lr', '_1st']
    """
    taken = {TRACK_ID, TIMESTAMP}
    names = []
    for column in columns:
        name = _identifier(column)
        if table in name:
            name = name.replace(table, f"{table[0]}_{table[1:]}")[:MAX_NAME]
        names.append(_claim(name, taken))
    return names


def _identifier(name: str) -> str:
    clean = _OTHER.sub("_", name)[:MAX_NAME]
    if not clean or clean[0].isdigit():
        clean = f"_{clean}"[:MAX_NAME]
    return f"{clean}_" if clean.lower() in KEYWORDS else clean


def _claim(name: str, taken: set[str]) -> str:
    """Return a name that no other one equals when case is ignored."""
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        end = f"_{number}"
        free = name[: MAX_NAME - len(end)] + end
    taken.add(free.lower())
    return free
