"""Tracked calls: a row for each call of a function, and what the machine did meanwhile."""
