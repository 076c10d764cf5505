"""The framing of W&B's transaction logs, compared with W&B's own reader."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from mooring.errors import SourceUnreadable
from mooring.exchange.wandb_log.records import Damage, iter_payloads, iter_records
from tests.unit.exchange.wandb.conftest import log_of, tracking


@pytest.fixture
def log(folder: Path) -> Path:
    with tracking(folder, project="p") as run:
        for step in range(200):
            run.log({"loss": step / 3, "text": "x" * (step * 7)})
        run.log({"large": "y" * 100_000})  # spans blocks
    return log_of(folder)


def payloads(log: Path) -> list[bytes]:
    return [found for _, found in iter_payloads(log) if isinstance(found, bytes)]


def damages(log: Path) -> list[Damage]:
    return [found for _, found in iter_payloads(log) if isinstance(found, Damage)]


def test_it_reads_the_records_that_wandb_itself_reads(log: Path) -> None:
    import wandb

    core = Path(wandb.__file__).parent / "bin" / "wandb-core"
    command = [core, "leet", "inspect", "-no-observability", "-json", "-run-file", log]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    ours = [record for _, record in iter_records(log)]
    assert [(record.num, record.WhichOneof("record_type")) for record in ours] == [
        (record["num"], record["type"]) for record in theirs
    ]


def test_every_cut_leaves_the_records_before_it(log: Path, tmp_path: Path) -> None:
    whole, chance = log.read_bytes(), random.Random(3)
    all_of_them = payloads(log)
    part = tmp_path / "part.wandb"
    cuts = [7, 8, 13, 14, 32_767, 32_768, 32_769, 32_774, 32_775, len(whole) - 1]
    for cut in [*cuts, *(chance.randrange(7, len(whole)) for _ in range(30))]:
        part.write_bytes(whole[:cut])
        found = payloads(part)
        assert found == all_of_them[: len(found)]
        told = damages(part)
        assert len(told) <= 1
        assert all(damage.cut for damage in told)
    part.write_bytes(whole)
    assert not damages(part)


def test_damage_costs_its_record_and_is_told(log: Path, tmp_path: Path) -> None:
    whole = log.read_bytes()
    all_of_them = payloads(log)
    part = tmp_path / "part.wandb"
    for offset, payload in list(iter_payloads(log))[::25]:
        assert isinstance(payload, bytes)
        data = bytearray(whole)
        data[offset + 8] ^= 0x55  # in the content
        part.write_bytes(data)
        assert payloads(part) == [other for other in all_of_them if other != payload]
        assert damages(part)[0].offset == offset
        data = bytearray(whole)
        data[offset + 5] ^= 0x55  # in the length: the rest of the block cannot be read
        part.write_bytes(data)
        assert set(payloads(part)) < set(all_of_them)
        assert len(payloads(part)) > len(all_of_them) * 0.7
        assert damages(part)


def test_no_damage_stops_the_reader(log: Path, tmp_path: Path) -> None:
    whole, chance = log.read_bytes(), random.Random(5)
    known = set(payloads(log))
    part = tmp_path / "part.wandb"
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(7, len(data))] = chance.randrange(256)
        part.write_bytes(data)
        assert set(payloads(part)) <= known
        list(iter_records(part))


@pytest.mark.parametrize("content", [b"", b":W&", b"SQLite format 3\0" * 100])
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "run-x.wandb"
    log.write_bytes(content)
    with pytest.raises(SourceUnreadable, match="no transaction log"):
        list(iter_payloads(log))
