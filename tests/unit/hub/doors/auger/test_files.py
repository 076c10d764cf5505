"""Files: forms to upload by, links to download by, and what the hub tells of a CSV."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from auger.hub_api_client import HubApiClient

from mooring.errors import InvalidInput
from mooring.hub.context import open_hub
from mooring.hub.doors.auger import routes
from mooring.hub.doors.auger.presigning import Bucket
from mooring.hub.settings import HubSettings
from mooring.store import open_store
from tests.serving import HubThread
from tests.unit.hub.doors.auger.conftest import Place, client_of

CSV = b"x,y,name\n1,0.5,a\n2,,b\n3,1.5,a\n"


def test_a_file_goes_up_by_form_and_comes_down_by_link(place: Place) -> None:
    fields = place.upload("train.csv", CSV)
    assert fields["key"] == f"workspace/projects/{place.name}/files/train.csv"
    link = place.client.get_project_file_url(project_id=place.id, file_path="train.csv")
    assert set(link["data"]) == {"url"}
    assert "pagination" not in link["meta"]
    answer = requests.get(link["data"]["url"], timeout=30)
    assert (answer.status_code, answer.content) == (200, CSV)
    assert answer.headers["content-type"] == "application/octet-stream"
    place.upload("train.csv", b"new")
    assert requests.get(link["data"]["url"], timeout=30).content == b"new"


def test_a_link_to_what_was_never_uploaded_answers_404(place: Place) -> None:
    link = place.client.get_project_file_url(project_id=place.id, file_path="nothing.csv")
    assert requests.get(link["data"]["url"], timeout=30).status_code == 404


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a//b", "a/../b", "a\\..\\b", "", "x" * 700, "a\x00b", "./a"]
)
def test_a_path_that_would_leave_its_place_is_refused(place: Place, path: str) -> None:
    with pytest.raises(HubApiClient.InvalidParamsError, match="file_path is not a path"):
        place.client.create_project_file_url(project_id=place.id, file_path=path)


def test_a_form_is_good_for_its_own_key_only(place: Place) -> None:
    form = place.client.create_project_file_url(project_id=place.id, file_path="a.csv")["data"]
    for changed in (
        {"key": "workspace/projects/other/files/a.csv"},
        {"project": "somebody/else"},
        {"expires": "9999999999"},
        {"signature": ""},
    ):
        answer = requests.post(
            form["url"], data={**form["fields"], **changed}, files={"file": b"x"}, timeout=30
        )
        assert answer.status_code == 403
    assert requests.post(form["url"], data=form["fields"], timeout=30).status_code == 400
    assert requests.post(form["url"], data=b"no form", timeout=30).status_code == 400


def test_an_upload_is_bounded(place: Place) -> None:
    form = place.client.create_project_file_url(project_id=place.id, file_path="big")["data"]
    answer = requests.post(
        form["url"], data=form["fields"], files={"file": b"x" * (1 << 21)}, timeout=30
    )
    assert answer.status_code == 400
    assert "longer than" in answer.text
    link = place.client.get_project_file_url(project_id=place.id, file_path="big")["data"]["url"]
    assert requests.get(link, timeout=30).status_code == 404


def test_a_data_file_is_processed(place: Place) -> None:
    key = place.upload("iris.csv", CSV)["key"]
    made = place.client.create_project_file(
        name="iris", file_name="iris.csv", project_id=place.id, url=f"s3://bucket/{key}"
    )["data"]
    assert (made["status"], made["content_type"]) == ("processing", "text/csv")
    assert place.client.get_status("ProjectFile", made["id"])["data"] == {"status": "processed"}
    shown = place.client.get_project_file(made["id"])["data"]
    told = shown["statistics"]
    assert (told["count"], told["columns_count"]) == (3, 3)
    x, y, name = told["stat_data"]
    assert (x["datatype"], x["range"], x["avg"]) == ("integer", ["1", "3"], 2.0)
    assert (y["missing_values"], y["unique_values"]) == (1, 2)
    assert (name["datatype"], name["value_counts"]) == ("categorical", {"a": 2, "b": 1})
    assert sum(x["histogram"]["hist"]) == 3
    experiment = place.client.create_experiment(name="first", data_path=shown["url"])["data"]
    assert experiment["project_file_id"] == made["id"]
    assert experiment["data_path_url"] == shown["url"]


def test_a_file_that_is_no_csv_is_processed_with_error(place: Place) -> None:
    place.upload("broken.csv", b"a,b\n1\n2,3,4\n")
    made = place.client.create_project_file(
        name="broken", project_id=place.id, url="files/broken.csv", file_name="broken.csv"
    )["data"]
    shown = place.client.get_project_file(made["id"])["data"]
    assert shown["status"] == "processed_with_error"
    assert "no CSV" in shown["error_message"]


def test_a_file_that_lies_elsewhere_is_taken_as_it_is(place: Place) -> None:
    made = place.client.create_project_file(
        name="far", project_id=place.id, url="http://127.0.0.1:1/far.csv"
    )["data"]
    shown = place.client.get_project_file(made["id"])["data"]
    assert (shown["status"], shown["statistics"]) == ("processed", None)


def test_a_url_is_registered_once(place: Place) -> None:
    made = place.client.create_project_file(name="one", project_id=place.id, url="s3://b/k")
    with pytest.raises(HubApiClient.InvalidParamsError, match=r"project_file\.url_not_uniq"):
        place.client.create_project_file(name="two", project_id=place.id, url="s3://b/k")
    gone = place.client.delete_project_file(made["data"]["id"])["data"]
    assert gone["deleted"] is True
    again = place.client.create_project_file(name="two", project_id=place.id, url="s3://b/k")
    listed = place.client.get_project_files(project_id=place.id)["data"]
    assert [each["id"] for each in listed] == [again["data"]["id"]]


class _Example(Bucket):
    """The bucket of the example in the documentation of S3."""

    url = "https://examplebucket.s3.amazonaws.com"


def _bucket(kind: type[Bucket] = Bucket) -> Bucket:
    return kind(
        name="examplebucket",
        region="us-east-1",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )


def test_a_presigned_link_has_the_signature_of_the_documented_example() -> None:
    link = _bucket(_Example).get("test.txt", seconds=86400, now=datetime(2013, 5, 24, tzinfo=UTC))
    assert link.endswith(
        "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_a_presigned_form_names_what_it_allows() -> None:
    form = _bucket().post("workspace/projects/p/files/a.csv", seconds=60, limit=100)
    assert form["url"] == "https://examplebucket.s3.us-east-1.amazonaws.com"
    fields = form["fields"]
    assert isinstance(fields, dict)
    assert set(fields) == {
        "key",
        "success_action_status",
        "policy",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
    }
    assert "wJalr" not in repr(_bucket())


def test_with_a_bucket_links_lead_there_and_projects_do_not_share_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_REGION", "us-west-1")
    hub = HubThread(tmp_path / "runs.db", presign_bucket="my-bucket")
    try:
        client = client_of(hub, token=hub.token("anna"))
        organization = client.get_organizations()["data"][0]["id"]
        id = client.create_project(name="p", organization_id=organization)["data"]["id"]
        form = client.create_project_file_url(project_id=id, file_path="a.csv")["data"]
        assert form["url"] == "https://my-bucket.s3.us-west-1.amazonaws.com"
        key = form["fields"]["key"]
        assert key == "anna/p/workspace/projects/p/files/a.csv"
        for path in ("a.csv", key):
            link = client.get_project_file_url(project_id=id, file_path=path)["data"]["url"]
            assert link.startswith(f"{form['url']}/{key}?")
            assert "hidden" not in link
    finally:
        hub.stop()


def test_a_bucket_without_credentials_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    open_store(tmp_path / "runs.db").close()
    hub = open_hub(HubSettings(store=str(tmp_path / "runs.db"), presign_bucket="other"))
    with pytest.raises(InvalidInput, match="AWS_ACCESS_KEY_ID"):
        routes(hub)
    hub.close()
