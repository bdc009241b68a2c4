"""Messages on their way: put down with what they tell of, and taken by one worker at a time.

A message is taken for a while. Who took it marks it; if they die, that while ends and another
takes it. So a message arrives at least once, always with the same id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.alerts.channel_model import Delivery, DeliveryKind
from roost.performance.alerts.messages import body_of
from roost.performance.alerts.model import Told
from roost.performance.reading import Question

Kind = DeliveryKind
ATTEMPTS: Final = 5
LEASE_SECONDS: Final = 90.0
"""How long a message is one worker's: longer than any attempt may take."""
FIRST_PAUSE_SECONDS: Final = 40.0
"""The first pause; each is four times the one before: about an hour in all."""
LONGEST_PAUSE_SECONDS: Final = 3_600.0
AT_ONCE: Final = 10

TOLD: Final = """
    id, rule_id as "ruleId", rule_name as "ruleName", severity, state, metric, comparison,
    threshold, value, worst, opened_at as "openedAt", resolved_at as "resolvedAt" """
"""What receivers are told of an event, as columns."""
_EVENTS: Final = Question(
    "alert_told",
    Told,
    f"select {TOLD} from performance.alert_event where id = any($1::uuid[]) order by id",  # noqa: S608 -- a constant
    ("ids",),
)
# An event's rule says which channels; no rule, or none named, means all.
_CHANNELS: Final = Statement(
    "select performance.alert_channels_for",
    """
    select c.id, array_agg(e.id order by e.id) as events
    from performance.alert_event e
    left join performance.alert_rule r on r.id = e.rule_id
    join performance.alert_channel c
        on c.is_enabled and (coalesce(r.channels, '{}') = '{}' or c.id = any(r.channels))
    where e.id = any($1::uuid[]) group by c.id
    """,
    ("ids",),
    {},
)
_PUT: Final = Statement(
    "insert performance.alert_delivery",
    """
    insert into performance.alert_delivery (id, channel_id, kind, events, body, created_at, next_at)
    values ($1, $2, $3, $4, $5, $6, $6)
    """,
    ("id", "channel_id", "kind", "events", "body", "now"),
    {},
)
_TAKE: Final = Statement(
    "update performance.alert_delivery_taken",
    """
    update performance.alert_delivery d
    set lease = $1,
        next_at = coalesce($2::timestamptz, clock_timestamp()) + make_interval(secs => $3)
    from (select id from performance.alert_delivery
          where state = 'pending' and next_at <= coalesce($2::timestamptz, clock_timestamp())
          order by next_at limit $4 for update skip locked) mine,
         performance.alert_channel c
    where d.id = mine.id and c.id = d.channel_id
    returning d.id, d.kind, d.body, d.attempts, c.id as channel_id, c.kind as channel_kind,
              c.sealed, c.is_enabled
    """,
    ("lease", "now", "seconds", "most"),
    {},
)
# What has arrived has arrived, whoever has it now.
_DELIVERED: Final = Statement(
    "update performance.alert_delivery_delivered",
    """
    update performance.alert_delivery
    set state = 'delivered', attempts = attempts + 1, next_at = null, lease = null,
        last_error = null, ended_at = coalesce($2::timestamptz, clock_timestamp())
    where id = $1 and state <> 'delivered'
    """,
    ("id", "now"),
    {},
)
_FAILED: Final = Statement(
    "update performance.alert_delivery_failed",
    """
    update performance.alert_delivery
    set attempts = attempts + 1, last_error = $3, lease = null,
        state = case when attempts + 1 >= $4 or $6 then 'failed' else 'pending' end,
        next_at = case when attempts + 1 >= $4 or $6 then null
                       else coalesce($5::timestamptz, clock_timestamp()) + make_interval(
                           secs => greatest($7 * power(4, attempts) * (0.8 + 0.4 * random()), $8))
                  end,
        ended_at = case when attempts + 1 >= $4 or $6
                        then coalesce($5::timestamptz, clock_timestamp()) end
    where id = $1 and lease = $2 and state = 'pending'
    """,
    ("id", "lease", "error", "attempts", "now", "is_final", "pause", "least"),
    {},
)
_LIST: Final = Question(
    "alert_deliveries",
    Delivery,
    """
    select id, channel_id as "channelId", kind, events, state, attempts,
           created_at as "createdAt", next_at as "nextAt", ended_at as "endedAt",
           last_error as "lastError"
    from performance.alert_delivery
    where ($1::text is null or state = $1) and ($2::uuid is null or channel_id = $2)
    order by id desc limit $3
    """,
    ("state", "channel_id", "most"),
)


async def put(
    transaction: Transaction, kind: Kind, event_ids: Sequence[UUID], now: datetime
) -> None:
    """Put down one message for each channel that is to know of these events."""
    channels = await transaction.rows(_CHANNELS, ids=list(event_ids))
    if not channels:
        return
    told = {each.id: each for each in await _EVENTS.within(transaction, ids=list(event_ids))}
    for channel in channels:
        body = body_of(kind, now, [told[each] for each in channel["events"]])
        await transaction.row(
            _PUT,
            id=uuid7(),
            channel_id=channel["id"],
            kind=kind,
            events=channel["events"],
            body=body,
            now=now,
        )


async def take(
    database: Database, now: datetime | None, *, most: int = AT_ONCE
) -> tuple[UUID, list[Any]]:
    """Take what is due; gives the lease and the messages, each with its channel.

    `now` is the database's clock, if it is not given.
    """
    lease = uuid4()

    async def work(transaction: Transaction) -> list[Any]:
        return await transaction.rows(_TAKE, lease=lease, now=now, seconds=LEASE_SECONDS, most=most)

    return lease, await database.write(Context(), work)


async def mark_delivered(database: Database, delivery_id: UUID, now: datetime | None) -> None:
    """Note that it has arrived."""
    await database.change(_DELIVERED, Context(), id=delivery_id, now=now)


async def mark_failed(  # noqa: PLR0913 -- what happened, to what, and what follows
    database: Database,
    delivery_id: UUID,
    lease: UUID,
    error: str,
    now: datetime | None,
    *,
    wait_seconds: float = 0.0,
    is_final: bool = False,
) -> None:
    """Note that an attempt failed: there will be another, unless it was the last.

    `wait_seconds` is what the receiver asks to wait at least.
    """
    await database.change(
        _FAILED,
        Context(),
        id=delivery_id,
        lease=lease,
        error=error[:500],
        attempts=ATTEMPTS,
        now=now,
        is_final=is_final,
        pause=FIRST_PAUSE_SECONDS,
        least=min(wait_seconds, LONGEST_PAUSE_SECONDS),
    )


async def deliveries(
    database: Database, *, state: str | None, channel_id: UUID | None, most: int
) -> list[Delivery]:
    """List messages, the newest first."""
    return await _LIST.ask(database, state=state, channel_id=channel_id, most=most)
