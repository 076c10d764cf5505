"""Where GoodSeed keeps its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodSeedSettings:
    """Where runs go.

    Attributes
    ----------
    home : GoodSeed's home folder
    project : the project that all runs go to; empty: each to the one it is from
    """

    home: Path
    project: str = ""

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        *,
        home: str | None = None,
        project: str | None = None,
    ) -> GoodSeedSettings:
        """Return settings of `--goodseed-home` and `--goodseed-project`, or of the environment.

        >>> GoodSeedSettings.read({"GOODSEED_HOME": "/data/seeds"}).home.as_posix()
        '/data/seeds'
        """
        where = home or environment.get("GOODSEED_HOME") or "~/.goodseed"
        return cls(
            home=Path(where).expanduser(),
            project=project or environment.get("GOODSEED_PROJECT", ""),
        )
