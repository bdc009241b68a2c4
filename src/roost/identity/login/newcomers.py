"""Who comes from a provider for the first time: made a user, by invitation where it takes one."""

from dataclasses import dataclass
from secrets import token_hex
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access import credentials
from roost.identity.login import queries as login_queries
from roost.identity.login.return_to import AFTER_LOGIN
from roost.identity.login.sessions import Client
from roost.identity.providers import Grant, Profile
from roost.identity.workspaces.invitations import OpenInvitation, open_invitation, use_invitation
from roost.identity.workspaces.service import MAX_NAME, insert_owned, slug_of

_INVITED = "/invitations/"
_NOT_THEIRS = frozenset({errors.INVITATION_NOT_FOUND, errors.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody for whom `voucher` vouches under a provider's name, and where they want to go."""

    provider: str
    voucher: str
    profile: Profile
    grant: Grant
    client: Client
    return_to: str

    @property
    def digest(self) -> bytes:
        """What the identity is found by."""
        return credentials.subject_digest(self.provider, self.profile.subject)

    def seen(self) -> dict[str, object]:
        """Give what an identity keeps of the profile, and who vouched for it."""
        profile = self.profile
        return {
            "issuer": self.voucher,
            "email": profile.email,
            "email_verified": profile.email_verified,
            "name": profile.name,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """An identity, whose it is, and where its user goes from here."""

    identity_id: UUID
    user_id: UUID
    way: str


async def sign_up(
    transaction: Transaction, arrival: Arrival, *, is_open: bool, is_taken: bool
) -> Known:
    """Make a user, with a workspace of their own; `is_taken`: their address was somebody's.

    Unless that is open to all, they are made a member of the workspace they are invited to instead,
    and the invitation is used up: SIGN_UP_CLOSED without one.
    """
    if is_open:
        return await _sign_up_alone(transaction, arrival, is_taken=is_taken)
    try:
        return await _sign_up_invited(transaction, arrival, is_taken=is_taken)
    except ProblemError as problem:
        if problem.entry not in _NOT_THEIRS:
            raise
        raise ProblemError(errors.SIGN_UP_CLOSED, problem.detail) from problem


async def _sign_up_alone(transaction: Transaction, arrival: Arrival, *, is_taken: bool) -> Known:
    home, user_id = uuid7(), uuid7()
    await transaction.enter(Context(home, user_id, cause=arrival.client.cause))
    email = await _insert_user(transaction, arrival, user_id, is_taken=is_taken)
    title = (arrival.profile.name or email.partition("@")[0])[:MAX_NAME]
    await insert_owned(transaction, home, user_id, slug_of(title), title)
    identity_id = await insert_identity(transaction, arrival, user_id)
    trail = arrival.client.trail(user_id).within(home)
    await trail.record(transaction, "workspace.created", ("workspace", home))
    return Known(identity_id, user_id, arrival.return_to)


async def _sign_up_invited(transaction: Transaction, arrival: Arrival, *, is_taken: bool) -> Known:
    invitation = await _invitation(transaction, arrival)
    user_id, cause = uuid7(), arrival.client.cause
    await transaction.enter(Context(invitation.workspace_id, user_id, cause=cause))
    await _insert_user(transaction, arrival, user_id, is_taken=is_taken)
    # First, for an invitation to an address asks who has verified it.
    identity_id = await insert_identity(transaction, arrival, user_id)
    await use_invitation(transaction, user_id, invitation, arrival.client.trail(user_id))
    return Known(identity_id, user_id, AFTER_LOGIN)


async def _invitation(transaction: Transaction, arrival: Arrival) -> OpenInvitation:
    if not arrival.return_to.startswith(_INVITED):
        raise ProblemError(errors.SIGN_UP_CLOSED)
    secret = arrival.return_to.removeprefix(_INVITED).partition("?")[0].partition("#")[0]
    return await open_invitation(transaction, secret, Context(cause=arrival.client.cause))


async def _insert_user(
    transaction: Transaction, arrival: Arrival, user_id: UUID, *, is_taken: bool
) -> str:
    email = await _address(transaction, arrival, is_taken=is_taken)
    await transaction.row(
        queries.INSERT_USER,
        new_id=user_id,
        new_email=email,
        new_name=arrival.profile.name or "",
        new_avatar_url=arrival.profile.avatar_url,
    )
    return email


async def _address(transaction: Transaction, arrival: Arrival, *, is_taken: bool) -> str:
    """Give the new user's address: that of the profile, if it tells one that can be had.

    Who merely claimed an address must not keep out whose it is: they get in without it.
    """
    profile = arrival.profile
    if profile.email is None:
        return placeholder(arrival.provider)
    if is_taken and profile.email_verified:
        found: Any = await transaction.row(login_queries.IS_EMAIL_PROVED, email=profile.email)
        if not found["is_proved"]:
            return placeholder(arrival.provider)
    return profile.email


def placeholder(provider: str) -> str:
    """Give an address to a user who has none; no mail can reach it, and nobody can foresee it."""
    return f"{provider}-{token_hex(8)}@users.noreply.invalid"


async def insert_identity(transaction: Transaction, arrival: Arrival, user_id: UUID) -> UUID:
    """Store a new identity of that user; gives its id."""
    identity_id = uuid7()
    await transaction.row(
        login_queries.INSERT_SEEN,
        new_id=identity_id,
        new_user_id=user_id,
        new_provider=arrival.provider,
        new_subject=arrival.profile.subject,
        new_subject_hash=arrival.digest,
        **{f"new_{name}": value for name, value in arrival.seen().items()},
    )
    return identity_id
