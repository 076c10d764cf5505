"""GoodSeed: a SQLite file for each run, below a home folder. Extra `goodseed`."""

from mooring.exchange.targets.goodseed.settings import GoodSeedSettings
from mooring.exchange.targets.goodseed.target import GoodSeedTarget

__all__ = ["GoodSeedSettings", "GoodSeedTarget"]
