"""Whether runs refer to a file."""

from __future__ import annotations

import pytest

from mooring.model import AttributeType, FileRef, RunSpec, Typed
from mooring.store import Store
from mooring.store.appending import AppendsBatches, Assign
from mooring.store.files import FindsFiles
from tests.conformance.store.reading import in_every_state


@pytest.fixture
def finder(store: Store) -> FindsFiles:
    if not isinstance(store, FindsFiles):
        pytest.skip("this back end does not tell of files (mooring.store.files)")
    return store


def put(store: Store, content: bytes) -> FileRef:
    return FileRef(*store.put_blob(content))


def test_files_of_every_kind(store: Store, finder: FindsFiles) -> None:
    run = store.create_run(RunSpec(project="p", run_id="a"))
    other = store.create_run(RunSpec(project="q", run_id="b"))
    names = ("attribute", "first point", "last point", "cell", "nobody's", "other's")
    files = {name: put(store, name.encode()) for name in names}
    writer = store.open_writer(run.key)
    writer.assign({"model": files["attribute"], "text": files["nobody's"].digest})
    writer.log({"image": files["first point"]}, step=1)
    writer.log({"image": files["last point"]}, step=2)
    writer.log_event({"shown": files["cell"], "text": files["nobody's"].digest})
    store.open_writer(other.key).assign({"model": files["other's"]})

    def check() -> None:
        for name, file in files.items():
            mine = name not in ("nobody's", "other's")
            theirs = name == "other's"
            for keys, projects, expected in (
                ([run.key], None, mine),
                ([other.key], None, theirs),
                (None, ("p",), mine),
                (None, ("local/q", "unknown"), theirs),
                (None, ("p", "q"), mine or theirs),
                (None, None, mine or theirs),
                ([run.key, other.key], ("q",), theirs),
                ([run.key], ("q",), False),
                ([], None, False),
                (None, (), False),
                (None, ("unknown",), False),
            ):
                assert finder.refers_to(keys, file.digest, projects=projects) is expected, name

    in_every_state(store, check)
    store.trash_runs([run.key])
    check()
    store.delete_runs([run.key])
    assert not finder.refers_to(None, files["attribute"].digest)
    assert not finder.refers_to(None, files["last point"].digest)
    assert not finder.refers_to([run.key], files["attribute"].digest)


def test_a_replaced_file_is_not_referred_to(store: Store, finder: FindsFiles) -> None:
    run = store.create_run(RunSpec(project="p"))
    old, new = put(store, b"old"), put(store, b"new")
    writer = store.open_writer(run.key)
    for file in (old, new):
        writer.assign({"model": file})
        writer.log({"image": file}, step=1)
    assert [finder.refers_to([run.key], file.digest) for file in (old, new)] == [False, True]
    writer.delete("model")
    assert finder.refers_to([run.key], new.digest)
    writer.delete("image")
    assert not finder.refers_to(None, new.digest)


def test_what_a_fork_inherits(store: Store, finder: FindsFiles) -> None:
    early, late = put(store, b"early"), put(store, b"late")
    parent = store.create_run(RunSpec(project="p"))
    writer = store.open_writer(parent.key)
    writer.log({"image": early}, step=1)
    writer.log({"image": late}, step=5)
    child = store.create_run(RunSpec(project="q", parent=parent.key, fork_step=2_000_000))
    assert finder.refers_to([child.key], early.digest)
    assert not finder.refers_to([child.key], late.digest)
    assert not finder.refers_to(None, late.digest, projects=("q",))


def test_sets_of_files_and_artifacts(
    store: Store, finder: FindsFiles, afar: AppendsBatches
) -> None:
    run = store.create_run(RunSpec(project="p"))
    files = [put(store, b"zip"), put(store, b"list")]
    values = {
        "set": Typed(AttributeType.FILE_SET, files[0]),
        "artifact": Typed(AttributeType.ARTIFACT, files[1]),
    }
    afar.append_batch(run.key, "writer", 1, [Assign(values)])
    assert all(finder.refers_to([run.key], file.digest) for file in files)


@pytest.mark.parametrize("digest", ["", "%", "a", "A" * 64, '["', "a" * 65, "é"])
def test_what_is_no_digest(store: Store, finder: FindsFiles, digest: str) -> None:
    run = store.create_run(RunSpec(project="p"))
    store.open_writer(run.key).assign({"model": FileRef("a" * 64, 1)})
    assert finder.refers_to([run.key], "a" * 64)
    assert not finder.refers_to([run.key], digest)
