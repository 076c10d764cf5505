"""Names of an export: the table of the format's reference, overlong ids, manifests."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow as pa
import pytest

from mooring.errors import ExportDamaged
from mooring.exchange.source import SourceRun
from mooring.exchange.targets.parquet.places import file_paths, run_folders
from mooring.model import AttributeType, RunKind
from mooring.wire.exporter import (
    EXPORTER_TYPES,
    PART_NAME,
    SCHEMA,
    VALUE_COLUMNS,
    part_name,
    sanitize_file_path,
    sanitize_id,
)
from mooring.wire.exporter.columns import WRITTEN_SCHEMA
from mooring.wire.exporter.manifest import (
    FileEntry,
    Manifest,
    PartEntry,
    SeriesEntry,
    decode_manifest,
    encode_manifest,
    sign_manifest,
)

OCTETS = "application/octet-stream"

# ids


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("org/project", "org_project-ea8dfac2f8d8c39c"),
        ("my-project_123", "my-project_123-b1846f7fea709615"),
        ("test@#$%", "test____-8f40bd1cc2c0cd5a"),
        ("Ünï/日本", "Ünï_日本-5e56dc5ebae650b3"),
        ("RUN-1", "RUN-1-549fcb30a0f06072"),
        ("", "-e4a6a0577479b2b4"),
        ("..", "__-34f0828231260469"),
        ("my-org/my.project", "my-org_my_project-46e9b29a4797d39f"),
        ("exp 1/seed=3", "exp_1_seed_3-b34673e68663ae5c"),
    ],
)
def test_the_table_of_the_reference(id: str, name: str) -> None:
    assert sanitize_id(id) == name


@pytest.mark.parametrize("id", ["²", "Ⅷ", "ß", "٣", "a\u0301", "\ud800", "a\x00b", "🙂", "a\nb"])
def test_every_text_has_a_name(id: str) -> None:
    name = sanitize_id(id)
    assert len(name) == len(id) + 17
    assert all(c.isalnum() or c in "_-" for c in name)
    name.encode()


@pytest.mark.parametrize("length", [1, 218, 219])
def test_names_are_those_of_the_exporter_as_long_as_it_can_write_them(length: int) -> None:
    id = "x" * length
    assert sanitize_id(id).startswith(f"{id}-")
    assert len(f"{part_name(id, 0)}.tmp".encode()) <= 255


@pytest.mark.parametrize("letter", ["x", "é", "日", "🙂"])
@pytest.mark.parametrize("length", [220, 250, 730])
def test_overlong_ids_have_names_that_a_file_can_have(letter: str, length: int) -> None:
    ids = [letter * length, letter * (length - 1) + "z", letter * (length + 1)]
    names = {part_name(id, 1234) for id in ids}
    assert len(names) == 3
    assert all(len(name.encode()) + len(".tmp") <= 255 for name in names)
    assert len({sanitize_id(id) for id in ids}) == 3


def test_parts_are_known_by_their_names() -> None:
    found = PART_NAME.match(part_name("x_part_0", 12))
    assert found is not None
    assert (found["run"], found["number"]) == (sanitize_id("x_part_0"), "12")
    for name in ("part_0.parquet", "a_part_.parquet", "a_part_0.parquet.tmp", "a_part_x.parquet"):
        assert PART_NAME.match(name) is None
    assert PART_NAME.match("a_part_0.parquet\n") is None


# files


@pytest.mark.parametrize(
    ("run", "path", "step", "mime", "place"),
    [
        ("RUN-1", "files/model.ckpt", None, OCTETS, "RUN-1/files/model_ckpt.bin"),
        ("RUN-1", "files/notes.txt", None, "text/plain", "RUN-1/files/notes_txt.txt"),
        ("RUN-1", "img/a", 500_000, "image/png", "RUN-1/img/a/step_0_500000.png"),
        ("r", "y", -1_250_000, "text/html", "r/y/step_-1_250000.html"),
        ("exp:1", "a.b", None, OCTETS, "exp_1/a_b.bin"),
        ("a/b", "c", None, OCTETS, "a/b/c.bin"),
        ("r", "no/type", None, "", "r/no/type"),
        ("r", "odd/type", None, "x/none", "r/odd/type"),
        ("r", "big", 999_999_999_999_000_001, "", "r/big/step_999999999999_000001"),
    ],
)  # fmt: skip
def test_the_paths_of_the_reference(
    run: str, path: str, step: int | None, mime: str, place: str
) -> None:
    assert sanitize_file_path(run, path, step_micros=step, mime_type=mime) == place


@pytest.mark.parametrize(
    "path", ["../up", "/etc/passwd", "a/../../b", "..", ".", "a\\..\\b", "a\x00b", "C:/x", "~/x"]
)
def test_a_path_cannot_leave_its_folder(path: str) -> None:
    place = sanitize_file_path("run", path)
    assert place.startswith("run/")
    assert not {"..", ".", ""} & set(place.split("/"))
    assert all(c.isalnum() or c in "_-/" for c in place)


@pytest.mark.parametrize("letter", ["x", "é", "日", "🙂"])
def test_overlong_paths_are_cut_and_stay_apart(letter: str) -> None:
    ends = [sanitize_file_path("r", letter * 300 + end, mime_type="image/png") for end in "ab"]
    assert ends[0] != ends[1]
    assert all(len(part.encode()) <= 255 for place in ends for part in place.split("/"))


@pytest.mark.parametrize("stem", ["日" * 79, "x" * 239, "🙂" * 59])
def test_long_names_that_would_meet_are_names_that_a_file_can_have(stem: str) -> None:
    files = [((stem + end, None), AttributeType.FILE, OCTETS) for end in (".", ":")]
    places = set(file_paths("r", RunKind.RUN, files).values())
    assert len(places) == 2
    assert all(len(part.encode()) <= 255 for place in places for part in place.split("/"))


def test_files_that_would_meet_are_kept_apart_and_others_are_where_the_exporter_has_them() -> None:
    names = ["a.b", "a_b", "A_B", "alone", "x", "x/y"]
    found = file_paths(
        "RUN-1", RunKind.RUN, [((name, None), AttributeType.FILE, "") for name in names]
    )
    assert found["alone", None] == "RUN-1/alone"
    places = [place.casefold() for place in found.values()]
    assert len(set(places)) == len(places)
    for one in places:  # none is a folder of another
        assert not any(other.startswith(f"{one}/") for other in places)
    again = file_paths(
        "RUN-1", RunKind.RUN, [((name, None), AttributeType.FILE, "") for name in reversed(names)]
    )
    assert dict(again) == dict(found)


def test_places_by_kind_and_type() -> None:
    files = [
        (("s", None), AttributeType.FILE_SET, OCTETS),
        (("t", None), AttributeType.ARTIFACT, OCTETS),
        (("u", 1_500_000), AttributeType.FILE_SERIES, "image/png"),
    ]
    assert list(file_paths("M", RunKind.MODEL, files).values()) == [
        "models/M/s/files.zip",
        "models/M/t/files_list.json",
        "models/M/u/step_1_500000.png",
    ]
    assert file_paths("M-1", RunKind.MODEL_VERSION, files[:1])["s", None] == (
        "model_versions/M-1/s/files.zip"
    )


def test_folders_of_runs_do_not_meet() -> None:
    ids = ["RUN-1", "run-1", "a/b", "a_b", "x", "x-y", ".."]
    found = run_folders(SourceRun(project="p", run_id=id) for id in ids)
    assert (found["x"], found["x-y"], found["a_b"]) == ("x", "x-y", "a_b")
    assert len({folder.casefold() for folder in found.values()}) == len(ids)
    assert all("/" not in folder for folder in found.values())


# columns


def test_the_first_fourteen_columns_are_those_of_the_exporter() -> None:
    names = ["project_id", "run_id", "attribute_path", "attribute_type", "step", "timestamp"]
    names += ["int_value", "float_value", "string_value", "bool_value", "datetime_value"]
    names += ["string_set_value", "file_value", "histogram_value"]
    assert SCHEMA.names[:14] == names
    assert SCHEMA.field("step").type == pa.decimal128(18, 6)
    assert SCHEMA.field("timestamp").type == pa.timestamp("ms", "UTC")
    assert WRITTEN_SCHEMA.names == SCHEMA.names
    assert all(field.nullable for field in SCHEMA)


def test_every_type_of_the_exporter_has_a_column() -> None:
    single = {"float", "int", "string", "bool", "datetime", "string_set"}
    series = {f"{name}_series" for name in ("float", "string", "histogram", "file")}
    files = {"file", "file_set", "artifact"}
    assert {str(type) for type in EXPORTER_TYPES} == single | series | files
    assert set(VALUE_COLUMNS.values()) <= set(SCHEMA.names[:14])


# manifests

MANIFEST = Manifest(
    project="team/digits",
    run_id="é/1",
    kind=RunKind.MODEL_VERSION,
    sys_id="DIG-1",
    name=None,
    created=1_735_732_800_123_456,
    parent="p",
    fork_step=-1_500_000,
    trashed=True,
    tool="mooring 1",
    exported="2025-01-01T00:00:00+00:00",
    content="0" * 64,
    parts=(PartEntry(name="a_part_0.parquet", rows=5, size_bytes=10, digest="1"),),
    series=(SeriesEntry(path="m", type=AttributeType.FLOAT_SERIES, part=0, first_row=3, count=2),),
    files=(FileEntry(path="a/b.bin", size_bytes=3, digest="2"),),
    values=3,
    others=(("git", "git_ref", {"commit": "abc"}),),
    rows=PartEntry(name="a.rows", rows=2, size_bytes=4, digest="3"),
    not_inherited=("x",),
    missing=(("y", "it is gone"),),
    options={"k": [1, 2]},
)


def test_a_manifest_comes_back() -> None:
    assert decode_manifest(encode_manifest(MANIFEST), where="m.json") == MANIFEST
    bare = dataclasses.replace(
        MANIFEST, sys_id=None, created=None, parent=None, fork_step=None, rows=None, missing=()
    )
    assert decode_manifest(encode_manifest(bare), where="m.json") == bare
    assert (MANIFEST.is_complete, bare.is_complete, bare.points) == (False, True, 2)


def changed(**members: Any) -> bytes:
    record = json.loads(encode_manifest(MANIFEST))
    del record["checksum"]
    return sign_manifest(json.dumps({**record, **members}).encode())


NAMES = ["../x", "a/b", "a\\b", "", ".", "..", "/etc/passwd", "a\x00b", 5, None]


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_cannot_name_files_elsewhere(name: object) -> None:
    for members in (
        {"parts": [[name, 1, 1, "0"]]},
        {"rows": [name, 1, 1, "0"]},
        {"previews": [name, 1, 1, "0"]},
    ):
        with pytest.raises(ExportDamaged, match=r"m\.json is no manifest"):
            decode_manifest(changed(**members), where="m.json")


@pytest.mark.parametrize(
    "members",
    [
        {"kind": "zebra"},
        {"created": True},
        {"created": 2**70},
        {"fork_step": 1.5},
        {"series": [["m", "float_series", -1, 0, 1]]},
        {"series": [["m", "int", 0, 0, 1]]},
        {"series": [["m", "float_series", 0, 0]]},
        {"others": [["m", "float_series", 0]]},
        {"others": [["m", "int", 0]]},
        {"parts": {"a": 1}},
        {"missing": "text"},
        {"project": None},
        {"format": None},
        {"format": []},
    ],
)
def test_members_that_are_not_what_they_should_be(members: dict[str, Any]) -> None:
    with pytest.raises(ExportDamaged, match="export the run again"):
        decode_manifest(changed(**members), where="m.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"5", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ExportDamaged, match=r"m\.json"):
        decode_manifest(data, where="m.json")


def test_every_cut_and_every_flipped_bit_is_noticed() -> None:
    data = encode_manifest(MANIFEST)
    for at in range(len(data)):
        with pytest.raises(ExportDamaged):
            decode_manifest(data[:at], where="m.json")
        flipped = bytearray(data)
        flipped[at] ^= 4
        with pytest.raises(ExportDamaged):
            decode_manifest(bytes(flipped), where="m.json")


def test_a_later_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(ExportDamaged, match="Upgrade Mooring"):
        decode_manifest(changed(format=2), where="m.json")
