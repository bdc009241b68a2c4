"""The journal's tables, for typed queries; `install.py` makes them, no schema revision does."""

from typing import Any

from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    DateTime,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, OID
from sqlalchemy.types import UserDefinedType

SCHEMA = "journal"
metadata = MetaData(schema=SCHEMA)
"""Not the application's: what Alembic compares must not know these."""


class Xid8(UserDefinedType[int]):
    """A transaction id of 64 bits."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:  # noqa: ANN401 -- SQLAlchemy's signature
        """Name the type."""
        return "xid8"


class Snapshot(UserDefinedType[str]):
    """Which transactions had ended at a moment."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:  # noqa: ANN401 -- SQLAlchemy's signature
        """Name the type."""
        return "pg_snapshot"


class Ctid(UserDefinedType[tuple[int, int]]):
    """Where a version of a row is: block and item."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:  # noqa: ANN401 -- SQLAlchemy's signature
        """Name the type."""
        return "tid"


class Name(UserDefinedType[str]):
    """The name of something in the database."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:  # noqa: ANN401 -- SQLAlchemy's signature
        """Name the type."""
        return "name"


journal = Table(
    "journal",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("xid", Xid8, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid),
    Column("cause", Text),
    Column("workspace_id", Uuid),
    Column("relation", Integer, nullable=False),
    Column("layout", BigInteger, nullable=False),
    Column("row_id", Text),
    Column("op", CHAR(1), nullable=False),
    Column("old", Text),
    Column("new", Text),
    Column("kept", ARRAY(SmallInteger)),
    Column("old_ctid", Ctid),
    Column("new_ctid", Ctid),
)

tick = Table(
    "tick",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("snapshot", Snapshot, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("seq", BigInteger),
)

horizon = Table(
    "horizon",
    metadata,
    Column("tick", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

relation = Table(
    "relation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("oid", OID, nullable=False),
    Column("schema", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("workspace_column", Name),
    Column("id_columns", ARRAY(Name), nullable=False),
    Column("exclude", ARRAY(Name), nullable=False),
    Column("large", ARRAY(Name), nullable=False),
)

layout = Table(
    "layout",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("xid", Xid8, nullable=False),
    Column("relation", Integer, nullable=False),
    Column("oid", OID, nullable=False),
    Column("columns", JSONB, nullable=False),
)
