"""What the database has of a dump's ids: those that are not free, and the environments named.

Two members of a workspace may bring the same dump, and two keys of one dump another row by the same
UUID. The second one's rows get ids of their own, and the same ones every time.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import ARRAY, Uuid, bindparam, func, or_, select

from roost.db.pool import Transaction
from roost.db.statements import Statement, compiled
from roost.environments.tables import environments
from roost.migration import ids
from roost.migration.context import Instead, Known
from roost.migration.keys import ENVIRONMENT_KEYS
from roost.migration.ledger import Ledger
from roost.migration.model import Item, Kind, State
from roost.migration.scanning import own_ids
from roost.migration.sources import Dump
from roost.migration.tables import migration_items
from roost.migration.targets.sealing import can_open
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
_ENVIRONMENTS: Final = compiled(
    "select environments.named",
    select(environments.c.id).where(
        environments.c.workspace_id == WORKSPACE,
        environments.c.user_id == USER,
        is_any(environments.c.id),
    ),
)
_LONGEST_NUMBER: Final = 15
_Place = tuple[str, str]
"""A key, and a UUID that came under it."""


async def known(ledger: Ledger, dump: Dump) -> tuple[Known, int]:
    """Find out what is known of a dump before it is parsed.

    Gives also how many elements the dump's stores have, about.
    """
    named: set[str] = set()
    instead, elements = await occupied(ledger, dump, named)
    earlier = await _environments(ledger, sorted(named))
    aliases = frozenset(ledger.config.aliases)
    return Known(aliases, instead, earlier, partial(can_open, ledger.place.box)), elements


async def occupied(
    ledger: Ledger, dump: Dump, named: set[str] | None = None, *, anew: bool = False
) -> tuple[Instead, int]:
    """Find out which of the items' own ids are not free, and what takes their place.

    Of a plan that is being carried out, its own verdicts say so, unless it is asked `anew`. `named`
    is given the ids of the environments that tasks name. Gives also how many elements there are.
    """
    as_planned = ledger.state in (State.APPLYING, State.VERIFYING) and not anew
    instead: dict[Kind, dict[_Place, str]] = {kind: {} for kind in _ROWS}
    found, elements = own_ids(dump.keys, named), 0
    while part := await asyncio.to_thread(list, islice(found, _AT_ONCE)):
        elements += len(part)
        for kind in _ROWS:
            others = {
                (key, own): (
                    ids.legacy(ledger.place.user_id, key, source_id),
                    ids.own_apart(ledger.place.user_id, kind, own),
                )
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
    others: dict[_Place, tuple[str, str]],
    as_planned: bool,  # noqa: FBT001 -- by partial
    transaction: Transaction,
) -> dict[_Place, str]:
    """Which rows take the place of their own ids: the key's own one first, if it is there."""
    given = list(dict.fromkeys(each for pair in others.values() for each in pair))
    rows: Sequence[Any]
    if as_planned:
        rows = await transaction.rows(_PLANNED, **ledger.this, ids=given)
    else:
        rows = await _rows(ledger, kind, [own for _, own in others], given, transaction)
    found = {str(row["id"]) for row in rows}
    taken = {}
    for (key, own), (of_key, apart) in others.items():
        if of_key in found:
            taken[key, own] = of_key
        elif own in found or apart in found:
            taken[key, own] = apart
    return taken


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


async def _environments(ledger: Ledger, named: list[str]) -> dict[str, str]:
    """The user's environments that tasks name by the ids that they had in a browser."""
    found: dict[str, str] = {}
    for start in range(0, len(named), _AT_ONCE):
        part = {name: [*_row_ids(ledger, name)] for name in named[start : start + _AT_ONCE]}
        candidates = [each for ids_of_one in part.values() for each in ids_of_one]
        work = partial(_existing, ledger, candidates)
        here = await ledger.database.write(ledger.context, work)
        for name, ids_of_one in part.items():
            row_id = next((each for each in ids_of_one if each in here), None)
            if row_id is not None:
                found[name] = row_id
    return found


async def _existing(
    ledger: Ledger, candidates: list[str], transaction: Transaction
) -> frozenset[str]:
    place = {"workspace": ledger.place.workspace_id, "user": ledger.place.user_id}
    rows = await transaction.rows(_ENVIRONMENTS, **place, ids=candidates)
    return frozenset(str(row["id"]) for row in rows)


def _row_ids(ledger: Ledger, name: str) -> Iterator[str]:
    """The ids that an earlier migration may have given an environment with that id."""
    own = ids.own_uuid(name)
    if own is not None:
        yield from (own, ids.own_apart(ledger.place.user_id, Kind.ENVIRONMENT, own))
    is_number = name.isascii() and name.isdigit() and len(name) <= _LONGEST_NUMBER
    for key in ENVIRONMENT_KEYS:
        yield ids.legacy(ledger.place.user_id, key, name)
        if is_number:
            yield ids.legacy(ledger.place.user_id, key, int(name))
