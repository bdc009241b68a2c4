"""What a plan decides on one item, and how that is written down."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from roost.db.pool import Transaction
from roost.migration import writes
from roost.migration.content import encode
from roost.migration.model import Item, Resolution, Verdict
from roost.migration.targets.target import Place


class Decision(msgspec.Struct):
    """What is done with one item, and the digest of the row that comes of it."""

    position: int
    item: Item
    verdict: Verdict
    resolution: Resolution | None = None
    field: str | None = None
    conflict: dict[str, Any] | None = None
    digest: bytes | None = None


async def store(
    transaction: Transaction, place: Place, migration_id: UUID, decisions: Sequence[Decision]
) -> None:
    """Write the verdicts down."""
    if decisions:
        await transaction.row(
            writes.STORE_ITEMS,
            workspace=place.workspace_id,
            migration=migration_id,
            rows=encode([_row(each) for each in decisions]).decode(),
        )


def _row(decision: Decision) -> dict[str, Any]:
    item = decision.item
    return {
        "id": str(uuid7()),
        "position": decision.position,
        "key": item.key,
        "kind": item.kind.value,
        "sourceId": item.source_id,
        "targetId": item.target_id,
        "verdict": decision.verdict.value,
        "reason": item.reason,
        "field": decision.field,
        "detail": item.detail,
        "offset": item.offset,
        "warnings": item.warnings,
        "conflict": decision.conflict,
        "resolution": decision.resolution,
        "digest": decision.digest.hex() if decision.digest else None,
    }
