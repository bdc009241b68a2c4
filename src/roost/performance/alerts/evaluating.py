"""Looking at every rule: one worker reads the metrics, and writes down what has changed."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from roost.db.pool import Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.alerts import events, metrics
from roost.performance.alerts.deliveries import Kind
from roost.performance.alerts.machine import State, Step, Terms, step
from roost.performance.alerts.metrics import Source
from roost.performance.alerts.model import MetricName

REPEAT: Final = timedelta(hours=4)
"""After so long, an event that goes on and that nobody has acknowledged is told of again."""

_NAMES: Final = Statement(
    "select performance.alert_metrics",
    "select array_agg(distinct metric) as names from performance.alert_rule where is_enabled",
    (),
    {},
)
# Locked by a statement of its own: the next one sees what others did while this one waited.
_LOCK: Final = Statement(
    "select performance.alert_rules_lock",
    "select id from performance.alert_rule where is_enabled order by id for update",
    (),
    {},
)
_RULES: Final = Statement(
    "select performance.alert_rules_to_evaluate",
    """
    select r.*, e.id as event_id, e.worst, e.state as event_state, e.told_at,
           coalesce($1::timestamptz, statement_timestamp()) as now
    from performance.alert_rule r
    left join performance.alert_event e on e.rule_id = r.id and e.state <> 'resolved'
    where r.is_enabled and (r.evaluated_at is null
                            or r.evaluated_at < coalesce($1::timestamptz, statement_timestamp()))
    order by r.id
    """,
    ("now",),
    {},
)
_KEEP: Final = Statement(
    "update performance.alert_rule_state",
    """
    update performance.alert_rule
    set state = $2, since = $3, cool_until = $4, value = $5, evaluated_at = $6 where id = $1
    """,
    ("id", "state", "since", "cool_until", "value", "now"),
    {},
)
_OPEN: Final = Statement(
    "insert performance.alert_event",
    """
    insert into performance.alert_event (id, rule_id, rule_name, severity, metric, comparison,
        threshold, state, value, worst, opened_at, told_at)
    values ($1, $2, $3, $4, $5, $6, $7, 'firing', $8, $8, $9, $9)
    """,
    ("id", "rule_id", "name", "severity", "metric", "comparison", "threshold", "value", "now"),
    {},
)
_GO_ON: Final = Statement(
    "update performance.alert_event",
    """
    update performance.alert_event
    set value = $2, worst = $3, told_at = case when $4 then $5 else told_at end,
        state = case when $6 then 'resolved' else state end,
        resolved_at = case when $6 then $5::timestamptz end
    where id = $1
    """,
    ("id", "value", "worst", "is_told", "now", "is_over"),
    {},
)


async def evaluate(source: Source, now: datetime | None = None) -> dict[Kind, int]:
    """Look at every enabled rule; gives how many events were told of, and as what.

    Metrics are read first, while nothing is held. `now` is the database's clock, if it is not
    given. Whoever comes later with an earlier `now` changes nothing.
    """
    row: Any = await source.doctor.read(_NAMES, Context())
    values = await metrics.read(source, row["names"] or ())

    async def work(transaction: Transaction) -> dict[Kind, int]:
        return await _apply(transaction, values, now)

    return await source.doctor.write(Context(), work)


async def _apply(
    transaction: Transaction, values: dict[MetricName, float | None], now: datetime | None
) -> dict[Kind, int]:
    changes: dict[Kind, list[UUID]] = {"fired": [], "repeated": [], "resolved": []}
    at = now
    await transaction.rows(_LOCK)
    for rule in await transaction.rows(_RULES, now=now):
        at = rule["now"]
        if rule["metric"] in values:  # else it has come, or was changed, in between
            await _advance(transaction, rule, values[rule["metric"]], changes)
    if at is not None:
        await events.tell(transaction, changes, at)
    return {kind: len(ids) for kind, ids in changes.items()}


async def _advance(
    transaction: Transaction,
    rule: Any,  # noqa: ANN401 -- a record
    value: float | None,
    changes: dict[Kind, list[UUID]],
) -> None:
    now: datetime = rule["now"]
    terms = Terms(
        rule["comparison"],
        rule["threshold"],
        rule["clear_threshold"],
        rule["for_seconds"],
        rule["cooldown_seconds"],
    )
    is_open = rule["event_id"] is not None
    state = State(rule["state"], rule["since"], rule["cool_until"], is_open)
    taken = step(terms, state, value, now)
    await transaction.row(
        _KEEP,
        id=rule["id"],
        state=taken.state.name,
        since=taken.state.since,
        cool_until=taken.state.cool_until,
        value=value,
        now=now,
    )
    if taken.happened == "opened":
        changes["fired"].append(await _open(transaction, rule, value))
    elif is_open and value is not None:
        await _go_on(transaction, rule, value, terms, taken, changes)


async def _open(transaction: Transaction, rule: Any, value: float | None) -> UUID:  # noqa: ANN401 -- a record
    event_id = uuid7()
    await transaction.row(
        _OPEN,
        id=event_id,
        rule_id=rule["id"],
        name=rule["name"],
        severity=rule["severity"],
        metric=rule["metric"],
        comparison=rule["comparison"],
        threshold=rule["threshold"],
        value=value,
        now=rule["now"],
    )
    return event_id


async def _go_on(  # noqa: PLR0913, PLR0917 -- what was, what is, and what comes of it
    transaction: Transaction,
    rule: Any,  # noqa: ANN401 -- a record
    value: float,
    terms: Terms,
    taken: Step,
    changes: dict[Kind, list[UUID]],
) -> None:
    now: datetime = rule["now"]
    is_over = taken.happened == "resolved"
    is_told = not is_over and rule["event_state"] == "firing" and now - rule["told_at"] >= REPEAT
    await transaction.row(
        _GO_ON,
        id=rule["event_id"],
        value=value,
        worst=terms.worse(rule["worst"], value),
        is_told=is_told,
        now=now,
        is_over=is_over,
    )
    if is_over:
        changes["resolved"].append(rule["event_id"])
    elif is_told:
        changes["repeated"].append(rule["event_id"])
