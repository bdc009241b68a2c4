"""Credentials that belong to no environment: sealed, named, never shown."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, LargeBinary, Text, bindparam, func, insert, select, update

from roost.db.jsontext import object_text
from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.migration.drafts import SecretDraft
from roost.migration.model import Item
from roost.migration.tables import kept_secrets
from roost.migration.targets.sealing import seal
from roost.migration.targets.target import IDS, USER, WORKSPACE, Change, Found, Place, is_any

_c = kept_secrets.c
_mine = (_c.workspace_id == WORKSPACE) & (_c.user_id == USER)
_sealed = (
    func.unnest(
        IDS,
        bindparam("names", type_=ARRAY(Text)),
        bindparam("ciphertexts", type_=ARRAY(LargeBinary)),
    )
    .table_valued("id", "name", "ciphertext", name="new")
    .render_derived()
)
VALUE: Final = "value"
"""The name under which a kept secret's own value is known here."""
_KIND: Final = "kept_secret"
"""What the audit trail calls one; its name is its user's own affair."""

_CREATE: Final = compiled(
    "insert kept_secrets",
    insert(kept_secrets).from_select(
        ["workspace_id", "user_id", "id", "name", "ciphertext"],
        select(WORKSPACE, USER, _sealed.c.id, _sealed.c.name, _sealed.c.ciphertext),
    ),
)
_OVERWRITE: Final = compiled(
    "update kept_secrets",
    update(kept_secrets)
    .where(_mine, _c.id == _sealed.c.id)
    .values(ciphertext=_sealed.c.ciphertext, updated_at=func.now())
    .returning(_c.id),
)
_FOUND: Final = compiled(
    "select kept_secrets",
    select(_c.id, object_text({"id": _c.id, "name": _c.name}).label("body"), _c.ciphertext).where(
        _mine, is_any(_c.id)
    ),
)


class KeptSecretTarget:
    """Kept secrets of the user."""

    async def found(
        self, transaction: Transaction, place: Place, ids: Sequence[str]
    ) -> dict[str, Found]:
        """The names that exist, with their sealed values."""
        rows = await transaction.rows(
            _FOUND, workspace=place.workspace_id, user=place.user_id, ids=ids
        )
        return {
            str(row["id"]): Found(row["body"].encode(), sealed={VALUE: row["ciphertext"]})
            for row in rows
        }

    async def create(self, transaction: Transaction, place: Place, items: Sequence[Item]) -> None:
        """Seal and insert."""
        values = self._values(place, items)
        await transaction.row(_CREATE, **values)
        await self._tell_set(transaction, place, values["ids"])

    async def overwrite(
        self, transaction: Transaction, place: Place, changes: Sequence[Change]
    ) -> int:
        """Seal and replace."""
        values = self._values(place, [change.item for change in changes])
        rows = await transaction.rows(_OVERWRITE, **values)
        await self._tell_set(transaction, place, [str(row["id"]) for row in rows])
        return len(rows)

    async def _tell_set(self, transaction: Transaction, place: Place, ids: Sequence[str]) -> None:
        await place.tell(transaction, "secret.set", _KIND, dict.fromkeys(ids, ()))

    def _values(self, place: Place, items: Sequence[Item]) -> dict[str, Any]:
        drafts = [item.draft for item in items]
        found = [draft for draft in drafts if isinstance(draft, SecretDraft)]
        return {
            "workspace": place.workspace_id,
            "user": place.user_id,
            "ids": [item.target_id for item in items],
            "names": [draft.name for draft in found],
            "ciphertexts": [seal(place.box, draft.value) for draft in found],
        }
