"""Why a migration failed: a code, a message for people that says what to do, and where."""

from typing import Any, Final

import asyncpg
import msgspec

from roost.migration.model import Item
from roost.migration.shown import shown
from roost.migration.text import redact

REFUSED: Final = "REFUSED_BY_DATABASE"
"""The reason of an item whose row the database did not take."""
CANCELLING: Final = "CANCELLING"
"""The code that asks a migration that runs to stop."""
CANCELLED: Final = "CANCELLED"
"""The code of one that was stopped."""


class Failure(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """Why a migration failed; `message` is for people and says what to do."""

    code: str
    message: str
    key: str | None = None
    kind: str | None = None
    field: str | None = None
    reason: str | None = None
    offset: int | None = None
    position: int | None = None
    items: list[dict[str, Any]] = []
    #: Rows that were to be taken back and stay, because somebody has worked on them since.
    remaining: list[dict[str, Any]] = []


def invalid_item(row: Any) -> Failure:  # noqa: ANN401 -- a record
    """Say which item could not be read, and that nothing was written."""
    key = redact(row["key"])
    field = redact(row["field"]) if row["field"] else None
    place = f"{key}, {field}" if field else key
    at = f", at byte {row['byte_offset']}" if row["byte_offset"] is not None else ""
    return Failure(
        code="ITEM_INVALID",
        message=f"{place}{at}: {row['reason']}. Nothing was written. Use continueOnError to "
        "quarantine what cannot be read and migrate the rest.",
        key=key,
        kind=row["kind"],
        field=field,
        reason=row["reason"],
        offset=row["byte_offset"],
        position=row["position"],
    )


def refused_row(error: asyncpg.PostgresError, item: Item) -> Failure:
    """Say which key's row the database did not take."""
    # PostgreSQL's own message may hold the row.
    known = [type(error).__name__, *filter(None, [error.constraint_name])]
    return Failure(
        code="ROW_REFUSED",
        message=f"{redact(item.key)}: the database refused a row ({' '.join(known)}). "
        "What had been written was taken back.",
        key=redact(item.key),
        kind=item.kind.value,
        reason=REFUSED,
    )


def unverified_items(wrong: list[dict[str, Any]]) -> Failure:
    """Say how many rows read back otherwise; the first of them are named."""
    return Failure(
        code="VERIFICATION_FAILED",
        message=f"{len(wrong)} items read back otherwise than they were planned. Everything "
        "this migration wrote was taken back; the dump is kept. Try again.",
        items=shown(wrong[:20]),
    )


def too_slow() -> Failure:
    """Say that the database did not get a batch done in time, however often it was tried."""
    return Failure(
        code="QUERY_TIMEOUT",
        message="The database took too long for a batch, at every try: it is overloaded, or "
        "somebody holds the rows. What had been written was taken back, and the dump is kept. Try "
        "again later, or with a smaller batchSize.",
    )


def cancelling() -> Failure:
    """Say that it is to stop, to the process that carries it out and to those who watch."""
    return Failure(
        code=CANCELLING,
        message="It is being cancelled: what it has written is taken back.",
    )


def cancelled() -> Failure:
    """Say that it was stopped on its way."""
    return Failure(
        code=CANCELLED,
        message="It was cancelled. What had been written was taken back, and the dump is kept.",
    )


def internal_error() -> Failure:
    """Say that it was Roost's own fault."""
    return Failure(
        code="INTERNAL_ERROR",
        message="A fault of Roost's stopped the migration; the log has the details. What had "
        "been written was taken back, and the dump is kept.",
    )
