"""The framing of event files: what is whole, what is damaged, and where."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mooring.errors import SourceUnreadable
from mooring.exchange.event_files.crc32c import crc32c, masked_crc32c
from mooring.exchange.event_files.records import (
    encode,
    find_event_files,
    frame,
    iter_records,
    read_record,
)

PAYLOADS = [b"one", b"", b"three" * 1_000, b"4", bytes(range(256)) * 20]


def read(data: bytes) -> list[tuple[int, bytes | None]]:
    return list(iter_records(data, frame(data)))


def test_checksums_are_those_of_tensorboard() -> None:
    from tensorboard.compat.tensorflow_stub import pywrap_tensorflow as slow

    data = random.Random(1).randbytes(20_000)
    view = np.frombuffer(data, np.uint8)
    lengths = [0, 1, 7, 8, 255, 256, 1023, 1024, 1025, 2048, 5_000, 10_000]
    starts = [index * 3 for index in range(len(lengths))]
    pieces = [data[start : start + n] for start, n in zip(starts, lengths, strict=True)]
    places, sizes = np.array(starts), np.array(lengths)
    assert crc32c(view, places, sizes).tolist() == [slow.crc32c(piece) for piece in pieces]
    assert masked_crc32c(view, places, sizes).tolist() == [
        slow.masked_crc32c(piece) for piece in pieces
    ]


def test_tensorboard_reads_what_is_encoded(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

    file = tmp_path / "events.out.tfevents.1.x"
    file.write_bytes(encode(PAYLOADS))
    assert list(RawEventFileLoader(str(file)).Load()) == PAYLOADS
    assert [payload for _, payload in read(file.read_bytes())] == PAYLOADS


def test_every_cut_leaves_the_records_before_it() -> None:
    payloads = [b"a", b"bb", b"", b"dddd"]
    whole = encode(payloads)
    ends = [len(encode(payloads[:count])) for count in range(len(payloads) + 1)]
    for cut in range(len(whole) + 1):
        frames = frame(whole[:cut])
        kept = sum(end <= cut for end in ends) - 1
        assert [p for _, p in iter_records(whole[:cut], frames)] == payloads[:kept]
        assert [(d.offset, d.cut) for d in frames.damages] == (
            [] if cut in ends else [(ends[kept], True)]
        )


def test_a_damaged_payload_costs_its_record_alone() -> None:
    data = bytearray(encode(PAYLOADS))
    offset = read(bytes(data))[2][0]
    data[offset + 12 + 1_500] ^= 1
    found = read(bytes(data))
    assert found[2] == (offset, None)
    assert [payload for _, payload in found] == [*PAYLOADS[:2], None, *PAYLOADS[3:]]


@pytest.mark.parametrize("byte", [0, 5, 7, 9])
def test_behind_a_damaged_length_reading_goes_on(byte: int) -> None:
    data = bytearray(encode(PAYLOADS))
    offset = read(bytes(data))[2][0]
    data[offset + byte] ^= 0x41
    frames = frame(bytes(data))
    assert [p for _, p in iter_records(bytes(data), frames)] == PAYLOADS[:2] + PAYLOADS[3:]
    (damage,) = frames.damages
    assert (damage.offset, damage.cut) == (offset, False)


def test_no_damage_stops_the_reader() -> None:
    chance = random.Random(7)
    whole = encode([chance.randbytes(chance.randrange(200)) for _ in range(30)])
    payloads = {payload for _, payload in read(whole)}
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert {p for _, p in read(bytes(data)) if p is not None} <= payloads
    for _ in range(50):
        assert not [p for _, p in read(chance.randbytes(500)) if p]


def test_a_record_is_found_by_its_offset(tmp_path: Path) -> None:
    file = tmp_path / "tfevents"
    file.write_bytes(encode(PAYLOADS))
    offset = read(file.read_bytes())[2][0]
    assert read_record(file, offset) == PAYLOADS[2]
    for wrong in (-1, offset + 1, 1 << 40):
        with pytest.raises(SourceUnreadable, match="byte"):
            read_record(file, wrong)


def test_folders_are_found_once_and_links_followed(tmp_path: Path) -> None:
    for name in ("logs/a", "logs/b/c", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "events.out.tfevents.1.x").touch()
    (tmp_path / "logs" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "logs" / "b" / "round").symlink_to(tmp_path / "logs" / "a")
    (tmp_path / "logs" / "a" / "again").symlink_to(tmp_path / "logs")
    found = find_event_files(tmp_path / "logs")
    assert set(found) >= {"a", "b/c", "link"}
    assert not any(name.count("again") > 1 for name in found)
