"""TensorBoard's event files as a source."""

from mooring.exchange.sources.tensorboard.source import TensorBoardSource

__all__ = ["TensorBoardSource"]
