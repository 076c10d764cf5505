"""Comet: archives of its offline mode, or its server. Extra `comet`.

Offline archives are what is tried and read back. The server was not: what it keeps of an upload is
not known here.
"""

from mooring.exchange.targets.comet.settings import CometSettings
from mooring.exchange.targets.comet.target import CometTarget

__all__ = ["CometSettings", "CometTarget"]
