"""Ids that a person can say: `quiet-heron-0042`."""

from __future__ import annotations

import secrets

_ADJECTIVES = """
    able amber bold brave brief bright brisk calm candid clear clever cosmic crisp daring deft dry
    eager early even fair fleet fond frank free fresh gentle glad golden grand green happy honest
    humble ideal jolly keen kind late light lively loyal lucky mellow merry mild modest neat noble
    patient plain polite proud quick quiet rapid ready sober solid steady sunny tidy warm wise zesty
"""
_NOUNS = """
    anchor arbor badger beacon birch bison brook canyon cedar cliff comet coral crane delta dune
    eagle ember falcon fern finch fjord fox gale garnet glacier grove gull harbor hawk heron
    island ivy jetty kestrel lagoon lark lynx maple marten meadow mesa moor oak otter owl pebble
    pier pine plover quartz raven reef ridge river robin salmon seal shoal sparrow spruce swan
    tern tide willow
"""

ADJECTIVES = tuple(_ADJECTIVES.split())
NOUNS = tuple(_NOUNS.split())


def generate_track_id() -> str:
    """Return a new id, `adjective-noun-NNNN`, from the system's entropy.

    Seeding `random` does not repeat it, and making one does not advance `random`.
    """
    return f"{_two_words()}-{secrets.randbelow(10_000):04d}"


def generate_run_id() -> str:
    """Return a new id, `adjective-noun-hhhhhhhh`: one of 2·10^13, so that none comes twice."""
    return f"{_two_words()}-{secrets.token_hex(4)}"


def _two_words() -> str:
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}"
