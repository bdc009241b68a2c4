"""Who comes from a provider: known users, new ones, and identities that are added to users."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import Entry, ProblemError
from roost.identity.access import credentials
from roost.identity.login import queries as login_queries
from roost.identity.login.newcomers import Arrival, Known, insert_identity, sign_up
from roost.identity.login.sessions import Client, record_everywhere, start_session
from roost.identity.providers.vault import Vault

_TRIES = 3
_EMAIL_KEY = "users_email_key"
_REASONS = {errors.USER_DEACTIVATED: "deactivated", errors.PROVIDER_MOVED: "provider moved"}
Work = Callable[[Transaction, bool], Awaitable[Entry | None]]
"""It may be run again; it is told whether the address was somebody's before. Gives what refuses."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What is made of those who arrive; `open_sign_up`: strangers become users."""

    database: Database
    vault: Vault
    open_sign_up: bool = True

    async def log_in(self, arrival: Arrival) -> tuple[str, str]:
        """Start a session, for a new user if need be, in one transaction.

        Gives its secret, and where to go. USER_DEACTIVATED, PROVIDER_MOVED, SIGN_UP_CLOSED,
        EMAIL_IN_USE.
        """
        secret, ways = credentials.new_opaque_secret(), [arrival.return_to]

        async def work(transaction: Transaction, is_taken: bool) -> Entry | None:  # noqa: FBT001 -- see Work
            found = await self._find(transaction, arrival)
            if found is None:
                known = await sign_up(
                    transaction, arrival, is_open=self.open_sign_up, is_taken=is_taken
                )
            else:
                known = Known(found["id"], found["user_id"], arrival.return_to)
                if _is_moved(found, arrival):
                    return await _refuse(transaction, arrival, known, errors.PROVIDER_MOVED)
            if not await start_session(
                transaction, known.user_id, secret, arrival.client, by=arrival.provider
            ):
                return await _refuse(transaction, arrival, known, errors.USER_DEACTIVATED)
            await self._note(transaction, arrival, known.user_id, known.identity_id)
            ways.append(known.way)
            return None

        refusal = await self._once_more(arrival, work)
        if refusal is not None:
            raise ProblemError(refusal)
        return secret, ways[-1]

    async def link(self, arrival: Arrival, user_id: UUID, session_id: UUID) -> None:
        """Add the identity to a user whose session began this, and is here again.

        LOGIN_ATTEMPT_INVALID without that session; CONFLICT when the identity is somebody else's;
        PROVIDER_MOVED.
        """

        async def work(transaction: Transaction, _: bool) -> None:  # noqa: FBT001 -- see Work
            await require_session(transaction, arrival.client, user_id, session_id)
            found = await self._find(transaction, arrival)
            mine = Context(user_id=user_id, cause=arrival.client.cause)
            if found is not None and found["user_id"] != user_id:
                raise ProblemError(
                    errors.CONFLICT, "that identity belongs to another user; nothing was changed"
                )
            if found is not None and _is_moved(found, arrival):
                raise ProblemError(errors.PROVIDER_MOVED)
            await transaction.enter(mine)
            if found is None:
                identity_id = await insert_identity(transaction, arrival, user_id)
                trail = arrival.client.trail(user_id, session_id)
                target = ("identity", identity_id)
                await record_everywhere(
                    transaction, trail, mine, "identity.linked", target, provider=arrival.provider
                )
            else:
                identity_id = found["id"]
            await self._note(transaction, arrival, user_id, identity_id)

        await self._once_more(arrival, work)

    async def _once_more(self, arrival: Arrival, work: Work) -> Entry | None:
        """Run it again when the same identity was made at the same moment: then it is found."""
        context, is_taken = Context(cause=arrival.client.cause), False

        async def tried(transaction: Transaction) -> Entry | None:
            return await work(transaction, is_taken)

        for last in range(1, _TRIES + 1):
            try:
                return await self.database.write(context, tried)
            except asyncpg.UniqueViolationError as error:
                is_taken = error.constraint_name == _EMAIL_KEY
                if last == _TRIES:
                    entry = errors.EMAIL_IN_USE if is_taken else errors.CONTENTION
                    raise ProblemError(entry) from error
        raise AssertionError

    async def _find(self, transaction: Transaction, arrival: Arrival) -> Any:  # noqa: ANN401 -- a record
        digest = arrival.digest
        await transaction.enter(Context(credential=digest.hex(), cause=arrival.client.cause))
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


async def require_session(
    transaction: Transaction, client: Client, user_id: UUID, session_id: UUID
) -> None:
    """See that the browser still has the session that began to link."""
    hashed = credentials.digest(client.session or "")
    await transaction.enter(Context(None, user_id, hashed.hex(), client.cause))
    place = {"token_hash": hashed, "session": session_id, "user": user_id}
    if await transaction.row(login_queries.LINKING_SESSION, **place) is None:
        raise ProblemError(
            errors.LOGIN_ATTEMPT_INVALID, "the session that began to link has ended, or is another"
        )


def _is_moved(found: Any, arrival: Arrival) -> bool:  # noqa: ANN401 -- a record
    """Whether another vouches now: the same subject may be somebody else there."""
    return found["issuer"] is not None and found["issuer"] != arrival.voucher


async def _refuse(
    transaction: Transaction, arrival: Arrival, known: Known, refusal: Entry
) -> Entry:
    mine = Context(user_id=known.user_id, cause=arrival.client.cause)
    await record_everywhere(
        transaction,
        arrival.client.trail(known.user_id),
        mine,
        "login.failed",
        ("user", known.user_id),
        outcome="failure",
        by=arrival.provider,
        reason=_REASONS[refusal],
    )
    return refusal
