"""Alerts over HTTP: read and kept by administrators."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

import msgspec

from roost import errors
from roost.db.pool import Database
from roost.identity.audit.trail import trail_of
from roost.performance.alerts import channels, deliveries, events, rules
from roost.performance.alerts.channel_model import (
    Channel,
    ChannelCreate,
    ChannelPatch,
    Delivery,
    DeliveryState,
    NewChannel,
    Outcome,
)
from roost.performance.alerts.metrics import METRICS
from roost.performance.alerts.model import (
    Event,
    Events,
    EventState,
    Metric,
    Rule,
    RuleCreate,
    RulePatch,
    Severity,
)
from roost.performance.alerts.sending import Sender
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.reply import Reply, empty, encoded

READ: Final = "performance:read"
WRITE: Final = "performance:write"
TAG: Final = "performance"
_ROOT: Final = f"{API}/performance/alerts"
_RULE: Final = (errors.ALERT_RULE_NOT_FOUND,)
_CHANNEL: Final = (errors.ALERT_CHANNEL_NOT_FOUND,)
_EVENT: Final = (errors.ALERT_NOT_FOUND,)
Most = Annotated[int, msgspec.Meta(ge=1, le=100)]


class EventsQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which alerts, and how many; `cursor` is `nextCursor` of the answer before."""

    state: EventState | None = None
    severity: Severity | None = None
    rule_id: UUID | None = None
    cursor: UUID | None = None
    limit: Most = 50


class DeliveriesQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which messages, and how many."""

    state: DeliveryState | None = None
    channel_id: UUID | None = None
    limit: Most = 50


@dataclass(frozen=True, slots=True)
class AlertRoutes:
    """The routes of alerts. The doctor's connections are used, or else the pool's."""

    kit: Kit
    sender: Sender
    doctor: Database | None = None

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [*self._of_rules(), *self._of_channels(), *self._of_events()]

    def _of_rules(self) -> list[Endpoint]:
        one = f"{_ROOT}/rules/{{id:str}}"
        return [
            Endpoint("GET", f"{_ROOT}/metrics", self.metrics, Contract(
                "List what rules can watch", READ, returns=list[Metric], tag=TAG)),
            Endpoint("GET", f"{_ROOT}/rules", self.rules, Contract(
                "List the rules and where they stand", READ, returns=list[Rule], tag=TAG)),
            Endpoint("POST", f"{_ROOT}/rules", self.create_rule, Contract(
                "Make a rule", WRITE, body=RuleCreate, returns=Rule, status=201, tag=TAG)),
            Endpoint("GET", one, self.rule, Contract(
                "Show a rule", READ, returns=Rule, problems=_RULE, tag=TAG)),
            Endpoint("PATCH", one, self.change_rule, Contract(
                "Change a rule, or disable it", WRITE, body=RulePatch, returns=Rule,
                problems=_RULE, tag=TAG)),
            Endpoint("DELETE", one, self.delete_rule, Contract(
                "Delete a rule that is not built in", WRITE, status=204,
                problems=(*_RULE, errors.CONFLICT), tag=TAG)),
        ]  # fmt: skip

    def _of_channels(self) -> list[Endpoint]:
        one = f"{_ROOT}/channels/{{id:str}}"
        refused = (errors.ALERT_TARGET_REFUSED,)
        return [
            Endpoint("GET", f"{_ROOT}/channels", self.channels, Contract(
                "List the channels that alerts are sent by", READ, returns=list[Channel],
                tag=TAG)),
            Endpoint("POST", f"{_ROOT}/channels", self.create_channel, Contract(
                "Make a channel; a webhook's secret is shown this once", WRITE,
                body=ChannelCreate, returns=NewChannel, status=201, problems=refused, tag=TAG)),
            Endpoint("GET", one, self.channel, Contract(
                "Show a channel", READ, returns=Channel, problems=_CHANNEL, tag=TAG)),
            Endpoint("PATCH", one, self.change_channel, Contract(
                "Change a channel, or disable it", WRITE, body=ChannelPatch, returns=Channel,
                problems=(*_CHANNEL, *refused), tag=TAG)),
            Endpoint("DELETE", one, self.delete_channel, Contract(
                "Delete a channel that no rule needs", WRITE, status=204,
                problems=(*_CHANNEL, errors.CONFLICT), tag=TAG)),
            Endpoint("POST", f"{one}/test", self.test_channel, Contract(
                "Send a test message now", WRITE, returns=Outcome, problems=_CHANNEL, tag=TAG)),
            Endpoint("GET", f"{_ROOT}/deliveries", self.deliveries, Contract(
                "List messages and how far they are", READ, query=DeliveriesQuery,
                returns=list[Delivery], tag=TAG)),
        ]  # fmt: skip

    def _of_events(self) -> list[Endpoint]:
        one = f"{_ROOT}/{{id:str}}"
        return [
            Endpoint("GET", _ROOT, self.events, Contract(
                "List alerts", READ, query=EventsQuery, returns=Events, tag=TAG)),
            Endpoint("GET", one, self.event, Contract(
                "Show an alert", READ, returns=Event, problems=_EVENT, tag=TAG)),
            Endpoint("POST", f"{one}/acknowledge", self.acknowledge, Contract(
                "Say that an alert was seen: it is not repeated", WRITE, returns=Event,
                problems=_EVENT, tag=TAG)),
            Endpoint("POST", f"{one}/resolve", self.resolve, Contract(
                "End an alert by hand", WRITE, returns=Event, problems=_EVENT, tag=TAG)),
        ]  # fmt: skip

    @property
    def _database(self) -> Database:
        return self.doctor or self.kit.database

    async def metrics(self, _call: Call) -> Reply:
        """Answer what can be watched."""
        return encoded(METRICS)

    async def rules(self, _call: Call) -> Reply:
        """Answer every rule."""
        return encoded(await rules.rules(self._database))

    async def rule(self, call: Call) -> Reply:
        """Answer one rule."""
        return encoded(await rules.rule(self._database, call.id()))

    async def create_rule(self, call: Call) -> Reply:
        """Make a rule."""
        by = trail_of(call)
        return await self._once(call, lambda: rules.create(self._database, call.body, by), 201)

    async def change_rule(self, call: Call) -> Reply:
        """Change a rule."""
        changed = await rules.change(self._database, call.id(), call.body, trail_of(call))
        return encoded(changed)

    async def delete_rule(self, call: Call) -> Reply:
        """Delete a rule."""
        await rules.delete(self._database, call.id(), trail_of(call))
        return empty()

    async def channels(self, _call: Call) -> Reply:
        """Answer every channel."""
        return encoded(await channels.channels(self._database))

    async def channel(self, call: Call) -> Reply:
        """Answer one channel."""
        return encoded(await channels.channel(self._database, call.id()))

    async def create_channel(self, call: Call) -> Reply:
        """Make a channel. Only the first answer has its secret, and no cache keeps it."""
        made: list[NewChannel] = []

        async def create() -> NewChannel:
            by = trail_of(call)
            made[:] = [await channels.create(self._database, self.sender, call.body, by)]
            return msgspec.structs.replace(made[0], secret=None)

        reply = await self._once(call, create, 201)
        if made:
            reply.body = encoded(made[0]).body
        reply.header("cache-control", "no-store")
        return reply

    async def change_channel(self, call: Call) -> Reply:
        """Change a channel."""
        changed = await channels.change(
            self._database, self.sender, call.id(), call.body, trail_of(call)
        )
        return encoded(changed)

    async def delete_channel(self, call: Call) -> Reply:
        """Delete a channel."""
        await channels.delete(self._database, call.id(), trail_of(call))
        return empty()

    async def test_channel(self, call: Call) -> Reply:
        """Send a test message."""
        channel_id = call.id()
        return await self._once(
            call, lambda: channels.test(self._database, self.sender, channel_id)
        )

    async def deliveries(self, call: Call) -> Reply:
        """Answer how far messages are."""
        wanted: DeliveriesQuery = call.query
        found = await deliveries.deliveries(
            self._database, state=wanted.state, channel_id=wanted.channel_id, most=wanted.limit
        )
        return encoded(found)

    async def events(self, call: Call) -> Reply:
        """Answer which alerts there are and were."""
        wanted: EventsQuery = call.query
        found = await events.events(
            self._database,
            state=wanted.state,
            severity=wanted.severity,
            rule_id=wanted.rule_id,
            before=wanted.cursor,
            most=wanted.limit,
        )
        return encoded(found)

    async def event(self, call: Call) -> Reply:
        """Answer one alert."""
        return encoded(await events.event(self._database, call.id()))

    async def acknowledge(self, call: Call) -> Reply:
        """Note who has seen an alert."""
        event_id, by = call.id(), call.principal.user_id
        return await self._once(call, lambda: events.acknowledge(self._database, event_id, by))

    async def resolve(self, call: Call) -> Reply:
        """End an alert."""
        event_id, by = call.id(), call.principal.user_id
        return await self._once(call, lambda: events.resolve(self._database, event_id, by))

    async def _once(
        self, call: Call, work: Callable[[], Awaitable[object]], status: int = 200
    ) -> Reply:
        """Do it, once for each idempotency key, which is kept where tenants' are."""

        async def done() -> Reply:
            return encoded(await work(), status)

        return await self.kit.do(call, done)
