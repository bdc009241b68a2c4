"""Environments and their secrets."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Named,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.columns import made_at, row_id, row_version, tenant_id, words
from roost.db.metadata import metadata


class EnvironmentColumns(TypedColumns):
    """What an agent needs to work; `config` is a free JSON object without secrets."""

    workspace_id = tenant_id()
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, nullable=False)
    name = words()
    description = words(default="")
    repository: Named[str | None] = Column(Text)
    config: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    is_active: Named[bool] = Column(Boolean, nullable=False, server_default=text("false"))
    version = row_version()
    created_at = made_at()
    updated_at = made_at()


environments = Table("environments", metadata, EnvironmentColumns)
Index(
    "environments_one_active_key",
    environments.c.workspace_id,
    environments.c.user_id,
    unique=True,
    postgresql_where=environments.c.is_active,
)


class SecretColumns(TypedColumns):
    """An encrypted value; read back by a claim alone, never by a route."""

    workspace_id = tenant_id()
    id = row_id()
    environment_id: Named[UUID] = Column(Uuid, nullable=False)
    name = words()
    ciphertext: Named[bytes] = Column(LargeBinary, nullable=False)
    created_at = made_at()
    updated_at = made_at()


environment_secrets = Table(
    "environment_secrets",
    metadata,
    SecretColumns,
    UniqueConstraint("workspace_id", "environment_id", "name"),
    ForeignKeyConstraint(
        ["workspace_id", "environment_id"],
        ["environments.workspace_id", "environments.id"],
        ondelete="CASCADE",
    ),
)
