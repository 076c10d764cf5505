"""LitLogger (Lightning AI): its server, through its client. Extra `litlogger`.

Written to what the package (2026.8.28) says of itself, and **not run**: it has no offline mode, and
its server was not at hand. Only its settings and its errors without a server are tested.
"""

from mooring.exchange.targets.litlogger.settings import LitLoggerSettings
from mooring.exchange.targets.litlogger.target import LitLoggerTarget

__all__ = ["LitLoggerSettings", "LitLoggerTarget"]
