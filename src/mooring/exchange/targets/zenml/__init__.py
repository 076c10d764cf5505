"""ZenML: a model version for each run, in the ZenML that is active. Extra `zenml`.

Its local SQLite store is what is tried and read back; a server was not.
"""

from mooring.exchange.targets.zenml.target import ZenMLTarget

__all__ = ["ZenMLTarget"]
