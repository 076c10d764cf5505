"""Loads runs into W&B: to a server, or as offline folders that `wandb sync` uploads."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from mooring.errors import InvalidInput, TargetRefused, TargetUnreachable
from mooring.exchange.filling import marks
from mooring.exchange.source import SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, LoadSettings, TargetRun
from mooring.exchange.targets.wandb.run import MARK_FILE, Mark, WandbRun, finished_run
from mooring.exchange.wandb_log.records import require_wandb
from mooring.exchange.wandb_log.runs import MARK
from mooring.model import AttributeType

if TYPE_CHECKING:
    import wandb

_NO_PROJECT_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
_BASE_URL = "https://api.wandb.ai"
_NAME_LIMIT = 128
_TAG_LIMIT = 64
_FLUSH_S = 0.2

_OPEN: dict[str, wandb.Run] = {}
"""Runs that were begun in this process: W&B opens none a second time before it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WandbSettings:
    """How W&B is reached.

    Attributes
    ----------
    folder : where W&B's folder `wandb` is made; its offline runs lie there
    online : whether runs go to a server at once
    base_url : of the server; None: W&B's own setting
    api_key : for the server; None: what `wandb login` or WANDB_API_KEY left
    entity : user or team that runs go to; None: the default of the API key
    project : the one project that all runs go to; None: one for each project of the source
    """

    folder: Path
    online: bool = False
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    entity: str | None = None
    project: str | None = None


class WandbTarget:
    """W&B, offline or online.

    Projects, groups, run names, metric names and artifacts are those that Neptune's own exporter
    makes. Steps are a column of their own (`mooring_step`), which all metrics are drawn over:
    W&B's step only ever grows, and would drop points. The config key `_mooring` tells which run
    it was, and whether all of it arrived.

    Offline, a run that a load left unfinished is removed and made anew. Online, it is deleted
    through the API, if it bears the mark of an unfinished load.
    """

    def __init__(self, wandb: WandbSettings, *, settings: LoadSettings | None = None) -> None:
        require_wandb()
        self._wandb = wandb
        self._settings = settings or LoadSettings()
        self._folder = wandb.folder.absolute()
        self._opened = False
        self._begun: set[str] = set()
        self._api_: Any = None
        if self._folder.exists() and not self._folder.is_dir():
            raise TargetRefused(f"{self._folder} is no folder", where=str(self._folder))
        if wandb.online and not self._has_key():
            raise InvalidInput(
                "W&B needs an API key: give --api-key, set WANDB_API_KEY, or run `wandb login`"
            )

    @property
    def name(self) -> str:
        """Its name."""
        return "wandb"

    @property
    def address(self) -> str:
        """The server, or the folder of offline runs."""
        if not self._wandb.online:
            return str(self._folder / "wandb")
        base = self._wandb.base_url or os.environ.get("WANDB_BASE_URL") or _BASE_URL
        return f"{base.rstrip('/')}/{self._wandb.entity or ''}".rstrip("/")

    @property
    def capabilities(self) -> Capabilities:
        """What W&B can hold."""
        return Capabilities(
            types=frozenset(AttributeType),
            nan=True,
            infinity=True,
            decimal_steps=True,
            negative_steps=True,
            point_times=True,
            microseconds=True,
            forks="tag",
            finds_runs=True,
            reads_back=not self._wandb.online,
            notes=(
                "string series and files are artifacts; times of files are not kept",
                "start and end of a run are those of the load; sys/creation_time is in the config",
                "steps are the column mooring_step; W&B's own step counts rows",
            ),
        )

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the run that an earlier load made of this one."""
        if self._wandb.online:
            found = self._find_online(run)
            if found is None:
                return None
            mark = dict(found.config).get(MARK, {})
            return FoundRun(found.id, bool(mark.get("complete")), str(mark.get("content", "")))
        for folder, mark in self._offline_folders(run):
            if mark.get("complete"):
                return FoundRun(str(mark.get("id", "")), True, str(mark.get("content", "")))
            return FoundRun(_id_of(folder), False)
        return None

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> TargetRun:
        """Begin a run; what an unfinished load left of it is removed."""
        import wandb

        base = make_id(run, self._settings)
        id = base
        if self._wandb.online:
            self._check_reachable()
            if found and (old := self._find_online(run)) is not None:
                if dict(old.config).get(MARK, {}).get("complete") is not False:
                    raise TargetRefused(f"{old.id} is complete; it is not replaced", run=run.run_id)
                id = _next_id(base, old.id)  # W&B never gives the id of a deleted run again
                with translated():
                    old.delete()
        else:
            for folder, mark in self._offline_folders(run):
                if mark.get("complete"):
                    return finished_run(_id_of(folder), folder)
                _end(id)
                _remove(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetRefused(
                f"{self._folder} cannot be made: {error}", where=str(self._folder)
            ) from error
        mark_ = Mark(
            project=run.project,
            run_id=run.run_id,
            sys_id=run.sys_id,
            parent=run.parent,
            parent_id=parent,
            fork_step=run.fork_step,
        )
        notes = values.get("sys/description")
        tags = values.get("sys/tags")
        with translated():
            opened = wandb.init(
                project=self._project_of(run),
                entity=self._wandb.entity,
                dir=str(self._folder),
                id=id,
                name=run.run_id[:_NAME_LIMIT],
                group=None if run.name is None else run.name[:_NAME_LIMIT],
                notes=notes if isinstance(notes, str) else None,
                tags=_native_tags(tags) if isinstance(tags, frozenset) else None,
                config={MARK: mark_.as_config()},
                reinit="create_new",
                settings=self._client_settings(values),
            )
        self._opened = True
        _OPEN[id] = opened
        self._begun.add(id)
        return WandbRun(
            opened,
            mark=mark_,
            folder=self._folder,
            online=self._wandb.online,
            multiplier=self._settings.step_multiplier,
            ended=lambda: _OPEN.pop(id, None),
        )

    def close(self) -> None:
        """End W&B's background process, if this target started it."""
        if self._opened:
            import wandb

            for id in self._begun:
                _end(id)
            if wandb.run is None:  # else the caller logs something of its own
                wandb.teardown()
            self._opened = False

    # offline

    def _offline_folders(self, run: SourceRun) -> Sequence[tuple[Path, Mapping[str, Any]]]:
        """Return folders of a run with their marks, those of a complete one first."""
        id = make_id(run, self._settings)
        found = []
        for folder in sorted((self._folder / "wandb").glob(f"offline-run-*-{id}")):
            try:
                mark = json.loads((folder / MARK_FILE).read_bytes())
            except (OSError, ValueError):
                mark = {}
            found.append((folder, mark if isinstance(mark, dict) else {}))
        return sorted(found, key=lambda entry: not entry[1].get("complete"))

    # online

    def _find_online(self, run: SourceRun) -> Any:
        """Return the run of this name and group that bears the mark of this run."""
        self._check_reachable()
        filters: dict[str, Any] = {"display_name": run.run_id[:_NAME_LIMIT]}
        if run.name is not None:
            filters["group"] = run.name[:_NAME_LIMIT]
        with translated():
            api = self._api()
            entity = self._wandb.entity or api.default_entity
            try:
                runs = list(api.runs(f"{entity}/{self._project_of(run)}", filters=filters))
            except ValueError:  # what the client makes of a project that is not there
                return None
        for found in runs:
            mark = dict(found.config).get(MARK)
            if isinstance(mark, dict) and marks.is_note_of(mark, run):
                return found
        return None

    def _api(self) -> Any:
        import wandb

        if self._api_ is None:
            overrides = {"base_url": self._wandb.base_url} if self._wandb.base_url else None
            self._api_ = wandb.Api(overrides=overrides, api_key=self._wandb.api_key)
        return self._api_

    def _check_reachable(self) -> None:
        """Knock at the server's door: W&B takes a closed one for a wrong key, after minutes."""
        base = urlsplit(self._wandb.base_url or os.environ.get("WANDB_BASE_URL") or _BASE_URL)
        if getproxies().get(base.scheme):
            return  # what is behind a proxy cannot be asked directly
        port = base.port or (80 if base.scheme == "http" else 443)
        try:
            socket.create_connection((base.hostname or "", port), timeout=10).close()
        except OSError as error:
            raise TargetUnreachable(
                f"{base.hostname}:{port} does not answer: {error}", where=self.address
            ) from error

    def _has_key(self) -> bool:
        if self._wandb.api_key or os.environ.get("WANDB_API_KEY"):
            return True
        base = self._wandb.base_url or os.environ.get("WANDB_BASE_URL") or _BASE_URL
        host = urlsplit(base).hostname or ""
        file = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
        try:
            return netrc(str(file)).authenticators(host) is not None
        except (OSError, NetrcParseError):
            return False

    def _client_settings(self, values: Mapping[str, SourceValue]) -> wandb.Settings:
        """Return settings that keep everything of this machine out of the run."""
        import wandb

        host = values.get("sys/hostname")
        told: dict[str, Any] = {
            "mode": "online" if self._wandb.online else "offline",
            "root_dir": str(self._folder),
            "console": "off",
            "silent": True,
            "disable_code": True,
            "disable_git": True,
            "disable_job_creation": True,
            "save_code": False,
            "x_disable_machine_info": True,
            "x_disable_meta": True,
            "x_disable_stats": True,
            "x_save_requirements": False,
            "x_transaction_log_flush_interval": _FLUSH_S,
        }
        if isinstance(host, str) and host:
            told["host"] = host
        if self._wandb.base_url:
            told["base_url"] = self._wandb.base_url
        if self._wandb.api_key:
            told["api_key"] = self._wandb.api_key
        return wandb.Settings(**told)

    def _project_of(self, run: SourceRun) -> str:
        """Return the project of a run: the name that the exporter makes, or a shorter one.

        Runs of two projects that meet in one of W&B's are told apart by their marks.
        """
        prefix = f"{self._settings.name_prefix}_" if self._settings.name_prefix else ""
        name = _NO_PROJECT_CHARACTER.sub("_", prefix + (self._wandb.project or run.project))
        if len(name) > _NAME_LIMIT:
            name = f"{name[: _NAME_LIMIT - 9]}-{_digest(run.project)[:8]}"
        return name


@contextmanager
def translated() -> Iterator[None]:
    """Turn W&B's errors into ours."""
    import wandb

    try:
        yield
    except wandb.errors.AuthenticationError as error:
        raise TargetRefused(
            f"W&B does not take the API key (--api-key, WANDB_API_KEY): {error}"
        ) from error
    except wandb.errors.UsageError as error:
        raise TargetRefused(f"W&B refused: {error}") from error
    except wandb.errors.CommError as error:
        raise TargetUnreachable(f"W&B does not answer: {error}") from error


def make_id(run: SourceRun, settings: LoadSettings) -> str:
    """Return the id that a run has in W&B, always the same.

    >>> make_id(SourceRun(project="team/digits", run_id="a"), LoadSettings())
    'mooring-ac40174f57634a1f'
    """
    return f"mooring-{_digest(json.dumps([settings.name_prefix, run.project, run.run_id]))}"


def _next_id(base: str, old: str) -> str:
    _, _, number = old.removeprefix(base).partition("-")
    return f"{base}-{int(number) + 1 if number.isdigit() else 2}"


def _id_of(folder: Path) -> str:
    return folder.name.split("-", 3)[3]


def _end(id: str) -> None:
    """End a run that this process left open."""
    opened = _OPEN.pop(id, None)
    if opened is not None:
        opened.finish(exit_code=1)  # which one that has ended does not mind


def _remove(folder: Path) -> None:
    """Remove the folder of an unfinished run; its writer may still be about to end."""
    for wait in (0.1, 0.5, 2.0, None):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if wait is None:
                raise TargetRefused(
                    f"{folder}, left by an unfinished load, cannot be removed: {error}",
                    where=str(folder),
                ) from error
            time.sleep(wait)
        else:
            return


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _native_tags(tags: frozenset[str]) -> list[str]:
    """Return the tags that W&B takes; all of them are in the config too."""
    return sorted(tag for tag in tags if 0 < len(tag) <= _TAG_LIMIT)
