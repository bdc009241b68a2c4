"""What a source may call the owner of its rows: by what Roost knows, and by what its owner says."""

from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import select

from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.identity.tables import identities, users
from roost.migration.model import LONGEST_ALIAS, MOST_ALIASES, Config
from roost.migration.targets.target import USER

_u, _i = users.c, identities.c
_KNOWN: Final = compiled(
    "select users.names",
    select(
        _u.email,
        _u.name,
        _i.provider,
        _i.subject,
        _i.email.label("identity_email"),
        _i.name.label("identity_name"),
    )
    .select_from(users.outerjoin(identities, _i.user_id == _u.id))
    .where(_u.id == USER)
    .order_by(_i.id),
)


async def with_aliases(transaction: Transaction, user_id: UUID, config: Config) -> Config:
    """The configuration with all of the user's names, which thus stay the same while it is read."""
    rows = await transaction.rows(_KNOWN, user=user_id)
    known = (name for row in rows for name in _names(row))
    names = dict.fromkeys([*config.aliases, *filter(_fits, known)])
    return replace(config, aliases=[*names][:MOST_ALIASES])


def _names(row: Any) -> list[str | None]:  # noqa: ANN401 -- a record
    names = [row["email"], row["name"], row["identity_email"], row["identity_name"]]
    if row["subject"] is not None:
        names += [row["subject"], f"{row['provider']}|{row['subject']}"]
    return names


def _fits(name: str | None) -> bool:
    return name is not None and 0 < len(name) <= LONGEST_ALIAS
