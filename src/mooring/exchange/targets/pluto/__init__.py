"""Pluto (Trainy): its server, through its client. Extra `pluto`.

Its server was not at hand. What the client sends was watched by a server of our tests; what Pluto
makes of it was not seen.
"""

from mooring.exchange.targets.pluto.settings import PlutoSettings
from mooring.exchange.targets.pluto.target import PlutoTarget

__all__ = ["PlutoSettings", "PlutoTarget"]
