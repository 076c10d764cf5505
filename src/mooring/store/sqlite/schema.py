"""Tables of the store's file, and the migrations that lead to them.

`PRAGMA user_version` holds the format; migration *n* leads from format *n* to *n + 1*.

==================  ===========================================================================
base tables         what callers said; the truth
==================  ===========================================================================
projects, runs      identity
paths, shapes       interned attribute paths, and interned lists of them
table_columns       columns of tracker's tables, and the kinds of their cells
log                 one row for each update that is not sealed yet, in the order of commits
segments            the Parquet files of sealed points and events
segment_series      which rows of which segment belong to which series
run_holders         processes that have a run open for writing, and writers elsewhere, with leases
receipts            how far the batches of each writer elsewhere have been applied
refusals            updates of these batches that could not be taken
requests            what was answered to calls that may come again
uploads             what the paths of files stand for that came apart from their references
file_references     values and points that hold such a file, or wait for it
==================  ===========================================================================

==================  ===========================================================================
derived tables      what the fold made of the log up to `meta.watermark`
==================  ===========================================================================
attributes          latest value of each attribute; for a series its aggregates as well
log_index           rows of the log by run, with their resolved step
run_state           highest step, last time and number of points of each run
previews            provisional points
erased              until which row of the log an attribute was deleted
conflicts           values that the type of their attribute could not take
==================  ===========================================================================
"""

from __future__ import annotations

from mooring.model import AttributeType

APPLICATION_ID = 0x4D4F4F52
"""`MOOR` in the header of every store file."""

LOG_POINTS, LOG_EVENT, LOG_ASSIGN, LOG_CHANGE_SET, LOG_DELETE, LOG_PREVIEW = range(6)
"""What a row of the log is (`log.kind`)."""
LOG_MARK = 9
"""A row without content that keeps the numbers of deleted rows from being given out again."""

TYPE_CODES = {
    AttributeType.INT: 1,
    AttributeType.FLOAT: 2,
    AttributeType.STRING: 3,
    AttributeType.BOOL: 4,
    AttributeType.DATETIME: 5,
    AttributeType.STRING_SET: 6,
    AttributeType.FILE: 7,
    AttributeType.FLOAT_SERIES: 8,
    AttributeType.STRING_SERIES: 9,
    AttributeType.HISTOGRAM_SERIES: 10,
    AttributeType.FILE_SERIES: 11,
    AttributeType.FILE_SET: 12,
    AttributeType.ARTIFACT: 13,
    AttributeType.GIT_REF: 14,
    AttributeType.RUN_STATE: 15,
    AttributeType.NOTEBOOK_REF: 16,
}
"""Numbers of the attribute types in the file; never reused."""
TYPES = {code: type for type, code in TYPE_CODES.items()}
FILE_TYPES = (AttributeType.FILE, AttributeType.FILE_SET, AttributeType.ARTIFACT)
"""Types whose value is a file."""

ATTRIBUTE_COLUMNS = (
    "path",
    "run",
    "type",
    "value",
    "count",
    "first_step",
    "last_step",
    "last_time",
    "first",
    "min",
    "min_step",
    "max",
    "max_step",
    "sum",
    "sum_squares",
    "nan",
    "pinf",
    "ninf",
)

DERIVED = {
    "meta": "CREATE TABLE {0}meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "attributes": """CREATE TABLE {0}attributes (
        path INTEGER NOT NULL, run INTEGER NOT NULL, type INTEGER NOT NULL, value,
        count INTEGER, first_step INTEGER, last_step INTEGER, last_time INTEGER, first,
        min REAL, min_step INTEGER, max REAL, max_step INTEGER, sum REAL, sum_squares REAL,
        nan INTEGER, pinf INTEGER, ninf INTEGER,
        PRIMARY KEY (path, run)) WITHOUT ROWID""",
    "log_index": """CREATE TABLE {0}log_index (
        run INTEGER NOT NULL, seq INTEGER NOT NULL, step INTEGER,
        PRIMARY KEY (run, seq)) WITHOUT ROWID""",
    "run_state": """CREATE TABLE {0}run_state (
        run INTEGER PRIMARY KEY, last_step INTEGER, last_time INTEGER,
        points INTEGER NOT NULL, unsealed INTEGER NOT NULL)""",
    "previews": """CREATE TABLE {0}previews (
        run INTEGER NOT NULL, path INTEGER NOT NULL, step INTEGER NOT NULL,
        time INTEGER NOT NULL, value REAL, completion REAL NOT NULL,
        PRIMARY KEY (run, path, step)) WITHOUT ROWID""",
    "erased": """CREATE TABLE {0}erased (
        run INTEGER NOT NULL, path INTEGER NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (run, path)) WITHOUT ROWID""",
    "conflicts": """CREATE TABLE {0}conflicts (
        run INTEGER NOT NULL, path INTEGER NOT NULL, expected INTEGER NOT NULL,
        got INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (run, path, got)) WITHOUT ROWID""",
    "segment_series": """CREATE TABLE {0}segment_series (
        run INTEGER NOT NULL, path INTEGER NOT NULL, segment INTEGER NOT NULL,
        type INTEGER NOT NULL, first_row INTEGER NOT NULL, rows INTEGER NOT NULL,
        first_step INTEGER, last_step INTEGER, span INTEGER,
        PRIMARY KEY (run, path, segment)) WITHOUT ROWID""",
}
"""Tables that a fold changes; `{0}` is empty, or `temp.` for readers that may not write."""

_WITH_FILES = (*FILE_TYPES, AttributeType.FILE_SERIES)
WITH_FILES = f"type IN ({', '.join(str(TYPE_CODES[type]) for type in _WITH_FILES)})"
"""The condition of the index of files; a query that names it as it stands here uses the index."""

DERIVED_INDEXES = (
    "CREATE INDEX {0}attributes_run ON attributes (run, type)",
    "CREATE INDEX {0}attributes_value ON attributes (path, value, type)",
    # Stored forms of files begin with their digest.
    f"CREATE INDEX {{0}}attributes_file ON attributes (type, value) WHERE {WITH_FILES}",
)

_FORMAT_1 = (
    """CREATE TABLE projects (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
        last_number INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL)""",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, kind TEXT NOT NULL,
        sys_id TEXT NOT NULL, run_id TEXT NOT NULL, created INTEGER NOT NULL,
        trashed INTEGER NOT NULL DEFAULT 0, parent INTEGER, fork_step INTEGER,
        UNIQUE (project, run_id), UNIQUE (project, sys_id))""",
    "CREATE INDEX runs_listed ON runs (project, trashed, kind, created)",
    "CREATE INDEX runs_parent ON runs (parent) WHERE parent IS NOT NULL",
    "CREATE TABLE paths (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE)",
    """CREATE TABLE shapes (
        id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, paths BLOB NOT NULL)""",
    """CREATE TABLE log (
        seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, kind INTEGER NOT NULL, step INTEGER,
        time INTEGER, shape INTEGER, data)""",
    """CREATE TABLE segments (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
        rows INTEGER NOT NULL, bytes INTEGER NOT NULL, digest TEXT NOT NULL,
        created INTEGER NOT NULL)""",
    """CREATE TABLE run_holders (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
        started TEXT NOT NULL)""",
    # Without the column that format 3 brought.
    *(table.format("").replace(" span INTEGER,", "") for table in DERIVED.values()),
    *(index.format("") for index in DERIVED_INDEXES[:2]),
    "CREATE INDEX segment_series_segment ON segment_series (segment)",
    "INSERT INTO meta VALUES ('watermark', 0)",
)

_FORMAT_2 = (
    """CREATE TABLE table_columns (
        project INTEGER NOT NULL, path INTEGER NOT NULL, kinds INTEGER NOT NULL,
        position INTEGER NOT NULL, PRIMARY KEY (project, path)) WITHOUT ROWID""",
    # The kinds are bits, see `views`; the sum of distinct bits is their union.
    f"""INSERT INTO table_columns
        SELECT r.project, CAST(j.key AS INTEGER), sum(DISTINCT CASE j.type
            WHEN 'integer' THEN 1 WHEN 'real' THEN 2 WHEN 'true' THEN 4 WHEN 'false' THEN 4
            WHEN 'text' THEN 8 WHEN 'null' THEN 0
            ELSE CASE json_extract(j.value, '$[0]') WHEN 'n' THEN 2 ELSE 32 END END),
            row_number() OVER (PARTITION BY r.project ORDER BY min(l.seq), min(j.id))
        FROM log l JOIN runs r ON r.id = l.run, json_each(l.data) j
        WHERE l.kind = {LOG_EVENT} GROUP BY r.project, j.key""",
    "INSERT INTO meta SELECT DISTINCT 'columns:' || project, 1 FROM table_columns",
    # Rows that lie in segments are out of SQL's reach: the store lists their columns when opened.
    "INSERT INTO meta SELECT 'unlisted_columns', 1 FROM segment_series WHERE path = 0 LIMIT 1",
)

# The points of a series lie among other rows of an attached file: in so many from the first row on.
_FORMAT_3 = ("ALTER TABLE segment_series ADD COLUMN span INTEGER",)

# Writers that live elsewhere: their leases, and what has been applied of what they send.
_FORMAT_4 = (
    "ALTER TABLE run_holders ADD COLUMN writer TEXT",
    "ALTER TABLE run_holders ADD COLUMN expires INTEGER",
    "ALTER TABLE run_holders ADD COLUMN length INTEGER",
    "CREATE UNIQUE INDEX run_holders_run ON run_holders (run, writer)",
    """CREATE TABLE receipts (
        run INTEGER NOT NULL, writer TEXT NOT NULL, last INTEGER NOT NULL,
        types INTEGER NOT NULL DEFAULT 0, released INTEGER NOT NULL DEFAULT 0,
        time INTEGER NOT NULL, PRIMARY KEY (run, writer)) WITHOUT ROWID""",
    """CREATE TABLE refusals (
        run INTEGER NOT NULL, writer TEXT NOT NULL, number INTEGER NOT NULL,
        error TEXT NOT NULL, PRIMARY KEY (run, writer, number)) WITHOUT ROWID""",
    """CREATE TABLE requests (
        name TEXT PRIMARY KEY, answer INTEGER NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID""",
    DERIVED_INDEXES[2].format(""),
)

# Files whose content travels apart from what refers to it; batches that are single ones.
_FORMAT_5 = (
    """CREATE TABLE uploads (
        project INTEGER NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
        id TEXT NOT NULL, due INTEGER NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (project, path)) WITHOUT ROWID""",
    """CREATE TABLE file_references (
        run INTEGER NOT NULL, attribute INTEGER NOT NULL, step INTEGER NOT NULL,
        project INTEGER NOT NULL, path TEXT NOT NULL, mime TEXT NOT NULL, time INTEGER NOT NULL,
        entered INTEGER NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (run, attribute, step)) WITHOUT ROWID""",
    "CREATE INDEX file_references_path ON file_references (project, path)",
    # Asked for with each batch, and few of the many receipts of a run have it.
    "CREATE INDEX receipts_types ON receipts (run, types) WHERE types > 0",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    _FORMAT_1,
    _FORMAT_2,
    _FORMAT_3,
    _FORMAT_4,
    _FORMAT_5,
)

FORMAT = len(MIGRATIONS)
"""The newest format that this code reads and writes."""
