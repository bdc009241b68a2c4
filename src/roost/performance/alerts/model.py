"""What comes in and goes out: rules, events, channels and deliveries."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from roost.performance.alerts.machine import Comparison, StateName
from roost.web.structs import Incoming, Outgoing

MetricName = Literal[
    "slowQueries", "errorRate", "requestP99Ms", "poolSaturation", "poolWaiting",
    "connectionShare", "replicationLagSeconds", "deadlocks", "databaseBytes", "diskFreeShare",
    "tickLagSeconds", "healthCritical", "healthWarn", "oldestTransactionSeconds", "cacheHitRatio",
]  # fmt: skip
Severity = Literal["info", "warning", "critical"]
EventState = Literal["firing", "acknowledged", "resolved"]
ChannelKind = Literal["webhook", "slack", "discord", "email", "log"]
DeliveryState = Literal["pending", "delivered", "failed"]
DeliveryKind = Literal["fired", "repeated", "resolved"]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Seconds = Annotated[int, Meta(ge=0, le=86_400)]
Channels = Annotated[list[UUID], Meta(max_length=50)]
Url = Annotated[str, Meta(min_length=1, max_length=2_000)]
_TEXT = r"\A[^\x00-\x1f\x7f]*\Z"
Line = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=_TEXT, extra={"refused": "must be one line"})
]
Mail = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"\A[!-;=?A-~]+@[A-Za-z0-9.\[\]:-]+\Z",
        extra={"refused": "is not an e-mail address"},
    ),
]


class Metric(Outgoing):
    """Something that rules can watch."""

    name: MetricName
    unit: str
    description: str


class Rule(Outgoing):
    """A rule and where it stands. `unknown`: its metric could not be read. Times in seconds."""

    id: UUID
    name: str
    metric: MetricName
    comparison: Comparison
    threshold: float
    clear_threshold: float
    for_seconds: int
    severity: Severity
    cooldown_seconds: int
    is_enabled: bool
    channels: list[UUID]
    built_in: bool
    state: StateName
    value: float | None
    evaluated_at: datetime | None
    created_at: datetime
    updated_at: datetime


class RuleCreate(Incoming):
    """The body of a new rule. No `channels` means all that are enabled."""

    name: Name
    metric: MetricName
    comparison: Comparison
    threshold: float
    clear_threshold: float | None = None
    for_seconds: Seconds = 60
    severity: Severity = "warning"
    cooldown_seconds: Seconds = 600
    is_enabled: bool = True
    channels: Channels = msgspec.field(default_factory=list)


class RulePatch(Incoming):
    """What is to change of a rule; without a `clearThreshold` (null) it is the threshold."""

    name: Name | UnsetType = UNSET
    metric: MetricName | UnsetType = UNSET
    comparison: Comparison | UnsetType = UNSET
    threshold: float | UnsetType = UNSET
    clear_threshold: float | None | UnsetType = UNSET
    for_seconds: Seconds | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    cooldown_seconds: Seconds | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    channels: Channels | UnsetType = UNSET


def given_in(patch: Incoming) -> list[str]:
    """Name the fields that a patch gives, as clients do."""
    names = zip(patch.__struct_fields__, patch.__struct_encode_fields__, strict=True)
    return [shown for name, shown in names if getattr(patch, name) is not UNSET]


class Event(Outgoing):
    """An alert: from when a rule fired to its end. `resolvedBy` is null when it ended by itself."""

    id: UUID
    rule_id: UUID
    rule_name: str
    severity: Severity
    state: EventState
    metric: MetricName
    comparison: Comparison
    threshold: float
    value: float
    worst: float
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    resolved_at: datetime | None
    resolved_by: UUID | None


class Events(Outgoing):
    """The newest first; `nextCursor` asks for those before."""

    items: list[Event]
    next_cursor: UUID | None


class EmailCreate(Incoming):
    """How e-mail is sent. `tls` is from the start on (465), `starttls` after it (587)."""

    host: Line
    to: Annotated[list[Mail], Meta(min_length=1, max_length=20)]
    sender: Mail
    port: Annotated[int, Meta(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Line | None = None
    password: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None


class ChannelCreate(Incoming):
    """A new channel: `url` for `webhook`, `slack` and `discord`, `email` for `email`."""

    name: Name
    kind: ChannelKind
    is_enabled: bool = True
    url: Url | None = None
    email: EmailCreate | None = None


class ChannelPatch(Incoming):
    """What is to change of a channel. `email` is given whole, its password too."""

    name: Name | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    email: EmailCreate | UnsetType = UNSET


class Channel(Outgoing):
    """A channel; `target` is what may be shown of where it leads."""

    id: UUID
    name: str
    kind: ChannelKind
    is_enabled: bool
    target: str
    created_at: datetime
    updated_at: datetime


class NewChannel(Channel):
    """A channel as it was made; a webhook's `secret`, for its signatures, is shown this once."""

    secret: str | None = None


class Sealed(Outgoing):
    """What is kept of a channel under seal."""

    url: str | None = None
    secret: str | None = None
    email: EmailCreate | None = None


class Outcome(Outgoing):
    """What became of a message: `detail` says what the receiver did."""

    is_delivered: bool
    detail: str
    seconds: float


class Delivery(Outgoing):
    """A message on its way. `id` is its `webhook-id`, the same for all attempts."""

    id: UUID
    channel_id: UUID
    kind: DeliveryKind
    events: list[UUID]
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime | None
    ended_at: datetime | None
    last_error: str | None
