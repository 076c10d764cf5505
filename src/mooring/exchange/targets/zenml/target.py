"""Loads runs into ZenML, through its client."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import TargetRefused
from mooring.exchange.filling import marks
from mooring.exchange.filling.refusals import translated
from mooring.exchange.filling.steps import step_text
from mooring.exchange.filling.texts import histograms_json, write_text
from mooring.exchange.filling.values import plain_value, tags_of
from mooring.exchange.packages import require_package
from mooring.exchange.points import doubles, iter_series
from mooring.exchange.source import FILE_TYPES, SourceFile, SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, Inventory, LoadSettings, Lost
from mooring.exchange.targets.zenml.metadata import (
    TEXT_LIMIT,
    flatten,
    is_too_long,
    metadata_value,
    nest,
)
from mooring.exchange.targets.zenml.names import (
    OWN_KEY,
    artifact_names,
    metadata_names,
    model_name,
    version_names,
)
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE = 200

CAPABILITIES = Capabilities(
    types=frozenset(AttributeType),
    nan=True,
    infinity=True,
    decimal_steps=True,
    negative_steps=True,
    point_times=True,
    microseconds=True,
    run_times=False,
    forks="tag",
    finds_runs=True,
    resumes=True,
    reads_back=True,
    notes=(
        "proven with its local store only; a server was not tried",
        (
            "ZenML has no series: all points of one are a file (Parquet, of histograms JSON) of an "
            "artifact, and min, max, final and count of numbers are metadata"
        ),
        "strings above 5,000 characters are cut there in metadata, and whole as artifacts",
        "a model version is as old as the load; times of the run are metadata",
        (
            "a load that is killed between making an artifact and linking it leaves one that "
            "belongs to no run"
        ),
    ),
)


class ZenMLTarget:
    """The ZenML that is active: its local store, or the server that the user is logged in to."""

    def __init__(self, load: LoadSettings | None = None) -> None:
        client = require_package("zenml.client", extra="zenml")
        self._load = load or LoadSettings()
        with _told("zenml", ""):
            self._client = client.Client()
            self._address = str(self._client.zen_store.url)

    @property
    def name(self) -> str:
        """`zenml`."""
        return "zenml"

    @property
    def address(self) -> str:
        """Where the active store is."""
        return self._address

    @property
    def capabilities(self) -> Capabilities:
        """What a model version holds."""
        return CAPABILITIES

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the version that an earlier load made of this run, or None."""
        with _told(self._address, run.run_id):
            found = self._find_version(run)
        if found is None:
            return None
        version, mark = found
        return FoundRun(str(version.id), mark.complete, mark.content)

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> ZenMLRun:
        """Create the version, or go on with it where `found`."""
        with _told(self._address, run.run_id):
            earlier = self._find_version(run) if found else None
            version = self._create(run, values) if earlier is None else earlier[0]
            return ZenMLRun(self._client, self._address, version, run, parent)

    def close(self) -> None:
        """Do nothing: the client keeps nothing open."""

    def _find_version(self, run: SourceRun) -> tuple[Any, marks.Mark] | None:
        for name in version_names(run):
            version = self._get_version(run, name)
            if version is None:
                continue
            told = version.run_metadata.get(OWN_KEY)
            mark = marks.Mark.read(told) if isinstance(told, dict) else None
            if mark is not None and mark.is_of(run):
                return version, mark
        return None

    def _get_version(self, run: SourceRun, name: str) -> Any:
        try:
            model = self._client.get_model(model_name(run.project, self._load.name_prefix))
        except KeyError:
            return None
        page = self._client.list_model_versions(
            model=model.id, name=f"equals:{name}", hydrate=True, size=1
        )
        return page.items[0] if page.items else None

    def _create(self, run: SourceRun, values: Mapping[str, SourceValue]) -> Any:
        wanted = model_name(run.project, self._load.name_prefix)
        try:
            model = self._client.get_model(wanted)
        except KeyError:
            model = self._client.create_model(
                name=wanted, tags=["neptune-import", f"neptune-project:{run.project}"[:255]]
            )
        version = wanted_version = None
        for name in version_names(run):
            version = self._get_version(run, name)
            # One without any metadata is what a load left that was killed while it made it.
            if version is None or not version.run_metadata:
                wanted_version = name
                break
        if wanted_version is None:
            raise TargetRefused(
                f"model {wanted!r} has versions of other runs by both names that run "
                f"{run.run_id!r} could have: delete one, or load with a --name-prefix",
                where=self._address,
                run=run.run_id,
            )
        told = values.get("sys/description")
        version = version or self._client.create_model_version(
            model.id,
            name=wanted_version,
            description=told[:TEXT_LIMIT] if isinstance(told, str) and told else None,
            # Longer ones would make ZenML refuse the run; they are in the metadata.
            tags=sorted(tag for tag in tags_of(values) if 0 < len(tag) <= 255),
        )
        _log(self._client, version, {OWN_KEY: _mark(run, None, content="", complete=False)})
        return version


class ZenMLRun:
    """A model version that is being filled. Each value, series and file is there on return."""

    def __init__(
        self, client: Any, address: str, version: Any, run: SourceRun, parent: str | None
    ) -> None:
        self._client = client
        self._address = address
        self._version = version
        self._run = run
        self._parent = parent
        self._values = metadata_names()
        self._artifacts = artifact_names()
        self._held = {_key(held): held for held in self._list_artifacts()}

    @property
    def id(self) -> str:
        """The id of the model version."""
        return str(self._version.id)

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Give all attributes their names."""
        for names, chosen in ((self._values, False), (self._artifacts, True)):
            names.plan(path for path, type in attributes if _is_artifact(type) is chosen)
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values as metadata."""
        flat: dict[str, object] = {}
        for path, value in values.items():
            plain, held = plain_value(value), metadata_value(value)
            if isinstance(plain, str) and len(plain) > TEXT_LIMIT:
                with self._told(path):
                    self._save_text(path, AttributeType.STRING, 1, [plain])
            elif is_too_long(held):  # a set of very many strings
                with self._told(path):
                    self._save_text(path, AttributeType.STRING_SET, 1, [json.dumps(held)])
                held = f"see artifact {self._artifacts.of(path)}"
            flat[self._values.of(path)] = held
        with self._told():
            _log(self._client, self._version, nest(flat))
        return ()

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write each series as a file of its own, and a summary of those of numbers."""
        summaries: dict[str, object] = {}
        for path, series in iter_series(points):
            with self._told(path):
                if type is AttributeType.HISTOGRAM_SERIES:
                    self._save_text(path, type, len(series), histograms_json(series))
                else:
                    self._save_table(path, type, series)
                if type is AttributeType.FLOAT_SERIES:
                    summaries[f"series/{self._artifacts.of(path)}"] = _summary(series)
        if summaries:
            with self._told():
                _log(self._client, self._version, summaries)
        return ()

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write a file as an artifact; of a file series one for each step."""
        with self._told(path):
            self._save(path, type, content, step=step, name=file.name)
        return ()

    def finish(self, *, complete: bool, content: str) -> None:
        """Mark the version."""
        mark = _mark(self._run, self._parent, content=content, complete=complete)
        with self._told():
            _log(self._client, self._version, {OWN_KEY: mark})

    def read_back(self) -> Inventory | None:
        """Return what the version holds now, from what the client tells of it."""
        from zenml.io import fileio

        with self._told():
            version = self._client.get_model_version(self._version.model.id, self._version.id)
            held = self._list_artifacts()
            files = {
                _key(one): fileio.size(f"{one.uri}/file_data")
                for one in held
                if fileio.exists(f"{one.uri}/file_data")
            }
        points = {
            _key(one): int(one.run_metadata["points"])
            for one in held
            if "points" in one.run_metadata and _key(one) in files
        }
        metadata = {
            key: value
            for key, value in version.run_metadata.items()
            if key != OWN_KEY and not key.startswith("series/neptune-")
        }
        return Inventory(
            values=frozenset(flatten(metadata)),
            points={name: count for name, count in points.items() if name in files},
            files={name: size for name, size in files.items() if name not in points},
        )

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the path in the metadata, or the name of an artifact, with its step."""
        if not _is_artifact(type):
            return self._values.of(path)
        name = self._artifacts.of(path)
        return name if step is None else f"{name}@{step_text(step)}"

    def _save_table(self, path: str, type: AttributeType, series: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        steps = series.column("step").cast(pa.decimal128(19, 0))
        exact = pc.multiply(steps, pa.scalar("0.000001").cast(pa.decimal128(7, 6)))
        table = pa.table(
            {
                "step": exact.cast(pa.decimal128(18 + 1, 6)),
                "timestamp": series.column("time").cast(pa.timestamp("us", "UTC")),
                "value": series.column("value"),
            }
        )
        with tempfile.TemporaryDirectory(prefix="mooring-zenml-") as folder:
            file = Path(folder) / "points.parquet"
            pq.write_table(table, file)
            self._save(path, type, file, name="points.parquet", points=len(series))

    def _save_text(self, path: str, type: AttributeType, count: int, pieces: Iterable[str]) -> None:
        name = "histograms.json" if type is AttributeType.HISTOGRAM_SERIES else "series.txt"
        with tempfile.TemporaryDirectory(prefix="mooring-zenml-") as folder:
            file = Path(folder) / name
            write_text(file, pieces)
            points = count if type.is_series else None
            self._save(path, type, file, name=name, points=points)

    def _save(
        self,
        path: str,
        type: AttributeType,
        content: Path,
        *,
        name: str,
        step: int | None = None,
        points: int | None = None,
    ) -> None:
        from zenml import save_artifact
        from zenml.model.utils import link_artifact_version_to_model_version

        with content.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        artifact = self._artifacts.of(path)
        key = artifact if step is None else f"{artifact}@{step_text(step)}"
        before = self._held.get(key)
        if before is not None:
            if before.run_metadata.get("sha256") == digest:
                return
            self._client.delete_model_version_artifact_link(self._version.id, before.id)
        about: dict[str, object] = {
            "attribute_path": path[:TEXT_LIMIT],
            "attribute_type": type.value,
            "file_name": name[:TEXT_LIMIT],
            "sha256": digest,
        }
        if step is not None:
            about["step"] = step_text(step)
        if points is not None:
            about["points"] = points
        with contextlib.redirect_stdout(io.StringIO()):
            saved = save_artifact(
                content,
                name=artifact,
                # What is told of an artifact is kept only where ZenML adds its own to it.
                extract_metadata=True,
                user_metadata=about,  # type: ignore[arg-type, unused-ignore]
                include_visualizations=False,
            )
        link_artifact_version_to_model_version(saved, self._version)
        self._held[key] = self._client.get_artifact_version(saved.id)

    def _list_artifacts(self) -> Sequence[Any]:
        found: list[Any] = []
        page = 1
        while True:
            listed = self._client.list_artifact_versions(
                model_version_id=self._version.id, hydrate=True, page=page, size=_PAGE
            )
            found += [one for one in listed.items if "attribute_path" in one.run_metadata]
            if page >= listed.total_pages:
                return found
            page += 1

    def _told(self, path: str | None = None) -> contextlib.AbstractContextManager[None]:
        return _told(self._address, self._run.run_id, path)


def _is_artifact(type: AttributeType) -> bool:
    return type.is_series or type in FILE_TYPES


def _key(artifact: Any) -> str:
    step = artifact.run_metadata.get("step")
    return str(artifact.name) if step is None else f"{artifact.name}@{step}"


def _summary(series: pa.Table) -> dict[str, object]:
    values = doubles(series)
    finite = values[np.isfinite(values)]
    last = float(values[-1])
    summary: dict[str, object] = {"count": len(values)}
    if len(finite):
        summary |= {"min": float(finite.min()), "max": float(finite.max())}
    # JSON has no NaN: a server would refuse it.
    summary["final"] = last if math.isfinite(last) else str(last)
    return summary


def _mark(run: SourceRun, parent: str | None, *, content: str, complete: bool) -> dict[str, object]:
    ended = marks.ended(run, parent, complete=complete, content=content)
    return {"source": "neptune", "tool": "mooring", **marks.begun(run), **ended}


def _log(client: Any, version: Any, metadata: Mapping[str, object]) -> None:
    from zenml.enums import MetadataResourceTypes
    from zenml.models import RunMetadataResource

    if metadata:
        client.create_run_metadata(
            metadata=dict(metadata),
            resources=[
                RunMetadataResource(id=version.id, type=MetadataResourceTypes.MODEL_VERSION)
            ],
        )


def _told(where: str, run: str, path: str | None = None) -> contextlib.AbstractContextManager[None]:
    """Turn what ZenML raises into our errors, which name run and attribute."""
    from requests.exceptions import ConnectionError, Timeout
    from sqlalchemy.exc import OperationalError
    from zenml.exceptions import ZenMLBaseException

    return translated(
        f"ZenML at {where}",
        where=where,
        run=run or None,
        path=path,
        gone=(ConnectionError, Timeout, OperationalError),
        refused=(ZenMLBaseException, OSError, RuntimeError, ValueError, KeyError),
        advice="; see `zenml status` for what is active",
    )
