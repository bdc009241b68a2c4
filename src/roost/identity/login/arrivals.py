"""Who comes from a provider: known users, new ones, and identities that are added to users."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access import credentials
from roost.identity.login import queries as login_queries
from roost.identity.login.sessions import Client, record_everywhere, start_session
from roost.identity.providers import Grant, Profile
from roost.identity.providers.vault import Vault
from roost.identity.users.service import enter
from roost.identity.workspaces import invitation_queries
from roost.identity.workspaces.service import MAX_NAME, insert_owned, slug_of

_TRIES = 2
_INVITED = "/invitations/"
_EMAIL_KEY = "users_email_key"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody whom a provider has vouched for, and where they want to go."""

    provider: str
    profile: Profile
    grant: Grant
    client: Client
    return_to: str

    @property
    def digest(self) -> bytes:
        """What the identity is found by."""
        return credentials.subject_digest(self.provider, self.profile.subject)

    def seen(self) -> dict[str, object]:
        """Give what an identity keeps of the profile."""
        profile = self.profile
        return {
            "email": profile.email,
            "email_verified": profile.email_verified,
            "name": profile.name,
        }


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What is made of those who arrive; `open_sign_up`: strangers become users."""

    database: Database
    vault: Vault
    open_sign_up: bool = True

    async def log_in(self, arrival: Arrival) -> str:
        """Start a session, for a new user if need be, in one transaction; gives its secret.

        USER_DEACTIVATED, SIGN_UP_CLOSED, EMAIL_IN_USE.
        """
        secret = credentials.new_opaque_secret()

        async def work(transaction: Transaction) -> bool:
            found = await self._find(transaction, arrival)
            if found is None:
                identity_id, user_id = await self._sign_up(transaction, arrival)
            else:
                identity_id, user_id = found["id"], found["user_id"]
            mine = Context(user_id=user_id, cause=arrival.client.cause)
            if not await start_session(
                transaction, user_id, secret, arrival.client, by=arrival.provider
            ):
                await _record_refusal(transaction, arrival, mine)
                return False
            await self._note(transaction, arrival, user_id, identity_id)
            return True

        if not await self._once_more(arrival, work):
            raise ProblemError(errors.USER_DEACTIVATED)
        return secret

    async def link(self, arrival: Arrival, user_id: UUID, session_id: UUID) -> None:
        """Add the identity to a user whose session began this, and is here again.

        LOGIN_ATTEMPT_INVALID without that session; CONFLICT when the identity is somebody else's.
        """

        async def work(transaction: Transaction) -> bool:
            await require_session(transaction, arrival.client, user_id, session_id)
            found = await self._find(transaction, arrival)
            mine = Context(user_id=user_id, cause=arrival.client.cause)
            if found is not None and found["user_id"] != user_id:
                raise ProblemError(
                    errors.CONFLICT, "that identity belongs to another user; nothing was changed"
                )
            await enter(transaction, mine)
            identity_id = found["id"] if found else uuid7()
            if found is None:
                await _insert_identity(transaction, arrival, user_id, identity_id)
                trail = arrival.client.trail(user_id, session_id)
                target = ("identity", identity_id)
                await record_everywhere(
                    transaction, trail, mine, "identity.linked", target, provider=arrival.provider
                )
            await self._note(transaction, arrival, user_id, identity_id)
            return True

        await self._once_more(arrival, work)

    async def _once_more(self, arrival: Arrival, work: Any) -> bool:  # noqa: ANN401 -- a coroutine function
        """Run it again when the same identity was made at the same moment: then it is found."""
        context = Context(credential=arrival.digest.hex(), cause=arrival.client.cause)
        for last in range(1, _TRIES + 1):
            try:
                done: bool = await self.database.write(context, work)
            except asyncpg.UniqueViolationError as error:
                if last < _TRIES:
                    continue
                entry = errors.CONTENTION
                if error.constraint_name == _EMAIL_KEY:
                    entry = errors.EMAIL_IN_USE
                raise ProblemError(entry) from error
            else:
                return done
        raise AssertionError

    async def _find(self, transaction: Transaction, arrival: Arrival) -> Any:  # noqa: ANN401 -- a record
        digest = arrival.digest
        await enter(transaction, Context(credential=digest.hex(), cause=arrival.client.cause))
        return await transaction.row(login_queries.FIND_BY_SUBJECT, subject_hash=digest)

    async def _note(
        self, transaction: Transaction, arrival: Arrival, user_id: UUID, identity_id: UUID
    ) -> None:
        """Keep what the provider said this time, and the tokens it gave."""
        row = await transaction.row(
            login_queries.SEEN_AT_PROVIDER, identity=identity_id, user=user_id, **arrival.seen()
        )
        if row is None:  # it was taken from the user this very moment
            raise ProblemError(errors.CONTENTION)
        identity = (identity_id, arrival.provider)
        await self.vault.keep(transaction, user_id, identity, arrival.grant)

    async def _sign_up(self, transaction: Transaction, arrival: Arrival) -> tuple[UUID, UUID]:
        """Make a user, with a workspace of their own; gives the identity's id and the user's."""
        if not self.open_sign_up and not await _is_invited(transaction, arrival):
            raise ProblemError(errors.SIGN_UP_CLOSED)
        profile, home = arrival.profile, uuid7()
        user_id, identity_id = uuid7(), uuid7()
        email = profile.email or placeholder(arrival.provider, arrival.digest)
        await enter(transaction, Context(home, user_id, cause=arrival.client.cause))
        await transaction.row(
            queries.INSERT_USER,
            new_id=user_id,
            new_email=email,
            new_name=profile.name or "",
            new_avatar_url=profile.avatar_url,
        )
        title = (profile.name or email.partition("@")[0])[:MAX_NAME]
        await insert_owned(transaction, home, user_id, slug_of(title), title)
        await _insert_identity(transaction, arrival, user_id, identity_id)
        trail = arrival.client.trail(user_id).within(home)
        await trail.record(transaction, "workspace.created", ("workspace", home))
        return identity_id, user_id


def placeholder(provider: str, digest: bytes) -> str:
    """Give the address of a user whose provider told none; no mail can reach it."""
    return f"{provider}-{digest.hex()[:16]}@users.noreply.invalid"


async def require_session(
    transaction: Transaction, client: Client, user_id: UUID, session_id: UUID
) -> None:
    """See that the browser still has the session that began to link."""
    hashed = credentials.digest(client.session or "")
    await enter(transaction, Context(None, user_id, hashed.hex(), client.cause))
    place = {"token_hash": hashed, "session": session_id, "user": user_id}
    if await transaction.row(login_queries.LINKING_SESSION, **place) is None:
        raise ProblemError(
            errors.LOGIN_ATTEMPT_INVALID, "the session that began to link has ended, or is another"
        )


async def _insert_identity(
    transaction: Transaction, arrival: Arrival, user_id: UUID, identity_id: UUID
) -> None:
    await transaction.row(
        login_queries.INSERT_SEEN,
        new_id=identity_id,
        new_user_id=user_id,
        new_provider=arrival.provider,
        new_subject=arrival.profile.subject,
        new_subject_hash=arrival.digest,
        **{f"new_{name}": value for name, value in arrival.seen().items()},
    )


async def _record_refusal(transaction: Transaction, arrival: Arrival, mine: Context) -> None:
    assert mine.user_id is not None  # noqa: S101 -- it is made with one
    await record_everywhere(
        transaction,
        arrival.client.trail(mine.user_id),
        mine,
        "login.failed",
        ("user", mine.user_id),
        outcome="failure",
        by=arrival.provider,
        reason="deactivated",
    )


async def _is_invited(transaction: Transaction, arrival: Arrival) -> bool:
    """Whether they come with an invitation that can be used, and is for them if it is personal."""
    secret = arrival.return_to.removeprefix(_INVITED).partition("?")[0]
    if not arrival.return_to.startswith(_INVITED) or not credentials.is_opaque_secret(secret):
        return False
    hashed, cause = credentials.digest(secret), arrival.client.cause
    await enter(transaction, Context(credential=hashed.hex(), cause=cause))
    found = await transaction.row(invitation_queries.FIND_INVITATION, token_hash=hashed)
    if found is None:
        return False
    workspace_id = found["workspace_id"]
    await enter(transaction, Context(workspace_id, cause=cause))
    place = {"workspace": workspace_id, "invitation": found["id"]}
    invitation = await transaction.row(invitation_queries.OPEN_INVITATION, **place)
    live = await transaction.row(queries.LOCK_WORKSPACE, workspace=workspace_id)
    if invitation is None or live is None:
        return False
    profile = arrival.profile
    if invitation["email"] is None:
        return True
    return profile.email_verified and (profile.email or "").lower() == invitation["email"]
