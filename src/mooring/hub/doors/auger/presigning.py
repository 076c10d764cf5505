"""Presigned links into a bucket: AWS Signature Version 4, of forms (POST) and downloads (GET).

Credentials come from the environment of the process that serves, under the names that every S3
client reads. They are read when the first link is made, and are in no repr.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote, urlencode, urlsplit

from mooring.errors import InvalidInput
from mooring.hub.settings import HubSettings

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket, and who may sign for it."""

    name: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint: str | None = None

    @property
    def url(self) -> str:
        """Where the bucket answers."""
        if self.endpoint:
            return f"{self.endpoint.rstrip('/')}/{self.name}"
        return f"https://{self.name}.s3.{self.region}.amazonaws.com"

    def post(
        self, key: str, *, seconds: int, limit: int, now: datetime | None = None
    ) -> dict[str, object]:
        """Return url and fields of a form that uploads one file, no longer than `limit` bytes."""
        now = now or datetime.now(UTC)
        fields = {
            "key": key,
            "success_action_status": "201",
            "x-amz-algorithm": _ALGORITHM,
            "x-amz-credential": self._credential(now),
            "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
        }
        if self.session_token:
            fields["x-amz-security-token"] = self.session_token
        policy = {
            "expiration": f"{now + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.000Z}",
            "conditions": [
                {"bucket": self.name},
                *({name: value} for name, value in fields.items()),
                ["content-length-range", 0, limit],
            ],
        }
        encoded = base64.b64encode(json.dumps(policy).encode()).decode()
        signature = hmac.new(self._key(now), encoded.encode(), hashlib.sha256).hexdigest()
        return {
            "url": self.url,
            "fields": {**fields, "policy": encoded, "x-amz-signature": signature},
        }

    def get(self, key: str, *, seconds: int, now: datetime | None = None) -> str:
        """Return a link that downloads one file."""
        now = now or datetime.now(UTC)
        split = urlsplit(self.url)
        path = f"{split.path}/{quote(key, safe='/-_.~')}"
        query = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": self._credential(now),
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if self.session_token:
            query["X-Amz-Security-Token"] = self.session_token
        encoded = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
        asked = f"GET\n{path}\n{encoded}\nhost:{split.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        to_sign = "\n".join(
            [
                _ALGORITHM,
                f"{now:%Y%m%dT%H%M%SZ}",
                self._scope(now),
                hashlib.sha256(asked.encode()).hexdigest(),
            ]
        )
        signature = hmac.new(self._key(now), to_sign.encode(), hashlib.sha256).hexdigest()
        return f"{split.scheme}://{split.netloc}{path}?{encoded}&X-Amz-Signature={signature}"

    def _scope(self, now: datetime) -> str:
        return f"{now:%Y%m%d}/{self.region}/s3/aws4_request"

    def _credential(self, now: datetime) -> str:
        return f"{self.access_key}/{self._scope(now)}"

    def _key(self, now: datetime) -> bytes:
        key = f"AWS4{self.secret_key}".encode()
        for part in (f"{now:%Y%m%d}", self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


@cache
def bucket_of(settings: HubSettings) -> Bucket | None:
    """Return the bucket where presigned links lead, or None where the hub takes files itself.

    Raises
    ------
    InvalidInput
        When a bucket is set and its credentials are not in the environment.
    """
    if settings.presign_bucket is None:
        return None
    access, secret = (
        os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    )
    if not access or not secret:
        raise InvalidInput(
            "a bucket for presigned links is set, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "are not; set them where the hub is started"
        )
    return Bucket(
        name=settings.presign_bucket,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        access_key=access,
        secret_key=secret,
        session_token=os.environ.get("AWS_SESSION_TOKEN") or None,
        endpoint=os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or None,
    )
