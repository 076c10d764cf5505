"""Doors: each translates one protocol onto the guarded store, and knows no other door."""
