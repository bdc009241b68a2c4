"""Invitations as they come in and go out."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from roost.identity.model import Email
from roost.web.structs import Incoming, Outgoing

DEFAULT_SECONDS = 7 * 24 * 3600
MAX_SECONDS = 30 * 24 * 3600
InvitedRole = Literal["admin", "member", "viewer"]


class InvitationCreate(Incoming):
    """The body of `POST /workspaces/{id}/invitations`; with `email`, for that address alone."""

    role: InvitedRole
    email: Email | None = None
    expires_in: Annotated[int, Meta(ge=1, le=MAX_SECONDS, description="Seconds from now.")] = (
        DEFAULT_SECONDS
    )


class Invitation(Outgoing):
    """An open invitation, without its secret."""

    id: UUID
    role: InvitedRole
    email: str | None
    created_by: UUID
    expires_at: datetime
    created_at: datetime


class NewInvitation(Invitation):
    """An invitation with its link and the secret in it, which are shown this once."""

    url: str | UnsetType = UNSET
    token: str | UnsetType = UNSET


class InvitationPreview(Outgoing):
    """What the holder of an invitation's link is told; `invitedBy` is a name, and may be empty.

    `isPersonal` says that it is for one e-mail address alone.
    """

    workspace_name: str
    role: InvitedRole
    invited_by: str
    is_personal: bool
    expires_at: datetime
