"""Channels: whom to tell. What must not be read from a copy of the database is sealed."""

import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.audit.trail import Trail
from roost.performance.alerts import targets
from roost.performance.alerts.channel_model import (
    Channel,
    ChannelCreate,
    ChannelPatch,
    NewChannel,
    Outcome,
    Sealed,
)
from roost.performance.alerts.failing import SendError
from roost.performance.alerts.messages import body_of
from roost.performance.alerts.model import given_in, patched
from roost.performance.alerts.sending import Sender
from roost.performance.alerts.signing import new_secret
from roost.performance.reading import Question
from roost.web.kit import found

MOST: Final = 50
_NAMED: Final = 5
_COLUMNS: Final = (
    'id, name, kind, is_enabled as "isEnabled", target, created_at as "createdAt",'
    ' updated_at as "updatedAt"'
)
_LIST: Final = Question(
    "alert_channels",
    Channel,
    f"select {_COLUMNS} from performance.alert_channel order by created_at, id",  # noqa: S608 -- a constant
)
_ONE: Final = Question(
    "alert_channel",
    Channel,
    f"select {_COLUMNS} from performance.alert_channel where id = $1",  # noqa: S608 -- a constant
    ("id",),
)
_INSERT: Final = Statement(
    "insert performance.alert_channel",
    """
    insert into performance.alert_channel (id, name, kind, is_enabled, target, sealed)
    select $1, $2, $3, $4, $5, $6 where (select count(*) from performance.alert_channel) < $7
    returning id
    """,
    ("id", "name", "kind", "is_enabled", "target", "sealed", "most"),
    {},
)
_LOCK: Final = Statement(
    "select performance.alert_channel_lock",
    "select * from performance.alert_channel where id = $1 for update",
    ("id",),
    {},
)
_GET: Final = Statement(
    "select performance.alert_channel_sealed",
    "select kind, sealed from performance.alert_channel where id = $1",
    ("id",),
    {},
)
_UPDATE: Final = Statement(
    "update performance.alert_channel",
    """
    update performance.alert_channel
    set name = $2, is_enabled = $3, target = $4, sealed = $5, updated_at = now() where id = $1
    """,
    ("id", "name", "is_enabled", "target", "sealed"),
    {},
)
_DELETE: Final = Statement(
    "delete performance.alert_channel",
    "delete from performance.alert_channel where id = $1",
    ("id",),
    {},
)
# A rule that others change meanwhile is waited for, and seen as they left it.
_LEAVE: Final = Statement(
    "update performance.alert_rule_channels",
    """
    update performance.alert_rule set channels = array_remove(channels, $1)
    where $1 = any(channels) returning id, name, channels
    """,
    ("id",),
    {},
)


async def channels(database: Database) -> list[Channel]:
    """List all."""
    return await _LIST.ask(database)


async def channel(database: Database, channel_id: UUID) -> Channel:
    """Give one; ALERT_CHANNEL_NOT_FOUND when there is none."""
    kept: Channel = found(await _ONE.one(database, id=channel_id), errors.ALERT_CHANNEL_NOT_FOUND)
    return kept


async def create(database: Database, sender: Sender, new: ChannelCreate, by: Trail) -> NewChannel:
    """Make one; ALERT_TARGET_REFUSED when nothing may be sent there."""
    channel_id = uuid7()
    targets.require_fit(new.kind, has_url=new.url is not None, has_email=new.email is not None)
    config = Sealed(url=new.url, email=new.email)
    await targets.require_allowed(sender.policy, config)
    if new.kind == "webhook":
        config.secret = new_secret()

    async def work(transaction: Transaction) -> None:
        made = await transaction.row(
            _INSERT,
            id=channel_id,
            name=new.name,
            kind=new.kind,
            is_enabled=new.is_enabled,
            target=targets.shown(config),
            sealed=sender.seal(channel_id, config),
            most=MOST,
        )
        if made is None:
            raise ProblemError(errors.CONFLICT, f"there are {MOST} channels, and can be no more")
        target = ("alert_channel", channel_id)
        await by.record(transaction, "alert_channel.created", target, name=new.name, kind=new.kind)

    await database.write(by.context, work)
    kept = await channel(database, channel_id)
    return NewChannel(**msgspec.structs.asdict(kept), secret=config.secret)


async def change(
    database: Database, sender: Sender, channel_id: UUID, patch: ChannelPatch, by: Trail
) -> Channel:
    """Change one; ALERT_TARGET_REFUSED when nothing may be sent where it is to lead now."""
    given = Sealed(url=patched(patch.url, None), email=patched(patch.email, None))
    kind = (await channel(database, channel_id)).kind
    moves = given.url is not None or given.email is not None
    if moves:
        targets.require_fit(kind, has_url=given.url is not None, has_email=given.email is not None)
        await targets.require_allowed(sender.policy, given)

    async def work(transaction: Transaction) -> None:
        old = found(await transaction.row(_LOCK, id=channel_id), errors.ALERT_CHANNEL_NOT_FOUND)
        name = patched(patch.name, old["name"])
        shown, sealed = old["target"], old["sealed"]
        if moves:
            kept = sender.open(channel_id, sealed)
            given.secret = kept.secret
            shown, sealed = targets.shown(given), sender.seal(channel_id, given)
        await transaction.row(
            _UPDATE,
            id=channel_id,
            name=name,
            is_enabled=patched(patch.is_enabled, old["is_enabled"]),
            target=shown,
            sealed=sealed,
        )
        target, fields = ("alert_channel", channel_id), given_in(patch)
        await by.record(
            transaction, "alert_channel.updated", target, name=name, kind=kind, fields=fields
        )

    await database.write(by.context, work)
    return await channel(database, channel_id)


async def delete(database: Database, channel_id: UUID, by: Trail) -> None:
    """Delete one, with what is on its way there; rules that name others too do so without it.

    CONFLICT when a rule names no other: it would tell all, and was made not to.
    """

    async def work(transaction: Transaction) -> None:
        # First, so that no rule comes to name it from here on.
        gone = found(await transaction.row(_LOCK, id=channel_id), errors.ALERT_CHANNEL_NOT_FOUND)
        _require_others(await transaction.rows(_LEAVE, id=channel_id))
        await transaction.row(_DELETE, id=channel_id)
        target = ("alert_channel", channel_id)
        await by.record(
            transaction, "alert_channel.deleted", target, name=gone["name"], kind=gone["kind"]
        )

    await database.write(by.context, work)


async def test(database: Database, sender: Sender, channel_id: UUID) -> Outcome:
    """Send a message that says it is a test, now and once; tells what became of it."""
    row = found(await database.read(_GET, Context(), id=channel_id), errors.ALERT_CHANNEL_NOT_FOUND)
    body = body_of("test", datetime.now(UTC), [])
    started = time.perf_counter()
    try:
        detail = await sender.send(row["kind"], channel_id, row["sealed"], str(uuid4()), body)
        is_delivered = True
    except SendError as error:
        detail, is_delivered = str(error), False
    seconds = round(time.perf_counter() - started, 3)
    return Outcome(is_delivered=is_delivered, detail=detail, seconds=seconds)


def _require_others(rules: list[Any]) -> None:
    """Refuse to leave a rule without the last channel that it names."""
    left = [rule for rule in rules if not rule["channels"]]
    if left:
        names = ", ".join(f"“{rule['name']}”" for rule in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        raise ProblemError(
            errors.CONFLICT,
            f"it is the only channel of {names}{more}",
            hint="Give each of these rules another channel, or an empty list, which tells all.",
            extra={"rules": [str(rule["id"]) for rule in left]},
        )
