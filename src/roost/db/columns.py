"""Columns that many tables have, so that they are the same everywhere."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Text, Uuid, func


def instant(name: str | None = None) -> Column[datetime]:
    """A moment that may be unknown; always with a time zone."""
    return Column(name, DateTime(timezone=True))


def made_at() -> Column[datetime]:
    """A moment that the database sets when the row is made."""
    return Column(DateTime(timezone=True), nullable=False, server_default=func.now())


def row_version() -> Column[int]:
    """Counts the changes of a row, from 1; it is the row's ETag."""
    return Column(BigInteger, nullable=False, server_default="1")


def words(*, default: str | None = None) -> Column[str]:
    """Text that is never null."""
    return Column(Text, nullable=False, server_default=default)


def tenant_id() -> Column[UUID]:
    """The tenant, first in the primary key of every tenant table."""
    return Column(Uuid, primary_key=True)


def row_id() -> Column[UUID]:
    """A row's id; version 7 for new rows."""
    return Column(Uuid, primary_key=True)
