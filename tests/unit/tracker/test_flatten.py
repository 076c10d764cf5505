"""Nested things become paths, whatever they are made of."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from mooring.model import FileRef, Histogram
from mooring.tracker.flatten import as_mapping, flatten


@dataclass
class Optimizer:
    name: str = "adam"
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Config:
    lr: float = 0.1
    optimizer: Optimizer = field(default_factory=Optimizer)


class LazyMapping(Mapping[str, object]):
    """As OmegaConf's nodes are: a mapping that is no dict."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class KeysAndItems:
    """As ml_collections' ConfigDict is: no mapping by name."""

    def keys(self) -> list[str]:
        return ["a"]

    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]


def test_dicts() -> None:
    assert dict(flatten({"a": {"b": 1, 2: {"c": 3}}, "d/e": 4})) == {
        "a/b": 1,
        "a/2/c": 3,
        "d/e": 4,
    }


def test_a_leaf_keeps_its_prefix() -> None:
    assert dict(flatten(5, "x")) == {"x": 5}
    assert dict(flatten({}, "x")) == {}


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        (Config(), {"p/lr": 0.1, "p/optimizer/name": "adam", "p/optimizer/betas": (0.9, 0.99)}),
        (Namespace(lr=0.1, sub=Namespace(x=1)), {"p/lr": 0.1, "p/sub/x": 1}),
        (LazyMapping({"a": LazyMapping({"b": 1})}), {"p/a/b": 1}),
        (KeysAndItems(), {"p/a": 1}),
    ],
)
def test_other_containers(value: object, flat: dict[str, object]) -> None:
    assert dict(flatten(value, "p")) == flat


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")
    inner = pydantic.create_model("Inner", depth=(int, 3))
    outer = pydantic.create_model("Outer", lr=(float, 0.1), inner=(inner, inner()))
    assert dict(flatten(outer(), "p")) == {"p/lr": 0.1, "p/inner/depth": 3}


@pytest.mark.parametrize(
    "leaf",
    [
        1,
        "text",
        [1],
        {"set"},
        Config,
        FileRef(digest="ab", size_bytes=1),
        Histogram(edges=(0.0, 1.0), values=(1.0,)),
    ],
)
def test_leaves(leaf: object) -> None:
    assert as_mapping(leaf) is None


def test_a_cycle_ends() -> None:
    ring: dict[str, Any] = {"a": 1}
    ring["again"] = ring
    leaves = dict(flatten(ring))
    assert len(leaves) == 65
    assert leaves["a"] == 1
