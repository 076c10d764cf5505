"""Minfx: runs of its client's offline mode, which `minfx sync` brings to the server. Extra `minfx`.

Loading writes files only: what its server keeps of them was not tried.
"""

from mooring.exchange.targets.minfx.settings import MinfxSettings
from mooring.exchange.targets.minfx.target import MinfxTarget

__all__ = ["MinfxSettings", "MinfxTarget"]
