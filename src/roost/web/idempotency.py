"""`Idempotency-Key`: the same request again gives the first answer again."""

import json
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import (
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.errors import ProblemError
from roost.web.principal import Principal
from roost.web.query import invalid
from roost.web.reply import Reply
from roost.web.tables import idempotency_keys as keys

MAX_KEY = 255

_CLAIM = compiled(
    "insert idempotency_keys",
    insert(keys)
    .values(
        workspace_id=bindparam("workspace", type_=Uuid),
        id=bindparam("key_id", type_=Uuid),
        user_id=bindparam("user", type_=Uuid),
        key=bindparam("name", type_=Text),
        fingerprint=bindparam("print", type_=LargeBinary),
    )
    .on_conflict_do_nothing()
    .returning(keys.c.id),
)
_mine = (
    (keys.c.workspace_id == bindparam("workspace", type_=Uuid))
    & (keys.c.user_id == bindparam("user", type_=Uuid))
    & (keys.c.key == bindparam("name", type_=Text))
)
_FIND = compiled(
    "select idempotency_keys",
    select(keys.c.fingerprint, keys.c.status, keys.c.headers, keys.c.body).where(_mine),
)
_EXPIRE = compiled(
    "delete idempotency_keys",
    delete(keys).where(
        keys.c.workspace_id == bindparam("workspace", type_=Uuid),
        keys.c.user_id == bindparam("user", type_=Uuid),
        keys.c.created_at < func.now() - literal_column("interval '24 hours'"),
    ),
)
_RECORD = compiled(
    "update idempotency_keys",
    update(keys)
    .where(_mine)
    .values(
        status=bindparam("answer_status"),
        headers=bindparam("answer_headers"),
        body=bindparam("answer_body"),
    ),
)


def read_key(header: str | None) -> str | None:
    """Check the header's value."""
    if header is None:
        return None
    if not 1 <= len(header) <= MAX_KEY:
        raise invalid("Idempotency-Key", f"must have 1 to {MAX_KEY} characters")
    return header


def fingerprint(method: str, path: str, raw: bytes) -> bytes:
    """Say what the request was, so that its key can't be used for another."""
    return sha256(f"{method} {path}\n".encode() + raw).digest()


async def earlier_answer(
    transaction: Transaction, principal: Principal, key: str, print_: bytes
) -> Reply | None:
    """Claim the key, or give the answer it had; waits for a request that is under way with it."""
    values: dict[str, Any] = {
        "workspace": principal.workspace_id,
        "user": principal.user_id,
        "name": key,
    }
    await transaction.row(_EXPIRE, workspace=principal.workspace_id, user=principal.user_id)
    if await transaction.row(_CLAIM, **values, key_id=uuid7(), print=print_):
        return None
    found = await transaction.row(_FIND, **values)
    if found is None or found["status"] is None:
        raise ProblemError(errors.CONTENTION, "a request with this key is under way")
    if found["fingerprint"] != print_:
        raise ProblemError(errors.IDEMPOTENCY_KEY_REUSED)
    pairs = [(name.encode(), value.encode()) for name, value in json.loads(found["headers"])]
    answer = Reply(bytes(found["body"] or b""), found["status"], pairs, media_type=None)
    answer.header("idempotent-replayed", "true")
    return answer


async def record(transaction: Transaction, principal: Principal, key: str, answer: Reply) -> None:
    """Keep the answer, in the transaction of the change itself."""
    pairs = [[name.decode(), value.decode()] for name, value in answer.headers]
    await transaction.row(
        _RECORD,
        workspace=principal.workspace_id,
        user=principal.user_id,
        name=key,
        answer_status=answer.status,
        answer_headers=msgspec.json.encode(pairs).decode(),
        answer_body=answer.body,
    )
