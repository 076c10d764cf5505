"""Exports to Parquet: what is taken, what is left alone, what is exported again."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mooring import File, Run, Tracker
from mooring.errors import InvalidInput, MooringError, ProjectNotFound, QueryError
from mooring.exchange import ExportPlaces, Selection, export_runs, import_runs
from mooring.exchange.exporting import write_error_report
from mooring.exchange.reports import Outcome, TransferReport
from mooring.exchange.selection import AttributeClass
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.targets.parquet import exporting, parts
from mooring.model import FileRef, RunKind, RunSpec
from mooring.query import parse
from mooring.store import RunQuery, Store, open_store
from tests.unit.exchange.parquet.exporter_files import sanitized
from tests.unit.exchange.parquet.importing import outcomes, told

PROJECT = "team/digits"


def add_run(address: Path, id: str, *, project: str = PROJECT, points: int = 5) -> None:
    with Run(project, store=str(address), run_id=id, on_error="raise") as run:
        run["params/lr"] = 0.5
        run["params/layers"] = 3
        run["model"] = File(f"weights of {id}".encode(), name="model.bin")
        run.add_tags("best")
        for step in range(points):
            run.log({"loss": 1 / (step + 1), "line": f"at {step}"}, step=step)


@pytest.fixture
def address(tmp_path: Path) -> Path:
    """Runs `a`, `b` of one project, `c` of another."""
    path = tmp_path / "runs.db"
    for id in "ab":
        add_run(path, id)
    add_run(path, "c", project="team/letters")
    return path


@pytest.fixture
def store(address: Path) -> Iterator[Store]:
    with open_store(address) as opened:
        yield opened


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "exports"


def tree(folder: Path) -> Mapping[str, tuple[str, int]]:
    """Return digest and time of each file."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def export(store: Store, out: Path, **options: Any) -> TransferReport:
    chosen = {name: options.pop(name) for name in list(options) if hasattr(Selection, name)}
    selection = Selection(**chosen) if chosen else None
    return export_runs(StoreSource(store), out, selection=selection, **options)


def contents(out: Path) -> dict[str, set[str]]:
    """Return the attributes of each exported run."""
    found: dict[str, set[str]] = {}
    for path in (out / "data").rglob("*_part_*.parquet"):
        table = pq.read_table(path, columns=["run_id", "attribute_path"])
        for run, name in zip(*(column.to_pylist() for column in table.columns), strict=True):
            found.setdefault(run, set()).add(name)
    return found


# what is taken


@pytest.mark.parametrize(
    ("selection", "runs"),
    [
        ({}, "abc"),
        ({"projects": (PROJECT,)}, "ab"),
        ({"projects": (PROJECT, "team/letters")}, "abc"),
        ({"workspace": "team"}, "abc"),
        ({"workspace": "other"}, ""),
        ({"workspace": "team", "project_patterns": ("^dig",)}, "ab"),
        ({"workspace": "team", "project_exclude_patterns": ("^dig",)}, "c"),
        ({"runs": "^[bc]$"}, "bc"),
        ({"runs": "DIG-1"}, "a"),
        ({"run_ids": frozenset({"a", "nothing"})}, "a"),
        ({"query": parse('(`sys/custom_run_id`:string = "b")')}, "b"),
        ({"query": parse("(last(`loss`:floatSeries) > 100)")}, ""),
    ],
)
def test_runs_are_chosen(store: Store, out: Path, selection: dict[str, Any], runs: str) -> None:
    report = export(store, out, **selection)
    assert report.is_complete, told(report)
    assert sorted(outcomes(report)) == sorted(runs)
    assert sorted(contents(out)) == sorted(runs)


IDENTITY = {"sys/id", "sys/custom_run_id", "sys/creation_time"}


@pytest.mark.parametrize(
    ("selection", "there", "not_there"),
    [
        ({"attributes": ("^params/",)}, {"params/lr", "params/layers"}, {"loss", "model"}),
        ({"attributes": ("lo",)}, {"loss"}, {"line", "params/lr"}),
        ({"attributes": ("loss", "params/lr")}, {"loss", "params/lr"}, {"params/layers", "line"}),
        ({"attributes": ("lo", "xx")}, set(), {"loss"}),  # several are exact paths
        (
            {"classes": frozenset({AttributeClass.METRICS})},
            {"loss"},
            {"line", "params/lr", "model"},
        ),
        (
            {"classes": frozenset(AttributeClass) - {AttributeClass.FILES}},
            {"loss", "line", "params/lr"},
            {"model"},
        ),
    ],
)
def test_attributes_are_chosen(
    store: Store,
    out: Path,
    selection: dict[str, Any],
    there: set[str],
    not_there: set[str],
) -> None:
    report = export(store, out, projects=(PROJECT,), verify=True, **selection)
    assert report.is_complete, told(report)
    for found in contents(out).values():
        assert found >= IDENTITY | there
        assert not found & not_there
    assert (out / "files").exists() == ("model" not in not_there and not selection)


def test_a_run_in_the_trash_is_exported_if_asked_for(store: Store, out: Path) -> None:
    (run,) = (one for one in StoreSource(store).list_runs(PROJECT) if one.run_id == "b")
    store.trash_runs([run.handle])  # type: ignore[list-item]
    assert sorted(outcomes(export(store, out, projects=(PROJECT,)))) == ["a"]
    report = export(store, out, projects=(PROJECT,), archived=True)
    assert outcomes(report) == {"a": Outcome.PRESENT, "b": Outcome.DONE}
    runs = {one.run_id: one.trashed for one in ParquetSource(out).list_runs(PROJECT)}
    assert runs == {"a": False, "b": True}


def test_models_go_to_their_own_roots(store: Store, out: Path) -> None:
    for kind, id in ((RunKind.MODEL, "MOD"), (RunKind.MODEL_VERSION, "MOD-1")):
        info = store.create_run(RunSpec(project=PROJECT, run_id=id, kind=kind))
        digest, size = store.put_blob(b"w")
        with closing(store.open_writer(info.key)) as writer:
            writer.assign({"weights": FileRef(digest, size, "application/zip", "w.zip")})
    report = export(store, out, verify=True)
    assert report.is_complete, told(report)
    folder = sanitized(PROJECT)
    names = {str(path.relative_to(out)) for path in out.rglob("*") if "MOD" in path.name}
    assert f"model_data/{folder}/models/{sanitized('MOD')}_part_0.parquet" in names
    assert f"model_data/{folder}/model_versions/{sanitized('MOD-1')}_part_0.parquet" in names
    files = {str(p.relative_to(out)) for p in (out / "model_files").rglob("*") if p.is_file()}
    assert files == {
        f"model_files/{folder}/models/MOD/weights.zip",
        f"model_files/{folder}/model_versions/MOD-1/weights.zip",
    }
    none = export(store, out, kinds=frozenset({RunKind.RUN}))
    assert sorted(outcomes(none)) == ["a", "b", "c"]


def test_records_come_back_as_records(store: Store, out: Path, tmp_path: Path) -> None:
    record = store.create_run(RunSpec(project=PROJECT, run_id="data", kind=RunKind.RECORD))
    file = FileRef(*store.put_blob(b"rows"), "text/csv", "rows.csv")
    with closing(store.open_writer(record.key)) as writer:
        writer.assign({"kind": "data set", "rows": file})
        writer.log({"size": 3.0, "note": "a"}, step=1)
    report = export(store, out, verify=True)
    assert report.is_complete, told(report)
    kinds = {run.run_id: run.kind for run in ParquetSource(out).list_runs(PROJECT)}
    assert [id for id, kind in kinds.items() if kind is RunKind.RECORD] == ["data"]
    with closing(open_store(tmp_path / "back.db")) as back:
        assert import_runs(ParquetSource(out), back, verify=True).is_complete
        for opened in (back, open_store(out)):
            found = opened.find_run(PROJECT, run_id="data")
            assert found is not None
            assert found.kind is RunKind.RECORD
            assert opened.get_value(found.key, "kind")[1] == "data set"
            assert opened.get_stats(found.key, "size").last == 3.0
            with opened.open_blob(opened.get_value(found.key, "rows")[1].digest) as content:
                assert content.read() == b"rows"
            asked = opened.query_runs(RunQuery(project=PROJECT)).runs
            assert "data" not in {run.run_id for run in asked}
        opened.close()


@pytest.mark.parametrize(
    ("selection", "error"),
    [({"projects": ("team/digit",)}, ProjectNotFound), ({"runs": "("}, QueryError)],
)
def test_what_cannot_be_chosen(
    store: Store, out: Path, selection: dict[str, Any], error: type[MooringError]
) -> None:
    with pytest.raises(error):
        export(store, out, **selection)
    assert not out.exists()


def test_a_source_without_queries_says_so(store: Store, out: Path, tmp_path: Path) -> None:
    export(store, out)
    with pytest.raises(InvalidInput, match="cannot answer a query"):
        export_runs(
            ParquetSource(out),
            tmp_path / "again",
            selection=Selection(query=parse('(`sys/custom_run_id`:string = "a")')),
        )


def test_a_dry_run_writes_nothing(store: Store, out: Path) -> None:
    report = export(store, out, dry_run=True)
    assert set(outcomes(report).values()) == {Outcome.PLANNED}
    assert (report.runs[0].values > 3, report.runs[0].points) == (True, 10)
    assert not out.exists()


# again


def test_runs_that_have_not_changed_are_left_alone(store: Store, out: Path) -> None:
    export(store, out)
    before = tree(out)
    report = export(store, out)
    assert set(outcomes(report).values()) == {Outcome.PRESENT}
    assert tree(out) == before
    report = export(store, out, overwrite=True)
    assert set(outcomes(report).values()) == {Outcome.DONE}
    after = tree(out)
    assert after.keys() == before.keys()
    parts_of = {name: digest for name, (digest, _) in after.items() if name.endswith(".parquet")}
    assert parts_of == {name: before[name][0] for name in parts_of}
    assert all(after[name][1] != before[name][1] for name in parts_of)


def _more_points(store: Store, key: int) -> None:
    with closing(store.open_writer(key)) as writer:
        writer.log({"loss": 0.01}, step=99)


def _a_point_again(store: Store, key: int) -> None:
    with closing(store.open_writer(key)) as writer:
        writer.log({"loss": 0.01}, step=2)


def _a_value(store: Store, key: int) -> None:
    with closing(store.open_writer(key)) as writer:
        writer.assign({"params/lr": 0.25})


def _a_tag(store: Store, key: int) -> None:
    with closing(store.open_writer(key)) as writer:
        writer.change_set("sys/tags", add=frozenset({"new"}))


def _a_deletion(store: Store, key: int) -> None:
    with closing(store.open_writer(key)) as writer:
        writer.delete("line")


def _a_file(store: Store, key: int) -> None:
    from mooring.model import FileRef

    digest, size = store.put_blob(b"weights of A")  # as long as before
    with closing(store.open_writer(key)) as writer:
        writer.assign({"model": FileRef(digest, size, "application/octet-stream", "model.bin")})


@pytest.mark.parametrize(
    "change", [_more_points, _a_point_again, _a_value, _a_tag, _a_deletion, _a_file]
)
def test_a_run_that_has_changed_is_exported_again(store: Store, out: Path, change: Any) -> None:
    export(store, out)
    before = tree(out)
    (run,) = (one for one in StoreSource(store).list_runs(PROJECT) if one.run_id == "a")
    change(store, run.handle)
    report = export(store, out, verify=True)
    assert report.is_complete, told(report)
    assert outcomes(report) == {
        "a": Outcome.DONE, "b": Outcome.PRESENT, "c": Outcome.PRESENT
    }  # fmt: skip
    after = tree(out)
    others = [name for name in before if sanitized("a") not in name and "/a/" not in name]
    assert {name: after[name] for name in others} == {name: before[name] for name in others}


def test_an_edit_of_rows_is_exported_again(tmp_path: Path, out: Path) -> None:
    path = str(tmp_path / "t.db")
    for track in ("x", "y"):
        with Tracker(path, track_id=track, on_error="raise") as tracker:
            tracker.log({"accuracy": 0.5})
            tracker.log({"accuracy": 0.75})
    with open_store(path) as store:
        export(store, out)
        assert set(outcomes(export(store, out)).values()) == {Outcome.PRESENT}
    from mooring import Reader

    with Tracker(path, track_id="x", on_error="raise") as tracker:
        tracker.set_value("accuracy", 0.125)
    with open_store(path) as store:
        report = export(store, out, verify=True)
        assert report.is_complete, told(report)
        assert outcomes(report)["x"] is Outcome.DONE
    assert Reader is not None


def test_what_is_gone_from_the_export_is_written_again(store: Store, out: Path) -> None:
    export(store, out)
    whole = {name: digest for name, (digest, _) in tree(out).items()}
    for pattern in ("*_part_0.parquet", "*.json", "*.bin"):
        victim = sorted(out.rglob(pattern))[0]
        victim.unlink()
        report = export(store, out, verify=True)
        assert report.is_complete, told(report)
        assert report.count(Outcome.DONE) == 1
        found = {name: digest for name, (digest, _) in tree(out).items()}
        assert found.keys() == whole.keys()
        assert _less_manifests(found) == _less_manifests(whole)


def _less_manifests(found: Mapping[str, str]) -> Mapping[str, str]:
    return {name: digest for name, digest in found.items() if not name.endswith(".json")}


def test_another_run_in_the_place_is_not_overwritten(
    store: Store, out: Path, tmp_path: Path
) -> None:
    export(store, out)
    folder = out / "data" / sanitized(PROJECT) / ".mooring"
    shutil.copy(folder / f"{sanitized('b')}.json", folder / f"{sanitized('a')}.json")
    report = export(store, out)
    assert outcomes(report)["a"] is Outcome.FAILED
    assert "has another run, 'b' of team/digits" in told(report)


# names


def test_files_whose_names_would_meet_are_kept_apart(store: Store, out: Path) -> None:
    names = ["a.b", "a_b", "A_b", "a/b", "a", "a/b.bin", "con", "x" * 300, "..", "../../up"]
    names += ["/lead", "ü/日本", "日" * 120]
    from mooring.model import FileRef

    info = store.create_run(RunSpec(project="p", run_id="a/b"))
    other = store.create_run(RunSpec(project="p", run_id="A/B"))
    for key in (info.key, other.key):
        with closing(store.open_writer(key)) as writer:
            for name in names:
                digest, size = store.put_blob(f"{key} {name}".encode())
                writer.assign({name: FileRef(digest, size, "application/octet-stream", "f.bin")})
            for step in (1, 2):
                digest, size = store.put_blob(f"{key} {step}".encode())
                ref = FileRef(digest, size, "image/png", "i.png")
                writer.log({"img": ref}, step=step)
    report = export(store, out, projects=("local/p",), verify=True)
    assert report.is_complete, told(report)
    files = [path for path in (out / "files").rglob("*") if path.is_file()]
    assert len(files) == 2 * (len(names) + 2)
    assert len({str(path).casefold() for path in files}) == len(files)
    assert all(path.resolve().is_relative_to((out / "files").resolve()) for path in files)
    assert all(len(part.encode()) <= 255 for path in files for part in path.parts)


@pytest.mark.parametrize("id", ["x" * 700, "日" * 200, "..", "a\\b", "CON", "x_part_0", "é\u0301 "])
def test_ids_that_names_of_files_cannot_have(store: Store, out: Path, id: str) -> None:
    with closing(store.open_writer(store.create_run(RunSpec(project="p", run_id=id)).key)) as w:
        w.log({"loss": 1.0}, step=1)
    report = export(store, out, projects=("local/p",), verify=True)
    assert report.is_complete, told(report)
    assert [run.run_id for run in ParquetSource(out).list_runs("local/p")] == [id]


@pytest.mark.parametrize("length", [213, 219, 220, 730])
def test_a_long_id_with_many_parts(
    tmp_path: Path, out: Path, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.db"
    with Run("p", store=str(path), run_id="x" * length, on_error="raise") as run:
        for step in range(100):
            run.log({f"m{i}": i * step / 7 for i in range(30)}, step=step)
    monkeypatch.setattr(parts, "PART_BYTES", 1_000)
    monkeypatch.setattr(exporting, "POINTS_AT_ONCE", 200)
    with open_store(path) as store:
        report = export(store, out, verify=True)
    assert report.is_complete, told(report)
    assert len(list((out / "data").rglob("*.parquet"))) > 10


# copied as they are


def test_a_run_in_segments_of_its_own_is_copied(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "one.db"
    add_run(path, "a", points=50)
    with open_store(path) as store:
        store.compact()
        (segment,) = (tmp_path / "one.db-data" / "segments").glob("*.parquet")
        report = export(store, out, verify=True)
        assert report.is_complete, told(report)
    folder = out / "data" / sanitized(PROJECT)
    assert (folder / f"{sanitized('a')}_part_1.parquet").read_bytes() == segment.read_bytes()


def test_a_run_that_shares_a_segment_is_not_copied(store: Store, address: Path, out: Path) -> None:
    store.compact()
    (segment,) = Path(f"{address}-data/segments").glob("*.parquet")
    report = export(store, out, verify=True)
    assert report.is_complete, told(report)
    found = {digest for _, (digest, _) in tree(out).items()}
    assert hashlib.sha256(segment.read_bytes()).hexdigest() not in found
    for path in (out / "data").rglob("*.parquet"):
        assert len(pq.read_table(path, columns=["run_id"])["run_id"].unique()) == 1


def test_a_segment_that_has_changed_is_not_copied(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "one.db"
    add_run(path, "a", points=50)
    with open_store(path) as store:
        store.compact()
        (segment,) = (tmp_path / "one.db-data" / "segments").glob("*.parquet")
        data = bytearray(segment.read_bytes())
        data[60] ^= 1
        segment.write_bytes(data)
        report = export(store, out)
        assert outcomes(report) == {"a": Outcome.FAILED}
        assert "has changed since it was written" in told(report)
    assert not list((out / "data").rglob("*.json"))


# parts, and what is left of an export that was cut


def test_an_export_that_fails_inside_a_run_is_gone_on_with(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.db"
    names = [f"m{i:02}" for i in range(12)]
    with Run(PROJECT, store=str(path), run_id="a", on_error="raise") as run:
        random.seed(3)
        for step in range(200):
            run.log({name: random.random() for name in names}, step=step)
    monkeypatch.setattr(parts, "PART_BYTES", 1_000)
    monkeypatch.setattr(exporting, "POINTS_AT_ONCE", 400)
    with open_store(path) as store:
        whole = tmp_path / "whole"
        export(store, whole)
        broken = _Breaking(store, after=3)
        report = export_runs(broken, out)
        assert outcomes(report) == {"a": Outcome.FAILED}
        assert not list((out / "data").rglob("*.parquet"))
        assert not list((out / "data").rglob("*.json"))
        with pytest.raises(MooringError):
            ParquetSource(out)
        resumed = _Breaking(store, after=None)
        report = export_runs(resumed, out, verify=True)
        assert report.is_complete, told(report)
        assert 0 < resumed.written < len(names)  # some series were there
    assert _less_manifests(dict(_digests(out))) == _less_manifests(dict(_digests(whole)))


def test_a_run_that_is_sealed_after_its_export_was_cut(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.db"
    with Run(PROJECT, store=str(path), run_id="a", on_error="raise") as run:
        for step in range(200):
            run.log({f"m{i:02}": i / (step + 1) for i in range(12)}, step=step)
    monkeypatch.setattr(parts, "PART_BYTES", 1_000)
    monkeypatch.setattr(exporting, "POINTS_AT_ONCE", 400)
    with open_store(path) as store:
        assert outcomes(export_runs(_Breaking(store, after=3), out)) == {"a": Outcome.FAILED}
        store.compact()
        report = export(store, out, verify=True)
        assert report.is_complete, told(report)
    seen: set[str] = set()
    for part in out.rglob("*.parquet"):
        names = set(pq.read_table(part, columns=["attribute_path"])[0].unique().to_pylist())
        assert not names & seen
        seen |= names


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for name, (digest, _) in tree(folder).items():
        yield name, digest


class _Breaking(StoreSource):
    """A store that cannot be read any more after some calls."""

    def __init__(self, store: Store, *, after: int | None) -> None:
        super().__init__(store)
        self._left = after
        self.written = 0

    def list_parts(self, run: Any) -> None:  # type: ignore[override]
        return None

    def read_points(self, run: Any, type: Any, paths: Any = None) -> Any:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise MooringError("the disk is gone")
        elif not self.written or len(paths) <= 2:
            self.written += len(paths)
        return super().read_points(run, type, paths)


def test_a_smaller_export_leaves_no_parts_of_the_larger_one(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.db"
    with Run(PROJECT, store=str(path), run_id="a", on_error="raise") as run:
        for step in range(100):
            run.log({f"m{i}": i * step / 7 for i in range(9)}, step=step)
    with open_store(path) as store:
        with monkeypatch.context() as patch:
            patch.setattr(parts, "PART_BYTES", 1_000)
            patch.setattr(exporting, "POINTS_AT_ONCE", 200)
            export(store, out)
        assert len(list(out.rglob("*.parquet"))) > 3
        for stale in ("_part_1.parquet.tmp", "_part_2.parquet.tmp"):
            (out / "data" / sanitized(PROJECT) / f"{sanitized('a')}{stale}").write_bytes(b"cut")
        report = export(store, out, overwrite=True, verify=True)
        assert report.is_complete, told(report)
    assert [p.name for p in out.rglob("*.parquet")] == [f"{sanitized('a')}_part_0.parquet"]
    assert not list(out.rglob("*.tmp"))


def test_a_damaged_journal_is_not_believed(store: Store, out: Path) -> None:
    folder = out / "data" / sanitized(PROJECT) / ".mooring"
    folder.mkdir(parents=True)
    for run, text in (("a", b"{"), ("b", b'{"content": "x", "parts": 5, "series": []}')):
        (folder / f"{sanitized(run)}.journal").write_bytes(text)
    report = export(store, out, verify=True)
    assert report.is_complete, told(report)
    assert not list(out.rglob("*.journal"))


# what is missing


def test_a_missing_file_is_reported_and_the_rest_is_there(
    store: Store, address: Path, out: Path, tmp_path: Path
) -> None:
    digest = hashlib.sha256(b"weights of a").hexdigest()
    (blob,) = Path(f"{address}-data").rglob(digest)
    kept = blob.read_bytes()
    blob.unlink()
    report = export(store, out)
    assert outcomes(report) == {"a": Outcome.PARTLY, "b": Outcome.DONE, "c": Outcome.DONE}
    assert "model: " in told(report)
    assert "model" not in contents(out)["a"]
    errors = tmp_path / "errors" / "report.jsonl"
    assert write_error_report(report, errors) == 1
    assert write_error_report(report, errors) == 1  # appended
    first, second = (json.loads(line) for line in errors.read_text().splitlines())
    assert first["project_id"] == PROJECT
    assert (first["run_id"], first["attribute_path"]) == ("a", "model")
    assert first["message"] == second["message"]
    assert first["time"]
    again = export(store, out)
    assert outcomes(again)["a"] is Outcome.PARTLY  # not skipped as done
    blob.write_bytes(kept)
    report = export(store, out, verify=True)
    assert report.is_complete, told(report)
    assert outcomes(report) == {
        "a": Outcome.DONE, "b": Outcome.PRESENT, "c": Outcome.PRESENT
    }  # fmt: skip


def test_a_file_whose_content_is_another_one_is_not_exported(
    store: Store, address: Path, out: Path
) -> None:
    (blob,) = Path(f"{address}-data").rglob(hashlib.sha256(b"weights of a").hexdigest())
    blob.chmod(0o644)
    blob.write_bytes(b"weights of X")
    report = export(store, out)
    assert outcomes(report)["a"] is Outcome.PARTLY
    assert "digest" in told(report)
    assert not list((out / "files").rglob("a/model*"))


def test_a_run_without_attributes(store: Store, out: Path) -> None:
    store.create_run(RunSpec(project="p", run_id="empty"))
    report = export(store, out, projects=("local/p",), verify=True)
    assert report.is_complete, told(report)
    assert outcomes(export(store, out, projects=("local/p",)))["empty"] is Outcome.PRESENT


def test_roots_apart(store: Store, tmp_path: Path) -> None:
    places = ExportPlaces(data=tmp_path / "d", files=tmp_path / "f")
    report = export_runs(StoreSource(store), places, verify=True)
    assert report.is_complete, told(report)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "d", "f", "runs.db-data"
    ]  # fmt: skip


def test_no_runs(tmp_path: Path, out: Path) -> None:
    with open_store(tmp_path / "empty.db") as store:
        report = export(store, out)
    assert report.is_complete
    assert not out.exists()


def test_an_export_is_exported_again(tmp_path: Path) -> None:
    """Parts that hold single values beside points are read, not copied."""
    with closing(open_store(tmp_path / "runs.db")) as store:
        key = store.create_run(RunSpec(project="team/digits", run_id="a")).key
        with closing(store.open_writer(key)) as writer:
            writer.assign({"lr": 0.1})
            for step in range(5):
                writer.log({"loss": step / 2, "note": f"line {step}"}, step=step)
        export_runs(StoreSource(store), tmp_path / "first")
    report = export_runs(ParquetSource(tmp_path / "first"), tmp_path / "second", verify=True)
    assert report.is_complete
    source = ParquetSource(tmp_path / "second")
    (run,) = source.list_runs("team/digits")
    assert source.read_values(run)["lr"] == 0.1
    parts = sorted(path.name for path in (tmp_path / "second").rglob("*.parquet"))
    rows = sum(pq.read_metadata(path).num_rows for path in (tmp_path / "second").rglob("*.parquet"))
    first = sum(pq.read_metadata(path).num_rows for path in (tmp_path / "first").rglob("*.parquet"))
    assert (len(parts), rows) == (1, first)
