"""Where an export puts what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring.exchange.source import SourceRun
from mooring.model import AttributeType, RunKind
from mooring.store.archive.places import Roots
from mooring.wire.exporter import sanitize_file_path, sanitize_id
from mooring.wire.exporter.manifest import MANIFEST_FOLDER
from mooring.wire.exporter.names import HIDDEN_FOLDERS, MODEL_FOLDERS, distinguish, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlaces:
    """The four roots of an export; by default those that its own tool has.

    Runs go to `data` and `files`, models and their versions to `model_data` and `model_files`.
    """

    data: Path = Path("exports/data")
    files: Path = Path("exports/files")
    model_data: Path = Path("exports/model_data")
    model_files: Path = Path("exports/model_files")

    @classmethod
    def below(cls, folder: Path) -> ExportPlaces:
        """Return the four roots as folders of one."""
        return cls(
            data=folder / "data",
            files=folder / "files",
            model_data=folder / "model_data",
            model_files=folder / "model_files",
        )

    @property
    def roots(self) -> Roots:
        """The roots as a reader takes them, those left out that are not there."""

        def there(path: Path) -> Path | None:
            return path if path.is_dir() else None

        return Roots(
            data=self.data,
            files=there(self.files),
            model_data=there(self.model_data),
            model_files=there(self.model_files),
        )

    def parts_of(self, run: SourceRun) -> Path:
        """Return the folder of a run's parts."""
        project = sanitize_id(run.project)
        match run.kind:
            case RunKind.RUN:
                return self.data / project
            case RunKind.PROJECT | RunKind.RECORD:
                return self.data / project / MANIFEST_FOLDER / HIDDEN_FOLDERS[run.kind]
            case RunKind.MODEL | RunKind.MODEL_VERSION:
                return self.model_data / project / MODEL_FOLDERS[run.kind]

    def manifests_of(self, run: SourceRun) -> Path:
        """Return the folder of a run's manifest, journal and extras."""
        return self.parts_of(run) / MANIFEST_FOLDER

    def files_of(self, run: SourceRun) -> Path:
        """Return the root that the paths of a run's files are relative to."""
        root = self.model_files if run.kind in MODEL_FOLDERS else self.files
        return root / sanitize_id(run.project)


def run_folders(runs: Iterable[SourceRun]) -> Mapping[str, str]:
    """Return the folder of each run's files below those of its project, by run id.

    It is the run's id where that is a name of its own, on file systems that ignore case too.
    """
    ids = [run.run_id for run in runs]
    seen = Counter(id.casefold() for id in ids)
    return {
        id: id if replace(id) == id and seen[id.casefold()] == 1 else sanitize_id(id) for id in ids
    }


FileKey = tuple[str, int | None]
"""Path of an attribute, and the step of a point of a series."""


def file_paths(
    folder: str, kind: RunKind, files: Sequence[tuple[FileKey, AttributeType, str]]
) -> Mapping[FileKey, str]:
    """Return where each file of a run lies below the files of its project.

    Paths that would meet, also on file systems that ignore case, or as a file and a folder, get a
    digest of the attribute's own path. `files` are (key, type, media type).
    """
    prefix = f"{MODEL_FOLDERS[kind]}/" if kind in MODEL_FOLDERS else ""
    plain = {key: prefix + _file_path(folder, key, type, mime) for key, type, mime in files}
    meeting = _meeting(plain)
    return {
        key: distinguish(path, f"{key[0]}\n{key[1]}") if key in meeting else path
        for key, path in plain.items()
    }


def _file_path(folder: str, key: FileKey, type: AttributeType, mime_type: str) -> str:
    path, step = key
    if type is AttributeType.FILE_SET:
        return f"{sanitize_file_path(folder, path)}/files.zip"
    if type is AttributeType.ARTIFACT:
        return f"{sanitize_file_path(folder, path)}/files_list.json"
    return sanitize_file_path(folder, path, step_micros=step, mime_type=mime_type)


def _meeting(paths: Mapping[FileKey, str]) -> frozenset[FileKey]:
    """Return those whose path is another's too, or a folder of another's."""
    by_path: dict[str, list[FileKey]] = {}
    for key, path in paths.items():
        by_path.setdefault(path.casefold(), []).append(key)
    folders = {
        parent
        for path in by_path
        for parent in ("/".join(path.split("/")[:i]) for i in range(1, path.count("/") + 1))
    }
    return frozenset(
        key for path, keys in by_path.items() if len(keys) > 1 or path in folders for key in keys
    )
