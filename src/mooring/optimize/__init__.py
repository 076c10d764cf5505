"""Searches for hyper-parameters on any store, where every trial is an ordinary run."""
