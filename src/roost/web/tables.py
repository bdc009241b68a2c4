"""What the delivery kit keeps: the answers to requests with an idempotency key."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Named,
    Table,
    TypedColumns,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.columns import made_at, row_id, tenant_id, words
from roost.db.metadata import metadata


class IdempotencyColumns(TypedColumns):
    """One answered request; `fingerprint` is the SHA-256 of method, path and body."""

    workspace_id = tenant_id()
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, nullable=False)
    key = words()
    fingerprint: Named[bytes] = Column(LargeBinary, nullable=False)
    status: Named[int | None] = Column(Integer)
    headers: Named[dict[str, Any] | None] = Column(JSONB)
    body: Named[bytes | None] = Column(LargeBinary)
    created_at = made_at()


idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    IdempotencyColumns,
    UniqueConstraint("workspace_id", "user_id", "key"),
)
Index(None, idempotency_keys.c.created_at)
