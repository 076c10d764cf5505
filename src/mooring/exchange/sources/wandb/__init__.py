"""W&B's offline folders as a source."""

from mooring.exchange.sources.wandb.source import WandbSource

__all__ = ["WandbSource"]
