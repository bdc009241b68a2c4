"""Ids that are not free: a source's own UUID under which another user's row lies.

Two members of a workspace may bring the same dump. The second one's rows get ids of their own,
and the same ones every time.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import ARRAY, Uuid, bindparam, func, or_, select

from roost.db.pool import Transaction
from roost.db.statements import Statement, compiled
from roost.environments.tables import environments
from roost.migration import ids
from roost.migration.context import Instead
from roost.migration.ledger import Ledger
from roost.migration.model import Item, Kind, State
from roost.migration.parse import own_ids
from roost.migration.sources import Dump
from roost.migration.tables import migration_items
from roost.migration.targets.target import IDS, USER, WORKSPACE, is_any
from roost.tasks.tables import tasks

_AT_ONCE: Final = 5_000
_OTHERS: Final = bindparam("others", type_=ARRAY(Uuid))


def _statement(name: str, table: Any, owner: Any) -> Statement:  # noqa: ANN401 -- tables share no typed base
    """Rows that are somebody else's, and rows of an id that was given instead of its own."""
    foreign = is_any(table.c.id) & owner.is_distinct_from(USER)
    wanted = or_(foreign, table.c.id == func.any(_OTHERS))
    found = select(table.c.id).where(table.c.workspace_id == WORKSPACE, wanted)
    return compiled(f"select {name}.occupied", found)


_ROWS: Final = {
    Kind.TASK: _statement("tasks", tasks, tasks.c.created_by),
    Kind.ENVIRONMENT: _statement("environments", environments, environments.c.user_id),
}
_i = migration_items.c
_PLANNED: Final = compiled(
    "select migration_items.occupied",
    select(_i.target_id.label("id")).where(
        _i.workspace_id == WORKSPACE,
        _i.migration_id == bindparam("migration", type_=Uuid),
        _i.target_id == func.any(IDS),
    ),
)


async def occupied(ledger: Ledger, dump: Dump, *, anew: bool = False) -> tuple[Instead, int]:
    """Find out which of the items' own ids are not free, and what takes their place.

    Of a plan that is being carried out, its own verdicts say so, unless it is asked `anew`. Gives
    also how many elements the dump's stores have, about.
    """
    as_planned = ledger.state in (State.APPLYING, State.VERIFYING) and not anew
    instead: dict[Kind, dict[str, str]] = {kind: {} for kind in _ROWS}
    found, elements = own_ids(dump.keys), 0
    while part := await asyncio.to_thread(list, islice(found, _AT_ONCE)):
        elements += len(part)
        for kind in _ROWS:
            others = {
                own: ids.legacy(ledger.place.user_id, key, source_id)
                for each, key, source_id, own in part
                if each is kind
            }
            if others:
                work = partial(_taken, ledger, kind, others, as_planned)
                instead[kind] |= await ledger.database.write(ledger.context, work)
    return instead, elements


async def _taken(
    ledger: Ledger,
    kind: Kind,
    others: dict[str, str],
    as_planned: bool,  # noqa: FBT001 -- by partial
    transaction: Transaction,
) -> dict[str, str]:
    rows: Sequence[Any]
    if as_planned:
        rows = await transaction.rows(_PLANNED, **ledger.this, ids=list(others.values()))
    else:
        rows = await _rows(ledger, kind, list(others), list(others.values()), transaction)
    found = {str(row["id"]) for row in rows}
    return {own: other for own, other in others.items() if own in found or other in found}


async def _rows(
    ledger: Ledger, kind: Kind, own: list[str], others: list[str], transaction: Transaction
) -> Sequence[Any]:
    place = ledger.place
    these = {"workspace": place.workspace_id, "user": place.user_id}
    return await transaction.rows(_ROWS[kind], **these, ids=own, others=others)


async def has_foreign(ledger: Ledger, items: Sequence[Item], transaction: Transaction) -> bool:
    """Whether somebody else's row has the id of one of these."""
    for kind in _ROWS:
        own = [str(item.target_id) for item in items if item.kind is kind and item.target_id]
        if own and await _rows(ledger, kind, own, [], transaction):
            return True
    return False
