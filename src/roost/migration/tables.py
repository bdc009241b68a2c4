"""What a migration leaves: the dump as it came, a verdict for each item, and a receipt by key."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Named,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    Uuid,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.columns import instant, made_at, row_id, row_version, tenant_id, words
from roost.db.metadata import metadata


def _of_a_migration() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace_id", "migration_id"],
        ["migrations.workspace_id", "migrations.id"],
        ondelete="CASCADE",
    )


def hashed(words: ColumnElement[str]) -> ColumnElement[bytes]:
    """The SHA-256 of a text, for indexes: a key of the browser's may be too long for one itself."""
    # Not convert_to(), whose result PostgreSQL does not hold to be always the same.
    escaped = func.replace(words, literal_column(r"'\'"), literal_column(r"'\\'"))
    return func.sha256(func.decode(escaped, literal_column("'escape'")))


class MigrationColumns(TypedColumns):
    """One move of a browser's data; `counts`, `progress`, `error` and `undo` are JSON objects.

    `approved_at` says when its plan was approved, or its last conflict resolved.
    """

    workspace_id = tenant_id()
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, nullable=False)
    state = words()
    origin: Named[str | None] = Column(Text)
    captured_at: Named[datetime | None] = instant()
    config: Named[dict[str, Any]] = Column(JSONB, nullable=False)
    counts: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    progress: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    error: Named[dict[str, Any] | None] = Column(JSONB)
    version = row_version()
    created_at = made_at()
    started_at: Named[datetime | None] = instant()
    finished_at: Named[datetime | None] = instant()
    updated_at = made_at()
    undo: Named[dict[str, Any] | None] = Column(JSONB)
    approved_at: Named[datetime | None] = instant()


migrations = Table("migrations", metadata, MigrationColumns)
Index(
    "migrations_one_running_key",
    migrations.c.workspace_id,
    migrations.c.user_id,
    unique=True,
    postgresql_where=text("state in ('received', 'applying', 'verifying')"),
)


class DumpColumns(TypedColumns):
    """The dump as it was received, compressed and sealed; NULL once its owner has deleted it.

    `sha256` and `size` (bytes) are of what came.
    """

    workspace_id = tenant_id()
    id = row_id()
    migration_id: Named[UUID] = Column(Uuid, nullable=False)
    sha256: Named[bytes] = Column(LargeBinary, nullable=False)
    size: Named[int] = Column(BigInteger, nullable=False)
    content: Named[bytes | None] = Column(LargeBinary)
    created_at = made_at()


migration_dumps = Table(
    "migration_dumps",
    metadata,
    DumpColumns,
    UniqueConstraint("workspace_id", "migration_id"),
    _of_a_migration(),
)


class BackupColumns(TypedColumns):
    """Rows as they were before a migration (`undo_number` 0) or one of its undos (1, 2, …).

    `content` is JSON, compressed and sealed; a migration has as many as it had batches.
    """

    workspace_id = tenant_id()
    id = row_id()
    migration_id: Named[UUID] = Column(Uuid, nullable=False)
    undo_number: Named[int] = Column(Integer, nullable=False)
    content: Named[bytes] = Column(LargeBinary, nullable=False)
    created_at = made_at()


migration_backups = Table("migration_backups", metadata, BackupColumns, _of_a_migration())
Index(
    None,
    migration_backups.c.workspace_id,
    migration_backups.c.migration_id,
    migration_backups.c.undo_number,
)


class KeyColumns(TypedColumns):
    """The receipt of one localStorage key; `sha256` is of the raw string's UTF-8, in hex."""

    workspace_id = tenant_id()
    id = row_id()
    migration_id: Named[UUID] = Column(Uuid, nullable=False)
    key = words()
    kind = words()
    sha256 = words()
    size: Named[int] = Column(BigInteger, nullable=False)
    item_count: Named[int] = Column(Integer, nullable=False)
    note: Named[str | None] = Column(Text)
    stored: Named[bool] = Column(Boolean, nullable=False, server_default=text("false"))


migration_keys = Table("migration_keys", metadata, KeyColumns, _of_a_migration())
Index(
    "migration_keys_key_hash_key",
    migration_keys.c.workspace_id,
    migration_keys.c.migration_id,
    hashed(migration_keys.c.key),
    unique=True,
)


class ItemColumns(TypedColumns):
    """The verdict on one item of a dump, in the order of the parse (`position`).

    `digest` is of the row as planned; `conflict` holds what undoing an overwrite needs.
    """

    workspace_id = tenant_id()
    id = row_id()
    migration_id: Named[UUID] = Column(Uuid, nullable=False)
    position: Named[int] = Column(Integer, nullable=False)
    key = words()
    kind = words()
    source_id: Named[str | None] = Column(Text)
    target_id: Named[UUID | None] = Column(Uuid)
    verdict = words()
    reason: Named[str | None] = Column(Text)
    field: Named[str | None] = Column(Text)
    detail: Named[str | None] = Column(Text)
    byte_offset: Named[int | None] = Column(BigInteger)
    warnings: Named[list[Any]] = Column(JSONB, nullable=False, server_default="[]")
    conflict: Named[dict[str, Any] | None] = Column(JSONB)
    resolution: Named[str | None] = Column(Text)
    digest: Named[bytes | None] = Column(LargeBinary)


migration_items = Table("migration_items", metadata, ItemColumns, _of_a_migration())
Index(
    "migration_items_order_key",
    migration_items.c.workspace_id,
    migration_items.c.migration_id,
    migration_items.c.position,
    unique=True,
)


class DocumentColumns(TypedColumns):
    """A text kept as it was in the browser: an unknown key, a draft, a quarantined part.

    `content` gives back exactly those bytes, by way of `encoding` (text or base64). `sub_id`
    tells several documents of one key apart.
    """

    workspace_id = tenant_id()
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, nullable=False)
    kind = words()
    key = words()
    sub_id = words(default="")
    content = words()
    content_type = words(default="text/plain")
    encoding = words(default="text")
    created_at = made_at()
    updated_at = made_at()


documents = Table("documents", metadata, DocumentColumns)
Index(
    "documents_key_hash_idx",
    documents.c.workspace_id,
    documents.c.user_id,
    hashed(documents.c.key),
)


class KeptSecretColumns(TypedColumns):
    """A secret found in a dump that belongs to no environment, encrypted."""

    workspace_id = tenant_id()
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, nullable=False)
    name = words()
    ciphertext: Named[bytes] = Column(LargeBinary, nullable=False)
    created_at = made_at()
    updated_at = made_at()


kept_secrets = Table("kept_secrets", metadata, KeptSecretColumns)
Index(
    "kept_secrets_name_hash_key",
    kept_secrets.c.workspace_id,
    kept_secrets.c.user_id,
    hashed(kept_secrets.c.name),
    unique=True,
)
