"""Weights & Biases as a target."""

from mooring.exchange.targets.wandb.target import WandbTarget

__all__ = ["WandbTarget"]
