"""What every worker does for alerts beside its requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from roost.db.pool import Transaction
from roost.db.statements import Statement
from roost.performance.alerts import deliveries
from roost.performance.alerts.evaluating import evaluate
from roost.performance.alerts.failing import SendError
from roost.performance.alerts.metrics import Source
from roost.performance.alerts.sending import Sender
from roost.performance.duties import Duty

EVALUATE_SECONDS: Final = 15.0
DELIVER_SECONDS: Final = 5.0
UPKEEP_SECONDS: Final = 3_600.0
KEEP_DAYS: Final = 90
_log = logging.getLogger("roost.alerts")
_FORGET: Final = Statement(
    "delete performance.alert_event",
    """
    with messages as (
        delete from performance.alert_delivery
        where state <> 'pending' and ended_at < now() - make_interval(days => $1))
    delete from performance.alert_event
    where state = 'resolved' and resolved_at < now() - make_interval(days => $1)
    """,
    ("days",),
    {},
)
# One that outlasts every attempt is what workers die over: it ends too.
_GIVE_UP: Final = Statement(
    "update performance.alert_delivery_given_up",
    """
    update performance.alert_delivery
    set state = 'failed', next_at = null, lease = null, ended_at = now(),
        last_error = coalesce(last_error, 'it was not sent within a day')
    where state = 'pending' and created_at < now() - interval '1 day'
    """,
    (),
    {},
)


class Alerts:
    """One worker's part of it: look at the rules when it is due, and send what is to be told."""

    def __init__(self, source: Source, sender: Sender, *, period: float = EVALUATE_SECONDS) -> None:
        """Look about every `period` seconds, of all workers one."""
        self._source = source
        self._sender = sender
        self._turn = Duty(source.doctor, "alerts", period)
        self._upkeep = Duty(source.doctor, "alerts upkeep", UPKEEP_SECONDS)

    def works(self) -> list[tuple[float, Callable[[], Awaitable[object]]]]:
        """Give what is to be done again and again, with the seconds in between."""
        return [
            (EVALUATE_SECONDS, self.evaluate),
            (DELIVER_SECONDS, self.deliver),
            (UPKEEP_SECONDS, self.keep_up),
        ]

    async def evaluate(self, now: datetime | None = None) -> None:
        """Look at the rules, if it is due and nobody else is at it."""
        # The turn is taken first and by itself: no connection is held while metrics are read.
        if await self._turn.turn(_mine):
            await evaluate(self._source, now)

    async def deliver(self, now: datetime | None = None) -> int:
        """Send all that is due; gives how many messages were tried."""
        tried = 0
        while True:
            lease, taken = await deliveries.take(self._source.doctor, now)
            await asyncio.gather(*(self._send(lease, each, now) for each in taken))
            tried += len(taken)
            if len(taken) < deliveries.AT_ONCE:
                return tried

    async def keep_up(self) -> None:
        """Forget what is long over."""

        async def forget(transaction: Transaction) -> None:
            await transaction.row(_GIVE_UP)
            await transaction.row(_FORGET, days=KEEP_DAYS)

        await self._upkeep.turn(forget)

    async def _send(self, lease: UUID, taken: Any, now: datetime | None) -> None:  # noqa: ANN401 -- a record
        doctor, message = self._source.doctor, taken["id"]
        if not taken["is_enabled"]:
            why = "the channel is disabled"
            await deliveries.mark_failed(doctor, message, lease, why, now, is_final=True)
            return
        try:
            await self._sender.send(
                taken["channel_kind"],
                taken["channel_id"],
                taken["sealed"],
                str(message),
                taken["body"],
            )
        except SendError as error:
            _log.warning("alert %s by %s: %s", message, taken["channel_kind"], error)
            await deliveries.mark_failed(
                doctor, message, lease, str(error), now, wait_seconds=error.wait_seconds
            )
        except Exception:  # noqa: BLE001 -- as the comment says
            # One that nobody can send must not keep others from being sent.
            _log.exception("alert %s by %s could not be sent", message, taken["channel_kind"])
            await deliveries.mark_failed(doctor, message, lease, "a fault of Roost's", now)
        else:
            await deliveries.mark_delivered(doctor, message, now)


async def _mine(_transaction: Transaction) -> bool:
    return True
