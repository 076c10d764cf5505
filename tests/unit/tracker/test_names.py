"""Track ids come from their own entropy."""

from __future__ import annotations

import random
import re

from mooring.tracker.names import ADJECTIVES, NOUNS, generate_track_id


def test_form() -> None:
    for _ in range(200):
        assert re.fullmatch(r"[a-z]+-[a-z]+-\d{4}", generate_track_id())


def test_words_are_distinct() -> None:
    assert len(set(ADJECTIVES)) == len(ADJECTIVES) == 64
    assert len(set(NOUNS)) == len(NOUNS) == 64


def test_the_global_generator_is_left_alone() -> None:
    random.seed(1)
    before = random.getstate()
    first = generate_track_id()
    assert random.getstate() == before
    random.seed(1)
    assert generate_track_id() != first
