"""The result cache: results of calls, kept in a folder."""
