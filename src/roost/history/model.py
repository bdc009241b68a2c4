"""What history is on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from roost.history.moments import AsOf
from roost.web.paging import PageQuery
from roost.web.structs import Incoming, Outgoing

Given = AsOf | Annotated[int, Meta(ge=0, le=2**53)]
KindNames = Annotated[
    list[str], Meta(description="`tasks`, `messages`, `environments`; without it, all.")
]


class AsOfQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of one thing's route."""

    as_of: AsOf | None = None


class VersionQuery(PageQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of a history."""


class Operation(Outgoing, omit_defaults=True):
    """An operation of a JSON patch (RFC 6902)."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str
    value: Any = None
    from_: Annotated[str, Meta(description="Of a move: where from.")] = msgspec.field(
        default="", name="from"
    )


class VersionEntry(Outgoing):
    """A change of one thing, and what it made of the version before.

    `tick` is the first that sees it, null until there is one. `patch` adds the whole document when
    the thing was created, and is empty when it was deleted.
    """

    version: int
    op: Literal["created", "changed", "deleted"]
    at: datetime
    tick: int | None
    actor_id: UUID | None
    cause: str | None
    patch: list[Operation]


class Restore(Incoming):
    """The body of `POST …/restore`: one of `version` and `asOf`."""

    version: Annotated[int, Meta(ge=1)] | None = None
    as_of: Given | None = None


class MomentShown(Outgoing):
    """A tick, and when it was made; tick 0 is before the first."""

    tick: int
    at: datetime | None


class HistoryQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /history`."""

    as_of: AsOf
    kind: KindNames | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Items of a kind, 1 to 100.")] = 20
    cursor: (
        Annotated[str, Meta(description="`nextCursor` of the one kind that is asked for.")] | None
    ) = None


class KindThen(Outgoing):
    """What there was of a kind: how many, and a page of them, oldest first."""

    kind: str
    total: int
    total_is_exact: bool
    items: list[dict[str, Any]]
    next_cursor: str | None


class WorkspaceThen(Outgoing):
    """A workspace as it was."""

    as_of: MomentShown
    kinds: list[KindThen]


class DiffQuery(PageQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /history/diff`."""

    from_: AsOf = msgspec.field(name="from")
    to: Annotated[AsOf, Meta(description="Without it, the newest tick.")] | None = None
    kind: KindNames | None = None


class Difference(Outgoing):
    """What became of one thing between two moments; `patch` as in a history."""

    kind: str
    id: UUID
    change: Literal["created", "changed", "deleted"]
    patch: list[Operation]


class WorkspaceRestore(Incoming):
    """The body of `POST /history/restore`; `dryRun` only counts."""

    as_of: Given
    kinds: KindNames | None = None
    dry_run: bool = False


class KindRestored(Outgoing):
    """What was done to a kind: rows made anew, set back, and deleted since they were new.

    `kept` were new too, and stay: what hangs on them (secrets) could not be put back.
    """

    kind: str
    created: int
    changed: int
    deleted: int
    kept: int


class WorkspaceRestored(Outgoing):
    """What a restore did. `before` is the moment before it: to restore that is to undo this."""

    as_of: MomentShown
    before: MomentShown
    cause: str
    dry_run: bool
    kinds: list[KindRestored]
