"""Backup trees: ours, and those that Neptune's bulk backup script wrote."""

from mooring.exchange.sources.backup.script import ScriptRules
from mooring.exchange.sources.backup.source import BackupSource

__all__ = ["BackupSource", "ScriptRules"]
