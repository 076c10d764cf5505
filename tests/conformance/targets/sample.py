"""A store with one of everything that a target could stumble over."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mooring import Run
from mooring.store import Store, open_store

PROJECT = "team/digits"


def make_store(file: Path) -> Store:
    """Fill a store with six runs of two projects; return it open."""
    store = open_store(file)
    with Run(PROJECT, store=store, run_id="root", name="baseline", tags=["good", "a:b"]) as root:
        root["params"] = {"lr": 0.1, "layers": 32, "big": 2**60, "name": "über", "on": True}
        root["params/when"] = datetime(2025, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
        root["params/empty"] = ""
        root["params/lines"] = "one\ntwo\r\nthree\n"
        root["params/long"] = "x" * 9_000
        root["sys/description"] = "what it is\nabout"
        root.add_tags(["g1"], group_tags=True)
        for step in range(50):
            root.log({"train/loss": 1 / (step + 1), "train/acc": step / 50}, step=step)
        for place, value in enumerate([float("nan"), float("inf"), float("-inf"), -0.0, 1e-300]):
            root.log({"odd": value}, step=place - 2)
        for place in range(5):
            root.log({"decimal": float(place)}, step=place / 4)
            root.log({"log": f"line {place}" if place != 3 else "two\nlines"}, step=place)
            root.log({"words": f"w{place} ü"}, step=place)
            root.log_histogram("hist", np.arange(20) * place, bins=4, step=place)
        root["notes"].upload(b"some notes", name="notes.txt")
        root["model"].upload(b"\0" * 5_000, name="../we ird?.bin")
        for step in (0, 1.5):
            root.log_file("pictures", f"picture {step}".encode(), step=step, name="p.png")
    with Run(
        PROJECT, store=store, run_id="fork", name="baseline", parent="root", fork_step=20
    ) as fork:
        fork["params/lr"] = 0.01
        for step in range(21, 40):
            fork.log({"train/loss": 0.5 / step}, step=step)
    with Run(PROJECT, store=store, run_id='it\'s "named" 100%') as quoted:
        quoted["x"] = 1
        quoted.log(
            {"a:b": 1.0, "a_b": 2.0, "a;b": 3.0, "c//d": 4.0, "/e": 5.0, "f/../g": 6.0}, step=0
        )
        quoted["k:l"] = "colon"
        quoted["k_l"] = "underscore"
        quoted["deep"].upload(b"1", name="x")
        quoted["deep/x"].upload(b"22", name="y")
        quoted.log({"n": 1.0, "n/o": 2.0, "n" * 300: 3.0}, step=0)
    with Run(PROJECT, store=store, run_id="bare"):
        pass
    with Run("team/other", store=store, run_id="bare") as bare:
        bare["x"] = 2
    with Run("team/other", store=store, run_id="root", name="baseline") as failed:
        failed["sys/failed"] = True
        failed["y"] = 2.5
    return store
