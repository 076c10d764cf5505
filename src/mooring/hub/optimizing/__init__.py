"""Searches for hyper-parameters that others ask the hub for, computed in processes of their own."""

from __future__ import annotations

from mooring.hub.optimizing.answers import Given, Reply
from mooring.hub.optimizing.pool import OptimizerPool

__all__ = ["Given", "OptimizerPool", "Reply"]
