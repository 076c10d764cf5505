"""Settings of whoever talks to a hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How long to wait for a hub, and how often to ask again.

    Attributes
    ----------
    timeout_s : for a connection, and for each piece of an answer
    retries : how often a request is repeated after a transient error
    first_wait_s, longest_wait_s : the wait before the first repeat doubles with each one up to the
        longest; a random half of it is left out, so that many clients do not come back at once
    proxies : scheme (`http`, `https`) to the address of a proxy
    """

    timeout_s: float = 60.0
    retries: int = 5
    first_wait_s: float = 0.2
    longest_wait_s: float = 10.0
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
