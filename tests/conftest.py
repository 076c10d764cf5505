"""How much the property tests try: `MOORING_TEST_PROFILE` is `quick` (default) or `long`.

`quick` tries the same examples each time, so that a check fails for what changed and not by
chance; `long` searches anew and far wider.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "quick",
    max_examples=30,
    stateful_step_count=30,
    derandomize=True,
    # Shrinking a failure of the store can take minutes: `long` does it.
    phases=(Phase.explicit, Phase.generate),
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long",
    max_examples=1_000,
    stateful_step_count=100,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("MOORING_TEST_PROFILE", "quick"))
