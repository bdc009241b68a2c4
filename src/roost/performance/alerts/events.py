"""Events: what has happened, who has seen it, and how it ended."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.alerts import deliveries
from roost.performance.alerts.model import Event, Events
from roost.performance.reading import Question
from roost.web.kit import found

_COLUMNS: Final = f"""
    {deliveries.TOLD}, acknowledged_at as "acknowledgedAt", acknowledged_by as "acknowledgedBy",
    resolved_by as "resolvedBy" """
# Ids are in the order of time.
_LIST: Final = Question(
    "alert_events",
    Event,
    f"""
    select {_COLUMNS} from performance.alert_event
    where ($1::text is null or state = $1) and ($2::text is null or severity = $2)
      and ($3::uuid is null or rule_id = $3) and ($4::uuid is null or id < $4)
    order by id desc limit $5
    """,  # noqa: S608 -- a constant
    ("state", "severity", "rule_id", "before", "most"),
)
_ONE: Final = Question(
    "alert_event",
    Event,
    f"select {_COLUMNS} from performance.alert_event where id = $1",  # noqa: S608 -- a constant
    ("id",),
)
_ACKNOWLEDGE: Final = Statement(
    "update performance.alert_event_acknowledged",
    """
    update performance.alert_event
    set state = 'acknowledged', acknowledged_at = clock_timestamp(), acknowledged_by = $2
    where id = $1 and state = 'firing'
    """,
    ("id", "by"),
    {},
)
_RULE: Final = Statement(
    "select performance.alert_event_rule",
    "select rule_id from performance.alert_event where id = $1",
    ("id",),
    {},
)
# The rule first, as evaluations do, so that nobody waits for the other in a ring.
_LOCK_RULE: Final = Statement(
    "select performance.alert_rule_of_event",
    "select id from performance.alert_rule where id = $1 for update",
    ("rule_id",),
    {},
)
_END: Final = Statement(
    "update performance.alert_event_ended",
    """
    update performance.alert_event
    set state = 'resolved', resolved_at = clock_timestamp(), resolved_by = $2
    where rule_id = $1 and state <> 'resolved' and ($3::uuid is null or id = $3)
    returning id
    """,
    ("rule_id", "by", "id"),
    {},
)
_COOL: Final = Statement(
    "update performance.alert_rule_cooled",
    """
    update performance.alert_rule
    set state = 'ok', since = null,
        cool_until = clock_timestamp() + make_interval(secs => cooldown_seconds)
    where id = $1
    """,
    ("rule_id",),
    {},
)
_NOW: Final = Statement("select performance.now", "select clock_timestamp() as now", (), {})


async def events(  # noqa: PLR0913 -- each is a filter
    database: Database,
    *,
    state: str | None,
    severity: str | None,
    rule_id: UUID | None,
    before: UUID | None,
    most: int,
) -> Events:
    """List some, the newest first."""
    listed = await _LIST.ask(
        database, state=state, severity=severity, rule_id=rule_id, before=before, most=most + 1
    )
    items = listed[:most]
    return Events(items=items, next_cursor=items[-1].id if len(listed) > most else None)


async def event(database: Database, event_id: UUID) -> Event:
    """Give one; ALERT_NOT_FOUND when there is none."""
    kept: Event = found(await _ONE.one(database, id=event_id), errors.ALERT_NOT_FOUND)
    return kept


async def acknowledge(database: Database, event_id: UUID, by: UUID) -> Event:
    """Say that somebody has seen it: nothing of it is repeated. The first who does is noted."""
    await database.change(_ACKNOWLEDGE, Context(), id=event_id, by=by)
    return await event(database, event_id)


async def resolve(database: Database, event_id: UUID, by: UUID) -> Event:
    """End it; its rule may open another after the cool-down, if it is still broken."""

    async def work(transaction: Transaction) -> None:
        rule_id = found(await transaction.row(_RULE, id=event_id), errors.ALERT_NOT_FOUND)[
            "rule_id"
        ]
        await transaction.row(_LOCK_RULE, rule_id=rule_id)
        await _end(transaction, rule_id, by, event_id)

    await database.write(Context(), work)
    return await event(database, event_id)


async def end_of_rule(transaction: Transaction, rule_id: UUID, by: UUID | None) -> None:
    """End the open event of a rule, whose row is locked, if there is one."""
    await _end(transaction, rule_id, by, None)


async def _end(
    transaction: Transaction, rule_id: UUID, by: UUID | None, event_id: UUID | None
) -> None:
    ended: Any = await transaction.row(_END, rule_id=rule_id, by=by, id=event_id)
    if ended is None:
        return
    await transaction.row(_COOL, rule_id=rule_id)
    now: Any = await transaction.row(_NOW)
    await tell(transaction, {"resolved": [ended["id"]]}, now["now"])


async def tell(
    transaction: Transaction, changes: dict[deliveries.Kind, list[UUID]], now: datetime
) -> None:
    """Put messages about events on their way, one for each channel and kind of change."""
    for kind, ids in changes.items():
        if ids:
            await deliveries.put(transaction, kind, ids, now)
