"""What comes in and goes out of channels, and of the messages on their way."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from roost.performance.alerts.model import Name
from roost.web.structs import Incoming, Outgoing

ChannelKind = Literal["webhook", "slack", "discord", "email", "log"]
DeliveryState = Literal["pending", "delivered", "failed"]
DeliveryKind = Literal["fired", "repeated", "resolved"]
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
