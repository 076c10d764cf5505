"""Files whose content comes before, after, or without what refers to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import ProjectNotFound, SegmentMissing
from mooring.model import AttributeType, FileRef, RunInfo, RunSpec
from mooring.store import PathSelector, SeriesQuery, Store
from mooring.store.appending import AppendsBatches, Assign, Delete, LogPoints, Update
from mooring.store.uploads import AwaitedFile, TakesUploads, Upload
from tests.conformance.store.reading import in_every_state

PROJECT = "local/p"


class Uploading:
    """Logs references as a door does, and uploads."""

    def __init__(self, store: Store, afar: AppendsBatches, uploads: TakesUploads) -> None:
        self.store, self._afar, self.uploads = store, afar, uploads
        self.run = store.create_run(RunSpec(project=PROJECT, run_id="a"))
        self._number = 0

    def write(self, update: Update, run: RunInfo | None = None) -> None:
        self._number += 1
        key = (run or self.run).key
        writer = f"writer-{key}-{self._number}"
        assert not self._afar.append_batch(key, writer, 1, [update]).refused

    def assign(self, attribute: str, path: str, time: int = 1, size: int = 9) -> None:
        waiting = AwaitedFile(attribute=attribute, upload=path, mime_type="text/plain", time=time)
        self.uploads.await_files(self.run.key, [waiting])
        self.write(Assign({attribute: FileRef("", size, "text/plain", path)}, time))
        self.uploads.give_uploads(self.run.key, [path])

    def log(self, attribute: str, step: int, path: str, time: int = 1) -> None:
        waiting = AwaitedFile(
            attribute=attribute, upload=path, mime_type="image/png", step=step, time=time
        )
        self.uploads.await_files(self.run.key, [waiting])
        self.write(LogPoints({attribute: FileRef("", 9, "image/png", path)}, step, time))
        self.uploads.give_uploads(self.run.key, [path])

    def upload(self, path: str, content: bytes, project: str = PROJECT) -> str:
        digest, size = self.store.put_blob(content)
        self.uploads.enter_upload(project, path, Upload(digest, size))
        return digest

    def content(self, attribute: str, run: RunInfo | None = None) -> bytes | None:
        _, file = self.store.get_value((run or self.run).key, attribute)
        return self._content(file.digest)

    def points(self, attribute: str) -> list[tuple[int, bytes | None]]:
        select = PathSelector(paths=(attribute,), types=frozenset({AttributeType.FILE_SERIES}))
        rows = self.store.read_series([self.run.key], select, SeriesQuery()).to_pylist()
        return [(row["step"], self._content(row["value"]["digest"])) for row in rows]

    def _content(self, digest: str) -> bytes | None:
        if not digest:
            return None
        with self.store.open_blob(digest) as file:
            return file.read()


@pytest.fixture
def given(store: Store, afar: AppendsBatches) -> Uploading:
    if not isinstance(store, TakesUploads):
        pytest.skip("this back end takes no uploads (mooring.store.uploads)")
    return Uploading(store, afar, store)


def test_content_that_comes_after(given: Uploading) -> None:
    given.assign("model", "a/model.pt", size=3)
    given.log("images", 1_000_000, "a/1.png")
    given.log("images", 2_000_000, "a/2.png")

    def waits() -> None:
        _, file = given.store.get_value(given.run.key, "model")
        assert file == FileRef("", 3, "text/plain", "a/model.pt")
        assert not file.has_content
        assert given.points("images") == [(1_000_000, None), (2_000_000, None)]
        with pytest.raises(SegmentMissing, match="has not arrived"):
            given.store.open_blob(file.digest)
        check = given.store.check()
        assert check.ok
        assert any("files has not been uploaded" in found.what for found in check.findings)

    in_every_state(given.store, waits)
    digest = given.upload("a/model.pt", b"weights")
    given.upload("a/2.png", b"two")
    given.upload("a/1.png", b"one")

    def arrived() -> None:
        _, file = given.store.get_value(given.run.key, "model")
        assert file == FileRef(digest, 7, "text/plain", "a/model.pt")
        assert given.points("images") == [(1_000_000, b"one"), (2_000_000, b"two")]
        assert given.store.get_stats(given.run.key, "images").count == 2
        assert given.store.check().ok

    in_every_state(given.store, arrived)


def test_content_that_comes_before(given: Uploading) -> None:
    given.upload("x", b"x")
    given.upload("y", b"y")
    given.assign("model", "x")
    given.log("images", 5, "y")
    assert given.content("model") == b"x"
    assert given.points("images") == [(5, b"y")]


def test_content_of_many_files_that_came_before(given: Uploading) -> None:
    paths = [f"up/{number}" for number in range(5)]
    for path in paths:
        given.upload(path, path.encode())
    run = given.run
    for step, path in enumerate(paths[2:]):
        waiting = AwaitedFile(
            attribute="images", upload=path, mime_type="image/png", step=step, time=1
        )
        given.uploads.await_files(run.key, [waiting])
        given.write(LogPoints({"images": FileRef("", 9, "image/png", path)}, step, 1))
    for path in paths[:2]:
        waiting = AwaitedFile(attribute=path, upload=path, mime_type="text/plain", time=1)
        given.uploads.await_files(run.key, [waiting])
        given.write(Assign({path: FileRef("", 9, "text/plain", path)}, 1))
    given.uploads.give_uploads(run.key, paths)
    assert [given.content(path) for path in paths[:2]] == [b"up/0", b"up/1"]
    assert given.points("images") == [(0, b"up/2"), (1, b"up/3"), (2, b"up/4")]


def test_an_upload_that_is_entered_again_counts_once(given: Uploading) -> None:
    """Its answer got lost; the next reference to the path waits for an upload of its own."""
    digest, size = given.store.put_blob(b"first")
    for _ in range(3):
        given.uploads.enter_upload(PROJECT, "x", Upload(digest, size, "one"))
    given.log("images", 1, "x", time=1)
    given.log("images", 2, "x", time=2)
    assert given.points("images") == [(1, b"first"), (2, None)]
    digest, size = given.store.put_blob(b"second")
    given.uploads.enter_upload(PROJECT, "x", Upload(digest, size, "two"))
    assert given.points("images")[1] == (2, b"second")


def test_a_repetition_keeps_what_came(given: Uploading) -> None:
    given.assign("model", "x", time=1)
    given.log("images", 5, "y", time=1)
    given.upload("x", b"x")
    given.upload("y", b"y")
    given.assign("model", "x", time=1)
    given.log("images", 5, "y", time=1)
    assert given.content("model") == b"x"
    assert given.points("images") == [(5, b"y")]
    given.upload("x", b"x")
    assert given.content("model") == b"x"


def test_a_new_reference_waits_for_a_new_upload(given: Uploading) -> None:
    given.assign("model", "x", time=1)
    given.upload("x", b"old")
    given.assign("model", "x", time=2)
    assert given.content("model") is None
    given.upload("x", b"new")
    assert given.content("model") == b"new"


def test_an_upload_that_overtakes_its_reference(given: Uploading) -> None:
    given.assign("model", "x", time=1)
    given.upload("x", b"old")
    given.upload("x", b"new")
    given.assign("model", "x", time=2)
    assert given.content("model") == b"new"
    for content in (b"one", b"two"):
        given.upload("shared", content)
    for attribute in ("one", "two"):
        given.assign(attribute, "shared")
    assert given.content("one") == given.content("two") == b"two"


def test_a_path_stands_for_its_last_upload(given: Uploading) -> None:
    given.assign("model", "x")
    given.assign("copy", "x")
    given.log("images", 5, "x")
    for content in (b"old", b"new"):
        digest = given.upload("x", content)
        assert given.content("model") == given.content("copy") == content
        assert given.points("images") == [(5, content)]
        assert given.uploads.find_uploads(PROJECT, ["x", "y"]) == {"x": Upload(digest, 3)}


def test_what_was_replaced_or_deleted_stays_so(given: Uploading) -> None:
    for attribute in ("replaced", "other", "deleted"):
        given.assign(attribute, f"old/{attribute}")
    given.log("images", 5, "old/image")
    given.assign("replaced", "new")
    other = FileRef(*given.store.put_blob(b"other"))
    given.write(Assign({"other": other}))
    given.write(Delete("deleted"))
    given.write(Delete("images"))
    for name in ("old/replaced", "old/other", "old/deleted", "old/image"):
        given.upload(name, b"old")
    assert given.content("replaced") is None
    assert given.content("other") == b"other"
    kept = given.store.list_attributes([given.run.key], PathSelector(patterns=("dele|images",)))
    assert not kept


def test_projects_are_apart(given: Uploading) -> None:
    given.store.create_project("q")
    given.assign("model", "x")
    given.upload("x", b"theirs", project="local/q")
    assert given.content("model") is None
    assert not given.uploads.find_uploads(PROJECT, ["x"])
    with pytest.raises(ProjectNotFound):
        given.upload("x", b"nobody's", project="local/missing")


def test_a_fork_waits_too(given: Uploading) -> None:
    given.assign("model", "x")
    given.assign("later", "y")
    child = given.store.create_run(
        RunSpec(project="q", parent=given.run.key, fork_step=0, inherit_attributes=True)
    )
    given.write(Assign({"later": "text"}), run=given.store.create_run(RunSpec(project="q")))
    given.upload("x", b"x")
    assert given.content("model") == given.content("model", child) == b"x"
    given.store.delete_runs([given.run.key])
    given.upload("y", b"y")
    assert given.content("later", child) == b"y"


def test_what_is_gone_is_forgotten(given: Uploading) -> None:
    given.assign("model", "x")
    given.upload("x", b"x")
    given.store.delete_project(PROJECT)
    with pytest.raises(ProjectNotFound):
        given.upload("x", b"again")
    given.store.create_project(PROJECT)
    assert not given.uploads.find_uploads(PROJECT, ["x"])


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a\\b", "ü/\x00/%2e%2e", ""])
def test_a_path_is_a_name(given: Uploading, path: str, tmp_path: Path) -> None:
    given.assign("model", path)
    given.upload(path, b"content")
    assert given.content("model") == b"content"
