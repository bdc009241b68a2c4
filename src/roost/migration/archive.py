"""Rows as they were before they were touched: compressed, sealed, a part for each batch."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

import msgspec
from uuid_utils.compat import uuid7

from roost.db.pool import Transaction
from roost.migration import writes
from roost.migration.content import Content, encode
from roost.migration.targets.target import Place

_LEVEL = 1


class Archive(msgspec.Struct):
    """What was there: rows' contents by table; sealed secrets by place; preferences by key."""

    rows: dict[str, list[Content]] = {}
    secrets: dict[str, bytes] = {}
    preferences: dict[str, dict[str, Any]] = {}


async def store_archive(
    transaction: Transaction, place: Place, number: int, archive: Archive
) -> None:
    """Store a part: of what was there before the migration (0), or before its n-th undo."""
    if archive == Archive():
        return
    document = {
        "rows": archive.rows,
        "secrets": {name: b64encode(value).decode() for name, value in archive.secrets.items()},
        "preferences": archive.preferences,
    }
    await transaction.row(
        writes.STORE_BACKUP,
        workspace=place.workspace_id,
        migration=place.migration_id,
        backup=uuid7(),
        number=number,
        content=place.box.seal_bytes(zlib.compress(encode(document), _LEVEL)),
    )


async def load_archive(transaction: Transaction, place: Place, number: int) -> Archive:
    """Read all its parts as one; of a row that is in two, the first counts."""
    found = await transaction.rows(
        writes.BACKUPS,
        workspace=place.workspace_id,
        migration=place.migration_id,
        number=number,
    )
    return joined(open_archive(place, row["content"]) for row in found)


def open_archive(place: Place, content: bytes) -> Archive:
    """Open one part; SecretKeyError when its key is gone."""
    document = msgspec.json.decode(zlib.decompress(place.box.open_bytes(content)))
    return Archive(
        rows=document["rows"],
        secrets={name: b64decode(value) for name, value in document["secrets"].items()},
        preferences=document["preferences"],
    )


def joined(parts: Iterable[Archive]) -> Archive:
    """Put parts together; of a row that is in two, the first counts."""
    whole = Archive(rows={}, secrets={}, preferences={})
    seen: set[tuple[str, str]] = set()
    for part in parts:
        for table, contents in part.rows.items():
            new = [each for each in contents if (table, each["id"]) not in seen]
            seen |= {(table, each["id"]) for each in new}
            whole.rows.setdefault(table, []).extend(new)
        whole.secrets = part.secrets | whole.secrets
        whole.preferences = part.preferences | whole.preferences
    return whole
