"""A hub as a store, over HTTP. `messages.py`, `updates.py`, `importing.py` are of both sides."""
