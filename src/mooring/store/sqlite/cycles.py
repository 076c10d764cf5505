"""Python's search for cycles, which visits each of a million new tuples again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Keep the garbage collector from looking for cycles among rows, which have none.

    Of 2,000 runs with 150 attributes, 300,000 tuples, it took 47 ms of 189.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
