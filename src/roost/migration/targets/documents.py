"""Texts that are kept verbatim."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import func, insert, select, update

from roost.db.jsontext import object_text
from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.migration.content import content_of, encode
from roost.migration.model import Item
from roost.migration.tables import documents
from roost.migration.targets.target import (
    USER,
    WORKSPACE,
    Change,
    Found,
    Place,
    is_any,
    records,
    text_array,
)

_c = documents.c
FIELDS: Final[dict[str, Any]] = {
    "id": _c.id,
    "kind": _c.kind,
    "key": _c.key,
    "subId": _c.sub_id,
    "content": _c.content,
    "contentType": _c.content_type,
    "encoding": _c.encoding,
}
_new = records(FIELDS)
_mine = (_c.workspace_id == WORKSPACE) & (_c.user_id == USER)
_CREATE: Final = compiled(
    "insert documents",
    insert(documents).from_select(
        ["workspace_id", "user_id", *(known.name for known in FIELDS.values())],
        select(WORKSPACE, USER, *(_new.c[name] for name in FIELDS)),
    ),
)
_OVERWRITE: Final = compiled(
    "update documents",
    update(documents)
    .where(_mine, _c.id == _new.c.id)
    .values(
        {known.name: _new.c[name] for name, known in FIELDS.items() if name != "id"}
        | {"updated_at": func.now()}
    )
    .returning(_c.id),
)
_FOUND: Final = compiled(
    "select documents",
    select(_c.id, object_text(FIELDS).label("body")).where(_mine, is_any(_c.id)),
)


class DocumentTarget:
    """Documents of the user. They have no version: nothing but a migration writes them."""

    async def found(
        self, transaction: Transaction, place: Place, ids: Sequence[str]
    ) -> dict[str, Found]:
        """The user's documents that exist."""
        rows = await transaction.rows(
            _FOUND, workspace=place.workspace_id, user=place.user_id, ids=ids
        )
        return {str(row["id"]): Found(row["body"].encode()) for row in rows}

    async def create(self, transaction: Transaction, place: Place, items: Sequence[Item]) -> None:
        """Insert documents."""
        rows = text_array([content_of(item) for item in items])
        await transaction.row(_CREATE, workspace=place.workspace_id, user=place.user_id, rows=rows)

    async def overwrite(
        self, transaction: Transaction, place: Place, changes: Sequence[Change]
    ) -> int:
        """Replace the text."""
        rows = encode([change.content() for change in changes]).decode()
        these = {"workspace": place.workspace_id, "user": place.user_id}
        return len(await transaction.rows(_OVERWRITE, **these, rows=rows))
