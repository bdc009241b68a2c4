"""Environments with their sealed secrets."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    update,
)
from uuid_utils.compat import uuid7

from roost.db.jsontext import object_text
from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.environments.tables import environment_secrets, environments
from roost.migration.content import content_of, encode
from roost.migration.drafts import EnvironmentDraft
from roost.migration.model import Item
from roost.migration.targets.sealing import seal
from roost.migration.targets.target import (
    PUT,
    USER,
    WORKSPACE,
    Change,
    Found,
    Place,
    is_any,
    records,
)

_e, _s = environments.c, environment_secrets.c
_ID: Final = {"id": _e.id}
FIELDS: Final[dict[str, Any]] = {
    "name": _e.name,
    "description": _e.description,
    "repository": _e.repository,
    "config": _e.config,
    "createdAt": _e.created_at,
    "updatedAt": _e.updated_at,
}
_new = records({**_ID, **FIELDS, "isActive": column("isActive", Boolean)})
_mine = (_e.workspace_id == WORKSPACE) & (_e.user_id == USER)
_another_is_active = select(_e.id).where(_mine, _e.is_active).exists()
_CREATE: Final = compiled(
    "insert environments.migrated",
    insert(environments).from_select(
        ["workspace_id", "user_id", "id", *(known.name for known in FIELDS.values()), "is_active"],
        select(
            WORKSPACE,
            USER,
            _new.c.id,
            *(_new.c[name] for name in FIELDS),
            # Which one is active, its user has said here already.
            _new.c.isActive & ~_another_is_active,
        ),
    ),
)
_changed = records({**_ID, **FIELDS, "expected": _e.version})
_OVERWRITE: Final = compiled(
    "update environments.migrated",
    update(environments)
    .where(
        _mine,
        _e.id == _changed.c.id,
        _changed.c.expected.is_(None) | (_e.version == _changed.c.expected),
    )
    .values(
        {known.name: _changed.c[name] for name, known in FIELDS.items()}
        | {"version": _e.version + 1}
    )
    .returning(_e.id),
)
_secrets = (
    func.unnest(
        bindparam("secret_ids", type_=ARRAY(Uuid)),
        bindparam("ids", type_=ARRAY(Uuid)),
        bindparam("names", type_=ARRAY(Text)),
        bindparam("ciphertexts", type_=ARRAY(LargeBinary)),
    )
    .table_valued("id", "environment_id", "name", "ciphertext", name="new")
    .render_derived()
)
_PUT_SECRETS: Final = compiled(
    "insert environment_secrets.migrated",
    insert(environment_secrets).from_select(
        ["workspace_id", "id", "environment_id", "name", "ciphertext"],
        select(
            WORKSPACE,
            _secrets.c.id,
            _secrets.c.environment_id,
            _secrets.c.name,
            _secrets.c.ciphertext,
        ),
    ),
)
_CLEAR: Final = compiled(
    "delete environment_secrets.migrated",
    delete(environment_secrets)
    .where(_s.workspace_id == WORKSPACE, is_any(_s.environment_id))
    .returning(_s.environment_id, _s.name),
)
_named = (
    func.unnest(bindparam("ids", type_=ARRAY(Uuid)), bindparam("names", type_=ARRAY(Text)))
    .table_valued("environment_id", "name", name="named")
    .render_derived()
)
_CLEAR_NAMED: Final = compiled(
    "delete environment_secrets.named",
    delete(environment_secrets)
    .where(
        _s.workspace_id == WORKSPACE,
        _s.environment_id == _named.c.environment_id,
        _s.name == _named.c.name,
    )
    .returning(_s.environment_id, _s.name),
)
_active = environments.alias("active")
_FOUND: Final = compiled(
    "select environments.migrated",
    select(
        _e.id,
        _e.version,
        object_text({**_ID, **FIELDS}).label("body"),
        _e.is_active,
        select(_active.c.id)
        .where(_active.c.workspace_id == WORKSPACE, _active.c.user_id == USER, _active.c.is_active)
        .exists()
        .label("is_one_active"),
    ).where(_mine, is_any(_e.id)),
)
_FOUND_SECRETS: Final = compiled(
    "select environment_secrets.migrated",
    select(_s.environment_id, _s.name, _s.ciphertext).where(
        _s.workspace_id == WORKSPACE, is_any(_s.environment_id)
    ),
)
_Secret = tuple[str, str, bytes]
_KIND: Final = "environment"


class EnvironmentTarget:
    """Environments; whether one is active is decided where it is created, and left alone later."""

    async def found(
        self, transaction: Transaction, place: Place, ids: Sequence[str]
    ) -> dict[str, Found]:
        """The user's environments that exist, with their sealed secrets."""
        these = {"workspace": place.workspace_id, "user": place.user_id}
        rows = await transaction.rows(_FOUND, **these, ids=ids)
        if not rows:
            return {}
        sealed: dict[str, dict[str, bytes]] = {str(row["id"]): {} for row in rows}
        kept = await transaction.rows(
            _FOUND_SECRETS, workspace=place.workspace_id, ids=list(sealed)
        )
        for row in kept:
            sealed[str(row["environment_id"])][row["name"]] = row["ciphertext"]
        found = {}
        for row in rows:
            names = sealed[str(row["id"])]
            body = row["body"].encode()[:-1] + b',"secrets":%s}' % encode(sorted(names))
            # A user has one active: where it is another, that this one is not is as it should be.
            active = row["is_active"] or (None if row["is_one_active"] else False)
            found[str(row["id"])] = Found(body, row["version"], names, active)
        return found

    async def create(self, transaction: Transaction, place: Place, items: Sequence[Item]) -> None:
        """Insert environments and their sealed secrets."""
        drafts = _drafts(items)
        rows = [
            msgspec.json.decode(content_of(item)) | {"isActive": draft.is_active}
            for item, draft in zip(items, drafts, strict=True)
        ]
        await transaction.row(
            _CREATE,
            workspace=place.workspace_id,
            user=place.user_id,
            rows=encode(rows).decode(),
        )
        await self._put_secrets(transaction, place, _sealed(place, drafts))

    async def overwrite(
        self, transaction: Transaction, place: Place, changes: Sequence[Change]
    ) -> int:
        """Replace environments and their secrets; of a merge, the secrets that come in."""
        rows = encode([change.content() for change in changes]).decode()
        these = {"workspace": place.workspace_id, "user": place.user_id}
        changed = await transaction.rows(_OVERWRITE, **these, rows=rows)
        written = {str(row["id"]) for row in changed}
        whole = [each.item for each in changes if PUT not in each.kept]
        drafts = [each for each in _drafts(whole) if each.id in written]
        ids = [each.id for each in drafts]
        had = await transaction.rows(_CLEAR, workspace=place.workspace_id, ids=ids)
        secrets = _sealed(place, drafts)
        coming = _coming(place, [each for each in changes if PUT in each.kept], written)
        had += await transaction.rows(
            _CLEAR_NAMED,
            workspace=place.workspace_id,
            ids=[each[0] for each in coming],
            names=[each[1] for each in coming],
        )
        secrets += coming
        await self._put_secrets(transaction, place, secrets)
        still = {(each[0], each[1]) for each in secrets}
        gone = {(str(row["environment_id"]), row["name"]) for row in had} - still
        await place.tell(transaction, "secret.deleted", _KIND, _by_environment(gone))
        return len(written)

    async def _put_secrets(
        self, transaction: Transaction, place: Place, secrets: list[_Secret]
    ) -> None:
        if secrets:
            await transaction.row(
                _PUT_SECRETS,
                workspace=place.workspace_id,
                secret_ids=[uuid7() for _ in secrets],
                ids=[each[0] for each in secrets],
                names=[each[1] for each in secrets],
                ciphertexts=[each[2] for each in secrets],
            )
            named = [(each[0], each[1]) for each in secrets]
            await place.tell(transaction, "secret.set", _KIND, _by_environment(named))


def _by_environment(secrets: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for environment, name in secrets:
        names.setdefault(environment, []).append(name)
    return names


def _drafts(items: Sequence[Item]) -> list[EnvironmentDraft]:
    return [item.draft for item in items if isinstance(item.draft, EnvironmentDraft)]


def _coming(place: Place, changes: Sequence[Change], written: set[str]) -> list[_Secret]:
    """The secrets that merges bring, each sealed."""
    return [
        (draft.id, name, seal(place.box, draft.secrets[name]))
        for change in changes
        if isinstance(draft := change.item.draft, EnvironmentDraft) and draft.id in written
        for name in change.kept[PUT]
    ]


def _sealed(place: Place, drafts: list[EnvironmentDraft]) -> list[_Secret]:
    return [
        (draft.id, name, seal(place.box, value))
        for draft in drafts
        for name, value in draft.secrets.items()
    ]
