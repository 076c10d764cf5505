"""What Neptune's clients sent, damaged: it is answered or refused, and a reader changes nothing."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.hub.accounts import Role
from mooring.model import RunSpec
from mooring.store import RunQuery
from tests.conformance.neptune3 import sample, series_sample
from tests.serving import HubThread
from tests.unit.wire.neptune3_traffic import Captured, load

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
FUZZ = settings(
    max_examples=200 if LONG else 25,
    derandomize=not LONG,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TRAFFIC = load()
PATHS = sorted({each.path for each in TRAFFIC})
WRITTEN = "team/written"
COMPLETE = "/api/storagebridge/v1/s3/completeMultipartUpload"
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    10**30,
    1.5,
    1e308,
    "",
    "a",
    "\0",
    "ü" * 70,
    "(",
    "[[:x:]]",
    "a/b/c",
    "../../x",
    "CUSTOM/",
    "CUSTOM/team/nets/",
    "`a`:int > 1",
    "NOT NOT NOT (",
    [],
    {},
    [[]],
    {"a": 1},
)


@dataclass(frozen=True)
class Site:
    """A hub with what was captured from, and access tokens of two of its users."""

    hub: HubThread
    bearers: dict[str, str]

    def send(self, who: str, path: str, query: str, body: bytes) -> int:
        answer = httpx.post(
            f"{self.hub.address}{path}?{query}",
            content=body,
            headers={"authorization": f"Bearer {self.bearers[who]}"},
            timeout=60,
        )
        if answer.status_code >= 400:
            assert answer.json()["message"]
        return answer.status_code

    def state(self) -> tuple[object, ...]:
        store = self.hub.hub.store
        runs = store.query_runs(RunQuery(trashed=None)).runs
        return (store.mark_changes(), tuple(store.list_projects()), tuple(run.key for run in runs))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hub = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    sample.log_sample(hub.hub)
    series_sample.log_series(hub.hub)
    for run in ("root", "fork"):
        hub.hub.store.create_run(RunSpec(project=WRITTEN, run_id=run))
    bearers = {}
    for user, role in (("reader", Role.VIEWER), ("writer", Role.CONTRIBUTOR)):
        token = hub.token(user)
        for project in (sample.PROJECT, series_sample.PROJECT, WRITTEN):
            hub.hub.accounts.grant(project, user, role)
        answer = httpx.get(
            f"{hub.address}/api/backend/v1/authorization/oauth-token",
            headers={"x-neptune-api-token": token},
        )
        bearers[user] = answer.json()["accessToken"]
    yield Site(hub, bearers)
    hub.stop()


def damage(body: bytes, random: Random) -> bytes:
    """Return bytes with some of them changed, left out, or told twice."""
    made = bytearray(body)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(made) + 1)
        length = random.choice((1, 1, 2, 8, len(made)))
        match random.randrange(5):
            case 0:
                made[at : at + length] = random.randbytes(random.randint(0, 8))
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = made[at : at + length]
            case 3 if at < len(made):
                made[at] ^= 1 << random.randrange(8)
            case _:
                made[at:at] = b"\xff" * random.randint(1, 11)  # a number without an end
    return bytes(made)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place inside of JSON, as what holds it and its key."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, held in inner:
        yield value, key
        if isinstance(held, dict | list):
            yield from places(held)


def damage_json(value: Any, random: Random) -> bytes:
    """Return JSON with some values replaced, left out, or moved."""
    made = copy.deepcopy(value)
    for _ in range(random.randint(1, 3)):
        found = list(places(made))
        if not found:
            break
        holder, key = random.choice(found)
        match random.randrange(4):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1:
                other, place = random.choice(found)
                holder[key] = copy.deepcopy(other.get(place) if isinstance(other, dict) else other)
            case 2 if isinstance(holder[key], str):
                text = holder[key]
                at = random.randrange(len(text) + 1)
                holder[key] = text[:at] + random.choice(("(", "\\", '"', "`", "", "é")) + text[at:]
            case _:
                holder[key] = copy.deepcopy(random.choice(JUNK))
    return json.dumps(made).encode()


def damaged(each: Captured, random: Random) -> bytes:
    if each.json is not None and random.random() < 0.8:
        return damage_json(each.json, random)
    return damage(each.body, random)


@pytest.mark.parametrize("path", PATHS)
def test_what_a_reader_sends(site: Site, path: str) -> None:
    sent = [each for each in TRAFFIC if each.path == path]
    before = site.state()

    @FUZZ
    @given(st.sampled_from(sent), st.randoms(use_true_random=False))
    def fuzz(each: Captured, random: Random) -> None:
        body = damaged(each, random)
        query = each.query if random.random() < 0.9 else damage(each.query.encode(), random).hex()
        assert site.send("reader", path, query, body) < 500, body

    for each in sent:  # as it came
        assert site.send("reader", path, each.query, each.body) < 500
    fuzz()
    assert site.state() == before


@pytest.mark.parametrize("path", ["/api/client/v1/ingest", "/api/storagebridge/v1/signedUrl"])
def test_what_a_writer_sends(site: Site, path: str) -> None:
    """What is taken is taken; what is refused has changed nothing."""
    sent = [each for each in TRAFFIC if each.path == path]

    @FUZZ
    @given(st.sampled_from(sent), st.randoms(use_true_random=False))
    def fuzz(each: Captured, random: Random) -> None:
        body = damaged(each, random)
        before = site.state()
        status = site.send("writer", path, each.query, body)
        assert status < 500, body
        if status >= 400:
            assert site.state() == before, body

    fuzz()
    assert site.hub.hub.store.check().ok


@pytest.mark.parametrize("who", ["reader", "writer"])
def test_the_end_of_an_upload(site: Site, who: str) -> None:
    body = {
        "upload_id": "x=1&signature=y",
        "project_identifier": WRITTEN,
        "path": "a",
        "parts": [{"part_number": 1, "etag": "0" * 64}, {"part_number": 2, "etag": "1" * 64}],
    }
    before = site.state()

    @FUZZ
    @given(st.randoms(use_true_random=False))
    @example(Random(0))
    def fuzz(random: Random) -> None:
        assert 400 <= site.send(who, COMPLETE, "", damage_json(body, random)) < 500

    fuzz()
    assert site.state() == before
