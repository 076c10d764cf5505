"""The SQLite back end: log, fold, seal."""
