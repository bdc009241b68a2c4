"""What every target can do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, column, func
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql.selectable import TableValuedAlias

from roost.db.pool import Transaction
from roost.db.sealing import SecretBox
from roost.identity.audit.trail import Trail
from roost.migration.content import Content, content_of, normal
from roost.migration.model import Item


class Place(msgspec.Struct, frozen=True):
    """Whose rows they are, what seals their secrets, and which migration writes them."""

    workspace_id: UUID
    user_id: UUID
    box: SecretBox
    migration_id: UUID

    async def tell(
        self,
        transaction: Transaction,
        action: str,
        kind: str,
        names: Mapping[str, Sequence[str]],
    ) -> None:
        """Write down in the audit trail what was done to secrets: by target, their names if any."""
        trail = Trail(self.workspace_id, self.user_id, request_id=str(self.migration_id))
        of_this = {"migrationId": self.migration_id}
        events = [
            (target, {"names": sorted(each), **of_this} if each else of_this)
            for target, each in names.items()
        ]
        await trail.record_several(transaction, action, kind, events)


class Found(msgspec.Struct):
    """A row that exists: its content's JSON text, its version, its secrets as they are kept.

    `active` says whether it is its user's active environment; None where another is.
    """

    body: bytes
    version: int | None = None
    sealed: dict[str, bytes] = {}
    active: bool | None = None

    def normal(self) -> Content:
        """The content for comparing."""
        content: Content = normal(self.body)
        return content

    def values(self) -> Content:
        """The content for writing it back."""
        content: Content = msgspec.json.decode(self.body)
        return content


PUT: Final = "putSecrets"
"""The member of `Change.kept` that names the secrets which a merge brings; the others stay."""


class Change(msgspec.Struct):
    """An item that overwrites a row: `version` is the one that was planned with.

    `kept` are fields whose value the row knows better.
    """

    item: Item
    version: int | None
    kept: Content = {}

    def content(self) -> Content:
        """What the row is to be, with the version it is to have before."""
        incoming: Content = msgspec.json.decode(content_of(self.item))
        return incoming | self.kept | {"expected": self.version}


class Target(Protocol):
    """A table's verbs. Each takes a chunk and does it in one or few statements."""

    async def found(
        self, transaction: Transaction, place: Place, ids: Sequence[str]
    ) -> dict[str, Found]:
        """The rows that exist of these ids."""

    async def create(self, transaction: Transaction, place: Place, items: Sequence[Item]) -> None:
        """Insert rows; asyncpg.UniqueViolationError when one is there already."""

    async def overwrite(
        self, transaction: Transaction, place: Place, changes: Sequence[Change]
    ) -> int:
        """Put the incoming in the place of what is there; gives how many rows had the version."""


WORKSPACE: ColumnElement[UUID] = bindparam("workspace", type_=Uuid)
USER: ColumnElement[UUID] = bindparam("user", type_=Uuid)
IDS: ColumnElement[Any] = bindparam("ids", type_=ARRAY(Uuid))


def is_any(identifier: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Whether it is one of the bound `ids`."""
    return identifier == func.any(IDS)


def records(
    columns: Mapping[str, ColumnElement[Any]],
    name: str = "new",
    source: ColumnElement[Any] | None = None,
) -> TableValuedAlias:
    """Rows out of a JSON array; a member's SQL type is that of the column by its wire name."""
    rows: ColumnElement[Any] = bindparam("rows", type_=JSON) if source is None else source
    return (
        func.json_to_recordset(rows)
        .table_valued(*(column(wire, known.type) for wire, known in columns.items()), name=name)
        .render_derived(with_types=True)
    )


def text_array(rows: Sequence[bytes]) -> str:
    """JSON objects as one JSON array, in text."""
    return f"[{b','.join(rows).decode()}]"
