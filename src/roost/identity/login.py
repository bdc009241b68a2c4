"""Logging in by a link, and out again."""

from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import credentials, login_queries, queries
from roost.identity.users import enter

_MAX_USER_AGENT = 500
_MAX_ADDRESS = 100


@dataclass(frozen=True, slots=True)
class Client:
    """Where a log-in comes from; `session` is the secret of the session it had until now."""

    user_agent: str | None
    address: str | None
    session: str | None
    cause: str


async def log_in(database: Database, link: str, client: Client) -> str:
    """Use a log-in link and start a session; gives the session's secret.

    A link works once, for the first of several at once. The session is always a new one: no id
    that a browser brought along becomes a log-in. LOGIN_LINK_INVALID for all that is wrong.
    """
    if not credentials.is_opaque_secret(link):
        raise ProblemError(errors.LOGIN_LINK_INVALID)
    secret = credentials.new_opaque_secret()
    hashed = credentials.digest(link)

    async def work(transaction: Transaction) -> None:
        used = await transaction.row(login_queries.USE_LINK, token_hash=hashed)
        if used is None:
            raise ProblemError(errors.LOGIN_LINK_INVALID)
        user_id = used["user_id"]
        await enter(transaction, Context(user_id=user_id, cause=client.cause))
        if await transaction.row(login_queries.LOGGED_IN, user=user_id) is None:
            raise ProblemError(errors.LOGIN_LINK_INVALID)
        await transaction.row(
            login_queries.INSERT_SESSION,
            new_id=uuid7(),
            user=user_id,
            token_hash=credentials.digest(secret),
            user_agent=_stored(client.user_agent, _MAX_USER_AGENT),
            address=_stored(client.address, _MAX_ADDRESS),
        )
        if client.session is not None and credentials.is_opaque_secret(client.session):
            await _end_presented(transaction, user_id, client)

    await database.write(Context(credential=hashed.hex(), cause=client.cause), work)
    return secret


async def _end_presented(transaction: Transaction, user_id: UUID, client: Client) -> None:
    hashed = credentials.digest(client.session or "")
    await enter(transaction, Context(None, user_id, hashed.hex(), client.cause))
    await transaction.row(login_queries.END_PRESENTED, token_hash=hashed)


def _stored(text: str | None, longest: int) -> str | None:
    return None if text is None else text.replace("\x00", "")[:longest]


async def end_session(transaction: Transaction, user_id: UUID, session_id: UUID) -> None:
    """End a session; SESSION_NOT_FOUND when the user has no live one of that id."""
    if await transaction.row(queries.END_SESSION, user=user_id, session=session_id) is None:
        raise ProblemError(errors.SESSION_NOT_FOUND)
