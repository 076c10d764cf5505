"""Files by the real clients, by links in the manner of each provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.wire.neptune3.storage import Provider
from tests.conformance.neptune3.test_downloads import FETCHER, read
from tests.conformance.neptune3.test_scale_files import content, find, log, points
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

EXPECTED = {"model": b"weights", "empty": b"", "long": bytes(range(256)) * 4000}

SCRIPT = """
Path("long.bin").write_bytes(bytes(range(256)) * 4000)
run = open_run("one")
run.assign_files({
    "model": File(b"weights", destination="my/../../model.pt"),
    "empty": File(b"", mime_type="text/plain"),
    "long": "long.bin",
})
for step in range(3):
    run.log_files({"images": str(step).encode()}, step=step)
run.wait_for_processing()
run.close()
"""

QUERY = """
import dataclasses, json, re
from neptune_query import runs
from neptune_query.internal.retrieval import files as inner

told, seen = [], set()
download = inner.download_file

def expired_at_first(signed_file, target_path):
    if target_path not in seen:
        seen.add(target_path)
        url = re.sub(r"((X-(Amz|Goog)-Date|[?&]se)=)2", r"\\g<1>1", signed_file.url)
        signed_file = dataclasses.replace(signed_file, url=url)
    result = download(signed_file, target_path)
    told.append((signed_file.provider, result.status))
    return result

inner.download_file = expired_at_first
table = runs.fetch_runs_table(runs="one", attributes="^(model|empty|long)$")
series = runs.fetch_series(runs="one", attributes="images")
sizes = []
for files in (table, series):
    shown = runs.download_files(files=files, destination="files")
    sizes += [len(open(path, "rb").read()) for path in shown.to_numpy().ravel()]
print(json.dumps({"sizes": sorted(sizes), "told": sorted(map(list, told))}))
"""


@pytest.fixture(scope="module", params=list(Provider))
def provider(request: pytest.FixtureRequest) -> Provider:
    chosen: Provider = request.param
    return chosen


@pytest.fixture(scope="module")
def hub(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db", file_links=str(provider))
    said = log(
        started.token("ann"),
        tmp_path_factory.mktemp("client"),
        SCRIPT,
        NEPTUNE_FILE_UPLOAD_CHUNK_SIZE=str(256 << 10),
    )
    assert said == []
    yield started
    started.stop()


def test_scale_uploads(hub: HubThread) -> None:
    run = find(hub, "one")
    for path, expected in EXPECTED.items():
        assert content(hub, hub.hub.store.get_value(run.key, path)[1]) == expected
    found = [(step, content(hub, file)) for step, file in points(hub, run, "images")]
    assert found == [(0, b"0"), (1_000_000, b"1"), (2_000_000, b"2")]
    assert list((hub.settings.data / "uploads").iterdir()) == []


def test_query_downloads(hub: HubThread, provider: Provider, tmp_path: Path) -> None:
    found = read(hub, "neptune_query", QUERY, tmp_path)
    told = [[str(provider), status] for status in ["expired"] * 6 + ["success"] * 6]
    assert found == {"sizes": [0, 1, 1, 1, 7, 1_024_000], "told": told}


def test_the_alpha_of_fetcher_downloads(hub: HubThread, tmp_path: Path) -> None:
    assert read(hub, "neptune_fetcher", FETCHER, tmp_path) == ["", "weights"]


AZURE = """
import sys
from azure.storage.blob import BlobClient

client = BlobClient.from_blob_url(sys.argv[1], max_block_size=70_000, max_single_put_size=70_000)
with open("long.bin", "rb") as file:
    client.upload_blob(file, overwrite=True, length=1_000_001, max_concurrency=3)
"""


def test_azures_client_sends_blocks(tmp_path: Path) -> None:
    from mooring.hub.doors.neptune3.links import Grant, StorageLinks
    from mooring.store.uploads import Upload

    hub = HubThread(tmp_path / "runs.db")
    hub.hub.store.create_project("ann/digits")
    sent = bytes(range(256)) * 3906 + bytes(65)
    (tmp_path / "long.bin").write_bytes(sent)
    user = hub.hub.accounts.find_user("admin")
    assert user is not None
    grant = Grant(action="put", project="ann/digits", path="a/../b", user=user.id, upload="0" * 32)
    link = StorageLinks(hub.hub.links, hub.address).sign(grant, seconds=60, provider=Provider.AZURE)
    find_peer("neptune_scale").run(AZURE, link, cwd=tmp_path)
    (found,) = hub.hub.store.find_uploads("ann/digits", ["a/../b"]).values()
    assert found == Upload(found.digest, len(sent), "0" * 32)
    with hub.hub.store.open_blob(found.digest) as stream:
        assert stream.read() == sent
    assert list((hub.settings.data / "uploads").iterdir()) == []
    hub.stop()
