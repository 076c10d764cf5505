"""Settings of a hub, read once where it starts and passed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MiB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """What a hub is started with.

    Attributes
    ----------
    store : address of the store that it serves
    host, port : where it listens; port 0 takes a free one
    public_url : the address that tokens and links name; default: that of host and port
    workers : processes that answer
    max_body_bytes : longest body of a request, after it was uncompressed, of the JSON APIs
    max_stream_bytes : longest body of a request that writes points, rows or a run
    max_upload_bytes : largest file
    link_seconds : how long a signed link is good for
    file_links : whose manner the links have by which Neptune's clients send and fetch files:
        `aws`, `azure` or `gcp`. All lead to this hub
    body_timeout_s : how long a request's body may take to come in without a byte of progress
    request_timeout_s : how long a model, or a compaction that a request asked for, may take
    max_search_bytes : longest body of a request for next trials, which holds a whole history
    optimizer_processes, optimizer_seconds : how many requests for next trials are computed at a
        time, and how long one may take
    serving_seconds, serving_memory_bytes : what a prediction may take of a worker process
    drain_seconds : how long a stop waits for requests that are being answered
    presign_bucket : bucket of an object store where presigned links lead, or None
    """

    store: str
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    workers: int = 1
    max_body_bytes: int = 16 * MiB
    max_stream_bytes: int = 4096 * MiB
    max_search_bytes: int = 64 * MiB
    max_upload_bytes: int = 64 * 1024 * MiB
    link_seconds: int = 3600
    file_links: str = "aws"
    body_timeout_s: float = 30.0
    request_timeout_s: float = 600.0
    optimizer_processes: int = 2
    optimizer_seconds: float = 60.0
    serving_seconds: float = 60.0
    serving_memory_bytes: int = 2048 * MiB
    drain_seconds: float = 20.0
    presign_bucket: str | None = None
    accounts: str | None = field(default=None, repr=False)
    """Database of users and tokens, as SQLAlchemy writes it; default: beside the store."""
    optimizers_secret: str | None = field(default=None, repr=False)
    """Whoever has it signs tokens (JWT, HS256) that may ask for next trials, and for no data."""

    @property
    def address(self) -> str:
        """The address that tokens and links name."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def data(self) -> Path:
        """The folder beside the store's file, where the hub keeps what is not the store's."""
        path = Path(self.store.removeprefix("sqlite://"))
        return path.with_name(f"{path.name}-data")
