"""Ids that are not free: a source's own UUID under which another user's row lies.

Two members of a workspace may bring the same dump. The second one's rows get ids of their own,
and the same ones every time.
"""

from typing import Any, Final

from sqlalchemy import ARRAY, Uuid, bindparam, func, or_, select

from roost.db.pool import Transaction
from roost.db.statements import Statement, compiled
from roost.environments.tables import environments
from roost.migration import ids
from roost.migration.context import Instead
from roost.migration.ledger import Ledger
from roost.migration.model import Item, Kind, State
from roost.migration.tables import migration_items
from roost.migration.targets.target import IDS, USER, WORKSPACE, is_any
from roost.tasks.tables import tasks

_OTHERS: Final = bindparam("others", type_=ARRAY(Uuid))


def _statement(name: str, table: Any, owner: Any) -> Statement:  # noqa: ANN401 -- tables share no typed base
    """Rows that are somebody else's, and rows of an id that was given instead of its own."""
    wanted = or_(is_any(table.c.id) & (owner != USER), table.c.id == func.any(_OTHERS))
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


async def occupied(ledger: Ledger, items: list[Item], transaction: Transaction) -> Instead:
    """Find out which of the items' own ids are not free, and what takes their place.

    Of a plan that is being carried out, its own verdicts say so.
    """
    instead: dict[Kind, dict[str, str]] = {}
    planned = ledger.state in (State.APPLYING, State.VERIFYING)
    for kind, statement in _ROWS.items():
        others = _others(ledger, items, kind)
        if not others:
            continue
        if planned:
            rows = await transaction.rows(_PLANNED, **ledger.this, ids=list(others.values()))
        else:
            rows = await transaction.rows(
                statement,
                workspace=ledger.place.workspace_id,
                user=ledger.place.user_id,
                ids=list(others),
                others=list(others.values()),
            )
        found = {str(row["id"]) for row in rows}
        instead[kind] = {
            own: other for own, other in others.items() if own in found or other in found
        }
    return instead


def _others(ledger: Ledger, items: list[Item], kind: Kind) -> dict[str, str]:
    """By the UUID that an item brought: the id it has when that is not free."""
    return {
        item.target_id: ids.legacy(ledger.place.user_id, item.key, item.source_id)
        for item in items
        if item.kind is kind
        and item.draft is not None
        and item.target_id is not None
        and item.target_id == ids.own_uuid(item.source_id)
    }
