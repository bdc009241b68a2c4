"""Settings: members of the user's `preferences`."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.identity.tables import users
from roost.migration.content import Content, encode
from roost.migration.drafts import PreferenceDraft
from roost.migration.model import Item
from roost.migration.targets.target import USER, Change, Found, Place

_u = users.c
_FOUND: Final = compiled(
    "select users.preferences",
    select(cast(_u.preferences, Text).label("body")).where(_u.id == USER),
)
_LOCK: Final = compiled("select users.lock", select(_u.id).where(_u.id == USER).with_for_update())
_MERGE: Final = compiled(
    "update users.preferences",
    update(users)
    .where(_u.id == USER)
    .values(
        preferences=_u.preferences.op("||")(bindparam("values", type_=JSONB)),
        version=_u.version + 1,
        updated_at=func.now(),
    ),
)
_REMOVE: Final = compiled(
    "update users.preferences.less",
    update(users)
    .where(_u.id == USER)
    .values(
        preferences=_u.preferences.op("-")(bindparam("names", type_=ARRAY(Text))),
        version=_u.version + 1,
        updated_at=func.now(),
    ),
)


class PreferenceTarget:
    """Preferences by key. An item's id stands for the key: `names` knows which."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def know(self, target_id: str, key: str) -> None:
        """Say which key an id stands for."""
        self._keys[target_id] = key

    async def lock(self, transaction: Transaction, place: Place) -> None:
        """Let nobody change a preference until the transaction ends."""
        await transaction.row(_LOCK, user=place.user_id)

    async def found(
        self, transaction: Transaction, place: Place, ids: Sequence[str]
    ) -> dict[str, Found]:
        """The preferences that are set."""
        row = await transaction.row(_FOUND, user=place.user_id)
        known = {} if row is None else msgspec.json.decode(row["body"], type=dict[str, msgspec.Raw])
        found = {}
        for target_id in ids:
            key = self._keys[target_id]
            if key in known:
                content = {"id": target_id, "key": key, "value": known[key]}
                found[target_id] = Found(encode(content))
        return found

    async def create(self, transaction: Transaction, place: Place, items: Sequence[Item]) -> None:
        """Set preferences."""
        drafts = [item.draft for item in items]
        made = {draft.key: draft.value for draft in drafts if isinstance(draft, PreferenceDraft)}
        await transaction.row(_MERGE, user=place.user_id, values=encode(made).decode())

    async def overwrite(
        self, transaction: Transaction, place: Place, changes: Sequence[Change]
    ) -> int:
        """Set preferences anew."""
        contents = [change.content() for change in changes]
        made = {each["key"]: each["value"] for each in contents}
        await transaction.row(_MERGE, user=place.user_id, values=encode(made).decode())
        return len(changes)

    async def take_back(self, transaction: Transaction, place: Place, ids: Sequence[str]) -> None:
        """Remove preferences."""
        names = [self._keys[target_id] for target_id in ids]
        await transaction.row(_REMOVE, user=place.user_id, names=names)

    async def restore(
        self, transaction: Transaction, place: Place, target_id: str, before: Content
    ) -> None:
        """Give a preference the value it had."""
        made = {self._keys[target_id]: before["value"]}
        await transaction.row(_MERGE, user=place.user_id, values=encode(made).decode())
