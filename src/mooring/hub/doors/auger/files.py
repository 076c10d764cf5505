"""Files of projects: links to upload and download by, and what is known of a data file.

A file lies among the store's blobs; a record `stored_file/<key>` in the project tells which one a
key stands for. Where presigned links lead to a bucket, the hub does not see what is uploaded there.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from mooring.errors import MooringError
from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject
from mooring.hub.doors.auger.fields import Form, equals
from mooring.hub.doors.auger.keys import bucket_key, key_of, key_of_url
from mooring.hub.doors.auger.presigning import bucket_of
from mooring.hub.doors.auger.records import NewRecord, Record, Records, Scope
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.statistics import describe_csv
from mooring.model import FileRef

UPLOAD = "/files/upload"
STORED = "/files/stored"
BLOB = "/files/blob"


def create_url(call: Call) -> Answer:
    """Answer where, and with which fields, a file is uploaded by POST of a form."""
    project = call.project_for_new(needed=True)
    call.need_contributor(project)
    key = key_of(project, _path(call))
    settings = call.hub.settings
    bucket = bucket_of(settings)
    if bucket is not None:
        return Answer(
            bucket.post(
                bucket_key(project, key),
                seconds=settings.link_seconds,
                limit=settings.max_upload_bytes,
            )
        )
    link = call.hub.links.sign(
        UPLOAD,
        {
            "key": key,
            "project": project,
            "user": str(call.principal.user),
            "success_action_status": "201",
        },
        seconds=settings.link_seconds,
    )
    url, _, query = link.partition("?")
    return Answer({"url": url, "fields": _fields(query)})


def _fields(query: str) -> JsonObject:
    return dict(parse_qsl(query, keep_blank_values=True))


def show_url(call: Call) -> Answer:
    """Answer a link by which a file is downloaded."""
    project = call.project_for_new(needed=True)
    call.store.need_project(project)
    key = key_of(project, _path(call))
    settings = call.hub.settings
    bucket = bucket_of(settings)
    if bucket is not None:
        return Answer({"url": bucket.get(bucket_key(project, key), seconds=settings.link_seconds)})
    facts = {"key": key, "project": project}
    return Answer({"url": call.hub.links.sign(STORED, facts, seconds=settings.link_seconds)})


def _path(call: Call) -> str:
    path = call.given.get("file_path")
    if not isinstance(path, str):
        raise invalid("file_path", "is required")
    return path


def remember_upload(
    records: Records, project: str, key: str, file: FileRef, *, user: int
) -> Record:
    """Note which content a key of a project stands for, from now on."""
    values = {
        "key": key,
        "file": file,
    }
    found = find_stored(records, project, key)
    if found is not None:
        return records.update(found, values)
    return records.create(
        NewRecord(
            resource="stored_file", project=project, values=values, id=stored_id(key), user=user
        )
    )


def stored_id(key: str) -> str:
    """Return the id of the record that notes what a key stands for."""
    return hashlib.sha256(key.encode()).hexdigest()


def find_stored(records: Records, project: str, key: str) -> Record | None:
    """Return the record of an uploaded file, or None."""
    page = records.page("stored_file", Scope(project), [equals("key", Form.TEXT, key)], limit=1)
    return page.records[0] if page.records else None


def find_by_url(call: Call, project: str, url: str) -> Record | None:
    """Return the data file of a project that has a url, or None."""
    of_it = [equals("url", Form.TEXT, url)]
    page = call.records.page("project_file", Scope(project), of_it, limit=1)
    return page.records[0] if page.records else None


# data files


def prepare_file(call: Call, values: JsonObject) -> None:
    """Refuse a second file of one url, and look whether the hub has what it names."""
    project = call.project_for_new(needed=True)
    url = str(values["url"])
    same = find_by_url(call, project, url)
    if same is not None and (call.request is None or same.values.get("request") != call.request):
        raise invalid("url", "has already been taken (project_file.url_not_uniq)")
    name = str(values.get("file_name") or urlsplit(url).path or values["name"])
    values["content_type"] = mimetypes.guess_type(name)[0]
    values["status"] = "processing"
    key = key_of_url(project, url)
    if key is not None:
        values["key"] = key


def settle_file(call: Call, record: Record) -> JsonObject:
    """Compute the statistics of a data file, once it is there.

    A file that lies elsewhere, where the hub does not look, is processed as it is.
    """
    if record.get("status") != "processing":
        return {}
    stored = _stored(call, record)
    if stored is None:
        return {"status": "processed"}
    changes: JsonObject = {"size_bytes": stored.size_bytes, "status": "processed"}
    kind = record.values.get("content_type") or stored.mime_type
    changes["content_type"] = kind
    if kind in ("text/csv", "text/tab-separated-values", "text/plain"):
        try:
            with call.hub.store.open_blob(stored.digest) as file:
                changes["statistics"] = describe_csv(file, str(record.values.get("name")))
        except (MooringError, ValueError) as error:
            changes["status"] = "processed_with_error"
            changes["error_message"] = call.hub.told(str(error))[:1000]
    return changes


def _stored(call: Call, record: Record) -> FileRef | None:
    key = record.values.get("key")
    if not isinstance(key, str):
        return None
    found = find_stored(call.everything(), record.run.project, key)
    file = found.values.get("file") if found is not None else None
    return file if isinstance(file, FileRef) else None


def view_files(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Fill in what other parts of the field list tell."""
    for shown in objects:
        shown["providers"] = shown.get("providers") or []
        shown["providers_data"] = shown.get("providers_data") or {}


def blob_link(call: Call, file: FileRef, name: str) -> str:
    """Return a link by which content is downloaded."""
    facts = {"digest": file.digest, "name": file.name or name}
    return call.hub.links.sign(BLOB, facts, seconds=call.hub.settings.link_seconds)


PROJECT_FILE = Behaviour(in_project=True, prepare=prepare_file, settle=settle_file, view=view_files)
PROJECT_FILE_URL = Behaviour(in_project=True, actions={"create": create_url, "index": show_url})
