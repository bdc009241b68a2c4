"""Rules: kept, listed, changed. Those that are built in can be disabled, and not deleted."""

from typing import Any, Final
from uuid import UUID

from msgspec import UNSET, UnsetType
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.errors import ProblemError
from roost.identity.audit.trail import Trail
from roost.performance.alerts import events
from roost.performance.alerts.machine import Comparison
from roost.performance.alerts.model import Rule, RuleCreate, RulePatch, given_in, patched
from roost.performance.reading import Question
from roost.web.kit import found
from roost.web.query import invalid

MOST: Final = 200
_COLUMNS: Final = """
    id, name, metric, comparison, threshold, clear_threshold as "clearThreshold",
    for_seconds as "forSeconds", severity, cooldown_seconds as "cooldownSeconds",
    is_enabled as "isEnabled", channels, built_in as "builtIn", state, value,
    evaluated_at as "evaluatedAt", created_at as "createdAt", updated_at as "updatedAt" """
_LIST: Final = Question(
    "alert_rules",
    Rule,
    f"select {_COLUMNS} from performance.alert_rule order by built_in desc, created_at, id",  # noqa: S608 -- a constant
)
_ONE: Final = Question(
    "alert_rule",
    Rule,
    f"select {_COLUMNS} from performance.alert_rule where id = $1",  # noqa: S608 -- a constant
    ("id",),
)
_VALUES: Final = (
    "id", "name", "metric", "comparison", "threshold", "clear_threshold", "for_seconds",
    "cooldown_seconds", "severity", "is_enabled", "channels",
)  # fmt: skip
# Only so many: each is evaluated again and again.
_INSERT: Final = Statement(
    "insert performance.alert_rule",
    """
    insert into performance.alert_rule (id, name, metric, comparison, threshold, clear_threshold,
        for_seconds, cooldown_seconds, severity, is_enabled, channels)
    select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
    where (select count(*) from performance.alert_rule) < $12
    on conflict (id) do update set id = excluded.id
    returning id
    """,
    (*_VALUES, "most"),
    {},
)
_LOCK: Final = Statement(
    "select performance.alert_rule_lock",
    "select * from performance.alert_rule where id = $1 for update",
    ("id",),
    {},
)
# What is watched anew is watched from the start.
_UPDATE: Final = Statement(
    "update performance.alert_rule",
    """
    update performance.alert_rule
    set name = $2, metric = $3, comparison = $4, threshold = $5, clear_threshold = $6,
        for_seconds = $7, cooldown_seconds = $8, severity = $9, is_enabled = $10, channels = $11,
        updated_at = now(),
        state = case when $12 then 'unknown' else state end,
        since = case when $12 then null else since end,
        cool_until = case when $12 then null else cool_until end,
        value = case when $12 then null else value end
    where id = $1
    """,
    (*_VALUES, "is_anew"),
    {},
)
_DELETE: Final = Statement(
    "delete performance.alert_rule",
    "delete from performance.alert_rule where id = $1",
    ("id",),
    {},
)
# Locked, so that none is deleted before the rule that names it is there to be seen.
_KNOWN_CHANNELS: Final = Statement(
    "select performance.alert_known_channels",
    "select id from performance.alert_channel where id = any($1::uuid[]) order by id for key share",
    ("ids",),
    {},
)


async def rules(database: Database) -> list[Rule]:
    """List all, the built-in ones first."""
    return await _LIST.ask(database)


async def rule(database: Database, rule_id: UUID) -> Rule:
    """Give one; ALERT_RULE_NOT_FOUND when there is none."""
    kept: Rule = found(await _ONE.one(database, id=rule_id), errors.ALERT_RULE_NOT_FOUND)
    return kept


async def create(database: Database, new: RuleCreate, by: Trail) -> Rule:
    """Make one; CONFLICT when there are too many."""
    rule_id = uuid7()
    clear = _clear(new.comparison, new.threshold, new.clear_threshold)

    async def work(transaction: Transaction) -> None:
        await _require_channels(transaction, new.channels)
        made = await transaction.row(
            _INSERT,
            id=rule_id,
            name=new.name,
            metric=new.metric,
            comparison=new.comparison,
            threshold=new.threshold,
            clear_threshold=clear,
            for_seconds=new.for_seconds,
            cooldown_seconds=new.cooldown_seconds,
            severity=new.severity,
            is_enabled=new.is_enabled,
            channels=new.channels,
            most=MOST,
        )
        if made is None:
            raise ProblemError(errors.CONFLICT, f"there are {MOST} rules, and can be no more")
        target = ("alert_rule", rule_id)
        await by.record(transaction, "alert_rule.created", target, name=new.name)

    await database.write(by.context, work)
    return await rule(database, rule_id)


async def change(database: Database, rule_id: UUID, patch: RulePatch, by: Trail) -> Rule:
    """Change one; an event that no longer says what the rule watches ends with it."""

    async def work(transaction: Transaction) -> None:
        old = found(await transaction.row(_LOCK, id=rule_id), errors.ALERT_RULE_NOT_FOUND)
        new = {name: patched(getattr(patch, name), old[name]) for name in _VALUES if name != "id"}
        new["clear_threshold"] = _clear(
            new["comparison"], new["threshold"], _patched_clear(patch, old)
        )
        if patch.channels is not UNSET:
            await _require_channels(transaction, new["channels"])
        is_anew = any(new[name] != old[name] for name in ("metric", "comparison", "is_enabled"))
        if is_anew:
            await events.end_of_rule(transaction, rule_id, by.actor_id)
        await transaction.row(_UPDATE, id=rule_id, is_anew=is_anew, **new)
        target, fields = ("alert_rule", rule_id), given_in(patch)
        await by.record(transaction, "alert_rule.updated", target, name=new["name"], fields=fields)

    await database.write(by.context, work)
    return await rule(database, rule_id)


async def delete(database: Database, rule_id: UUID, by: Trail) -> None:
    """Delete one, and end its event; CONFLICT when it is built in."""

    async def work(transaction: Transaction) -> None:
        old = found(await transaction.row(_LOCK, id=rule_id), errors.ALERT_RULE_NOT_FOUND)
        if old["built_in"]:
            raise ProblemError(
                errors.CONFLICT, "the rule is built in: disable it with isEnabled false"
            )
        await events.end_of_rule(transaction, rule_id, by.actor_id)
        await transaction.row(_DELETE, id=rule_id)
        target = ("alert_rule", rule_id)
        await by.record(transaction, "alert_rule.deleted", target, name=old["name"])

    await database.write(by.context, work)


def _patched_clear(patch: RulePatch, old: Any) -> float | None:  # noqa: ANN401 -- a record
    """Give the clearThreshold that is wanted; one that was the threshold goes with it."""
    if not isinstance(patch.clear_threshold, UnsetType):
        return patch.clear_threshold
    was_same = old["clear_threshold"] == old["threshold"]
    return None if was_same else float(old["clear_threshold"])


def _clear(comparison: Comparison, threshold: float, clear: float | None) -> float:
    """Give the value at which an event ends: not on the wrong side of the threshold."""
    if clear is None:
        return threshold
    if comparison == "above" and clear > threshold:
        raise invalid("clearThreshold", "must not be above the threshold")
    if comparison == "below" and clear < threshold:
        raise invalid("clearThreshold", "must not be below the threshold")
    return clear


async def _require_channels(transaction: Transaction, ids: list[UUID]) -> None:
    known = {row["id"] for row in await transaction.rows(_KNOWN_CHANNELS, ids=ids)}
    for place, channel_id in enumerate(ids):
        if channel_id not in known:
            field = f"channels[{place}]"
            raise invalid(field, "is no channel's id", "unknown")
