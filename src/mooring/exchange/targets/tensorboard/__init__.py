"""TensorBoard's event files as a target."""

from mooring.exchange.targets.tensorboard.target import TensorBoardTarget

__all__ = ["TensorBoardTarget"]
