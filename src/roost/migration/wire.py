"""What goes over HTTP: bodies, queries, answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from roost.migration.model import Config, Counts, Kind, Progress, State, Verdict
from roost.web.paging import PageQuery
from roost.web.structs import Incoming, Outgoing

# The names by themselves: a parameter's schema stands alone.
VerdictName = Literal["create", "same", "update", "conflict", "invalid", "skip"]
KindName = Literal[
    "task",
    "message",
    "environment",
    "document",
    "preference",
    "secret",
    "offlineWrite",
    "backup",
    "cache",
    "probe",
    "unknown",
]


class MigrationStart(Incoming):
    """A dump: raw strings by localStorage key, never parsed on the way."""

    keys: dict[str, str]
    origin: str | None = None
    captured_at: str | None = None
    config: Config = msgspec.field(default_factory=Config)


class Migration(Outgoing):
    """One move of a browser's data."""

    id: UUID
    state: State
    origin: str | None
    captured_at: datetime | None
    config: Config
    counts: Counts
    progress: Progress
    error: dict[str, Any] | None
    undo: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Overview(Outgoing):
    """The caller's migrations, newest first, and whether another may start.

    None may while one runs, nor while one is being undone.
    """

    migrations: list[Migration]
    running: Migration | None
    may_start: bool


class Warning_(Outgoing):  # noqa: N801 -- Warning is Python's
    """Something the owner should know of an item that was kept all the same."""

    code: str
    field: str | None = None
    detail: str | None = None


class MigrationItem(Outgoing):
    """The verdict on one item; `offset` counts bytes of the key's UTF-8 text."""

    id: UUID
    key: str
    kind: Kind
    source_id: str | None
    target_id: UUID | None
    verdict: Verdict
    reason: str | None
    field: str | None
    detail: str | None
    offset: int | None
    warnings: list[Warning_]
    conflict: dict[str, Any] | None
    resolution: str | None
    position: int


class KeyReceipt(Outgoing):
    """One key: `sha256` is of the raw string's UTF-8, lone surrogates passed through."""

    key: str
    kind: Kind
    sha256: str
    bytes: int
    items: int
    note: str | None
    stored: bool


class Receipt(Outgoing):
    """What was received and is safely stored; `sha256` and `bytes` are of the whole dump."""

    state: State
    sha256: str
    bytes: int
    keys: list[KeyReceipt]


class ItemQuery(PageQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of a migration's items."""

    verdict: list[VerdictName] = msgspec.field(default_factory=list)
    kind: list[KindName] = msgspec.field(default_factory=list)
    key: Annotated[str, Meta(description="The localStorage key.")] | None = None
