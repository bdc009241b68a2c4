"""What comes in and goes out of rules and events."""

from datetime import datetime
from typing import Annotated, Literal, TypeVar
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
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Seconds = Annotated[int, Meta(ge=0, le=86_400)]
T = TypeVar("T")
Channels = Annotated[list[UUID], Meta(max_length=50)]


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


def patched(given: T | UnsetType, old: T) -> T:
    """Give a field as a patch leaves it."""
    return old if isinstance(given, UnsetType) else given


def given_in(patch: Incoming) -> list[str]:
    """Name the fields that a patch gives, as clients do."""
    names = zip(patch.__struct_fields__, patch.__struct_encode_fields__, strict=True)
    return [shown for name, shown in names if getattr(patch, name) is not UNSET]


class Told(Outgoing):
    """An alert, from when a rule fired to its end, as receivers are told of it."""

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
    resolved_at: datetime | None


class Event(Told):
    """The same with who has seen and ended it. `resolvedBy` is null when it ended by itself."""

    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    resolved_by: UUID | None


class Events(Outgoing):
    """The newest first; `nextCursor` asks for those before."""

    items: list[Event]
    next_cursor: UUID | None
