"""Weights & Biases as a target."""

from mooring.exchange.targets.wandb.target import WandbSettings, WandbTarget

__all__ = ["WandbSettings", "WandbTarget"]
