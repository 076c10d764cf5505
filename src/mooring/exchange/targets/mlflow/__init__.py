"""Runs into MLflow: a tracking server, a database, or a folder."""

from mooring.exchange.targets.mlflow.target import MlflowTarget

__all__ = ["MlflowTarget"]
