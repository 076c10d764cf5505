"""Runs out of MLflow: a tracking server, a database, or a folder."""

from mooring.exchange.sources.mlflow.source import MlflowSource

__all__ = ["MlflowSource"]
