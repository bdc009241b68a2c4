"""Starting sessions, by a link or another proof of who it is, and ending them."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access import credentials
from roost.identity.audit.trail import MAX_ADDRESS, MAX_USER_AGENT, Trail, stored
from roost.identity.login import queries as login_queries


@dataclass(frozen=True, slots=True)
class Client:
    """Where a log-in comes from; `session` is the secret of the session it had until now."""

    user_agent: str | None
    address: str | None
    session: str | None
    cause: str

    def trail(self, user_id: UUID, session_id: UUID | None = None) -> Trail:
        """Give the trail of this user from here, in no workspace yet."""
        return Trail(None, user_id, session_id, self.address, self.user_agent, self.cause)


async def log_in(database: Database, link: str, client: Client) -> str:
    """Use a log-in link and start a session; gives the session's secret.

    A link works once, for the first of several at once. LOGIN_LINK_INVALID for all that is wrong.
    """
    if not credentials.is_opaque_secret(link):
        raise ProblemError(errors.LOGIN_LINK_INVALID)
    secret = credentials.new_opaque_secret()
    hashed = credentials.digest(link)

    async def work(transaction: Transaction) -> None:
        used = await transaction.row(login_queries.USE_LINK, token_hash=hashed)
        if used is None or not await start_session(
            transaction, used["user_id"], secret, client, by="link"
        ):
            raise ProblemError(errors.LOGIN_LINK_INVALID)

    await database.write(Context(credential=hashed.hex(), cause=client.cause), work)
    return secret


async def start_session(
    transaction: Transaction, user_id: UUID, secret: str, client: Client, *, by: str
) -> bool:
    """Start a session with this secret, and end the one that was there; False if deactivated.

    The session is always a new one: no id that a browser brought along becomes a log-in. The
    transaction is in the user's context afterwards. `by` is the way in, for the audit trail.
    """
    mine = Context(user_id=user_id, cause=client.cause)
    await transaction.enter(mine)
    if await transaction.row(login_queries.LOGGED_IN, user=user_id) is None:
        return False
    session_id = uuid7()
    await transaction.row(
        login_queries.INSERT_SESSION,
        new_id=session_id,
        user=user_id,
        token_hash=credentials.digest(secret),
        user_agent=stored(client.user_agent, MAX_USER_AGENT),
        address=stored(client.address, MAX_ADDRESS),
    )
    if client.session is not None and credentials.is_opaque_secret(client.session):
        await _end_presented(transaction, user_id, client)
    trail = client.trail(user_id, session_id)
    await record_everywhere(
        transaction, trail, mine, "login.succeeded", ("session", session_id), by=by
    )
    return True


async def record_everywhere(  # noqa: PLR0913 -- who, where, what, to what, and how it went
    transaction: Transaction,
    trail: Trail,
    mine: Context,
    action: str,
    target: tuple[str, object],
    *,
    outcome: Literal["success", "failure"] = "success",
    **details: object,
) -> None:
    """Write an event into each workspace that the user of the context is a member of.

    Where it came from goes only where the user owns the workspace, or has no other: it is no
    affair of the admins of all the others.
    """
    await transaction.enter(mine)
    homes = await transaction.rows(queries.HOMES, user=mine.user_id)
    homes = [home for home in homes if home["deleted_at"] is None]
    for home in homes:
        there = home["workspace_id"]
        told = trail if home["role"] == "owner" or len(homes) == 1 else trail.placeless()
        await transaction.enter(Context(there, mine.user_id, cause=mine.cause))
        await told.within(there).record(transaction, action, target, outcome=outcome, **details)
    await transaction.enter(mine)


async def _end_presented(transaction: Transaction, user_id: UUID, client: Client) -> None:
    hashed = credentials.digest(client.session or "")
    await transaction.enter(Context(None, user_id, hashed.hex(), client.cause))
    await transaction.row(login_queries.END_PRESENTED, token_hash=hashed)


async def end_session(transaction: Transaction, user_id: UUID, session_id: UUID) -> None:
    """End a session; SESSION_NOT_FOUND when the user has no live one of that id."""
    if await transaction.row(queries.END_SESSION, user=user_id, session=session_id) is None:
        raise ProblemError(errors.SESSION_NOT_FOUND)
