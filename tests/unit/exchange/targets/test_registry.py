"""Targets by name: what is missing is told before anything is written."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, MissingExtra
from mooring.exchange.targets import TARGETS, TargetOptions, open_target

PACKAGES = {
    "goodseed": "goodseed",
    "comet": "comet_ml",
    "litlogger": "litlogger",
    "pluto": "pluto",
    "minfx": "minfx",
    "zenml": "zenml",
}


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        "GOODSEED_HOME", "COMET_API_KEY", "COMET_WORKSPACE", "LITLOGGER_OWNER", "PLUTO_API_KEY",
        "MINFX_PROJECT",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("comet", "--comet-workspace"),
        ("litlogger", "--litlogger-owner"),
        ("pluto", "--pluto-api-key"),
        ("minfx", "--minfx-project"),
    ],
)
def test_an_option_that_is_missing_is_named(name: str, option: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=option):
        open_target(name, TargetOptions(online=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_package_that_is_missing_is_named(name: str, tmp_path: Path) -> None:
    if find_spec(PACKAGES[name]) is not None:
        pytest.skip("it is installed")
    options = TargetOptions(folder=tmp_path, project="a/b", workspace="w", api_key="k", user_id="u")
    with pytest.raises(MissingExtra, match=rf"mooring\[{name}\]"):
        open_target(name, options)


def test_every_target_is_listed() -> None:
    assert set(PACKAGES) <= set(TARGETS)
