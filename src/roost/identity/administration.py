"""What the operator does at the command line: as the owner of the tables, who sees every row."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import Text, Uuid, and_, bindparam, func, insert, or_, select
from sqlalchemy.dialects.postgresql import INTERVAL
from uuid_utils.compat import uuid7

from roost.db.pool import Silent, Transaction
from roost.db.statements import compiled
from roost.db.tenancy import Context
from roost.identity import queries
from roost.identity.access import credentials
from roost.identity.audit.trail import Trail
from roost.identity.login.sessions import record_everywhere
from roost.identity.model import TokenName
from roost.identity.tables import login_links, memberships, users, workspaces
from roost.identity.tokens import queries as token_queries
from roost.identity.tokens.agents import make_agent
from roost.identity.users.erasure import erase_user
from roost.identity.workspaces.service import MAX_NAME, insert_owned, slug_of
from roost.web.principal import SCOPES

LINK_PATH = "/api/v1/auth/link"
LINK_LIFE = timedelta(hours=1)
FIRST_EMAIL = "owner@localhost"
_CAUSE = "cli"
_LOCK = 7_266_837_382
_EMAIL = re.compile(r"[^@\s\x00]+@[^@\s\x00]+")
_MAX_EMAIL = 320
_u, _m, _w = users.c, memberships.c, workspaces.c
_FIND = compiled(
    "select users.email",
    select(_u.id)
    .where(
        _u.kind == "person",
        or_(
            and_(bindparam("email", type_=Text).is_(None), _u.erased_at.is_(None)),
            func.lower(_u.email) == func.lower(bindparam("email", type_=Text)),
        ),
    )
    .order_by(_u.created_at, _u.id),
)
_HOME = compiled(
    "select workspaces.home",
    select(_w.id)
    .join(memberships, _m.workspace_id == _w.id)
    .where(
        _m.user_id == bindparam("user", type_=Uuid),
        _w.deleted_at.is_(None),
        or_(
            bindparam("workspace", type_=Uuid).is_(None),
            _w.id == bindparam("workspace", type_=Uuid),
        ),
    )
    .order_by((_m.role == "owner").desc(), _m.created_at, _w.id),
)
_INSERT_LINK = compiled(
    "insert login_links",
    insert(login_links).values(
        id=bindparam("new_id", type_=Uuid),
        user_id=bindparam("user", type_=Uuid),
        token_hash=bindparam("token_hash", type_=login_links.c.token_hash.type),
        expires_at=func.now() + bindparam("life", type_=INTERVAL),
    ),
)


class OperatorError(ValueError):
    """It can't be done; the message says why and what to do."""


def _on(connection: Any) -> Transaction:  # noqa: ANN401 -- asyncpg's
    """Use the operator's connection, in the transaction that it has open, as the rooms' own do."""
    return Transaction(connection, Silent())


async def _enter(connection: Any, user_id: UUID | None, workspace_id: UUID | None) -> None:  # noqa: ANN401 -- asyncpg's
    await _on(connection).enter(Context(workspace_id, user_id, cause=_CAUSE))


async def is_first_run(connection: Any) -> bool:  # noqa: ANN401 -- asyncpg's
    """Whether there is no user yet."""
    return await _on(connection).row(_FIND, email=None) is None


async def find_user(connection: Any, email: str | None) -> UUID:  # noqa: ANN401 -- asyncpg's
    """Find a user by e-mail, or the first one; OperatorError when there is none."""
    row = await _on(connection).row(_FIND, email=email)
    if row is None:
        message = (
            f"there is no user with the e-mail address {email!r}"
            if email
            else "there is no user yet: `roost user create EMAIL` makes one"
        )
        raise OperatorError(message)
    found: UUID = row["id"]
    return found


async def find_home(connection: Any, user_id: UUID, workspace: UUID | None = None) -> UUID:  # noqa: ANN401 -- asyncpg's
    """Find a user's own workspace, or the given one if they are a member; OperatorError."""
    row = await _on(connection).row(_HOME, user=user_id, workspace=workspace)
    if row is None:
        message = f"the user is a member of no {'such ' if workspace else ''}workspace"
        raise OperatorError(message)
    home: UUID = row["id"]
    return home


def check_email(email: str) -> None:
    """Hold a new user's e-mail address against the rules that the API has; OperatorError."""
    if not _EMAIL.fullmatch(email) or len(email) > _MAX_EMAIL:
        message = f"{email[:_MAX_EMAIL]!r} is not an e-mail address"
        raise OperatorError(message)


async def create_user(connection: Any, email: str, name: str = "") -> tuple[UUID, UUID]:  # noqa: ANN401 -- asyncpg's
    """Make a user and a workspace of their own; gives both ids.

    OperatorError when the e-mail address is none, or is taken.
    """
    check_email(email)
    user_id, workspace_id = uuid7(), uuid7()
    title = name or email.partition("@")[0]
    try:
        async with connection.transaction():
            await _enter(connection, user_id, workspace_id)
            await _on(connection).row(
                queries.INSERT_USER,
                new_id=user_id,
                new_email=email,
                new_name=name,
                new_avatar_url=None,
            )
            title = title[:MAX_NAME]
            await insert_owned(_on(connection), workspace_id, user_id, slug_of(title), title)
            await Trail(workspace_id, None).record(
                _on(connection), "user.added", ("user", user_id), by=_CAUSE
            )
    except asyncpg.UniqueViolationError as error:
        message = f"there is a user with the e-mail address {email!r} already"
        raise OperatorError(message) from error
    return user_id, workspace_id


def check_token(name: str, scopes: list[str]) -> None:
    """Hold a new token's name and scopes against the rules that the API has; OperatorError."""
    try:
        msgspec.convert(name, TokenName)
    except msgspec.ValidationError as error:
        message = "a token's name has 1 to 100 characters, and one of them can be seen"
        raise OperatorError(message) from error
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        message = f"{', '.join(unknown) or 'nothing'} is no scope; there are {', '.join(SCOPES)}"
        raise OperatorError(message)


async def create_token(  # noqa: PLR0913 -- whose, for what, and for how long
    connection: Any,  # noqa: ANN401 -- asyncpg's
    name: str,
    email: str | None,
    scopes: list[str],
    workspace: UUID | None = None,
    *,
    agent_role: str | None = None,
    life: timedelta | None = None,
) -> tuple[str, UUID, UUID]:
    """Make a token for a user's own workspace, or the given one; gives secret, id, workspace.

    With `agent_role`, it is the token of a new agent in that workspace. OperatorError when the name
    or a scope is not valid, or the user or the workspace is unknown.
    """
    check_token(name, scopes)
    secret, token_id = credentials.new_access_token(), uuid7()
    async with connection.transaction():
        user_id = await find_user(connection, email)
        home = await find_home(connection, user_id, workspace)
        await _enter(connection, user_id, home)
        maker = user_id
        if agent_role is not None:
            context = Context(home, maker, cause=_CAUSE)
            user_id = await make_agent(_on(connection), name, agent_role, context)
        await _on(connection).row(
            token_queries.INSERT_TOKEN,
            new_workspace_id=home,
            new_id=token_id,
            new_user_id=user_id,
            new_name=name,
            new_token_hash=credentials.digest(secret),
            new_hint=credentials.hint(secret),
            new_scopes=list(dict.fromkeys(scopes)),
            new_expires_at=None if life is None else datetime.now(UTC) + life,
        )
        agent: dict[str, Any] = {}
        if agent_role is not None:
            agent = {"role": agent_role, "agentId": user_id}
        await Trail(home, maker).record(
            _on(connection),
            "token.created",
            ("token", token_id),
            name=name,
            kind="service" if agent_role else "personal",
            scopes=scopes,
            by=_CAUSE,
            **agent,
        )
    return secret, token_id, home


async def erase(connection: Any, email: str) -> UUID:  # noqa: ANN401 -- asyncpg's
    """Erase a user, in one transaction; gives their id, which stays.

    OperatorError when there is none, CONFLICT when a workspace would be left without an owner.
    """
    async with connection.transaction():
        user_id = await find_user(connection, email)
        context = Context(None, user_id, cause=_CAUSE)
        await erase_user(_on(connection), user_id, context, Trail(None, None))
    return user_id


async def create_login_link(connection: Any, user_id: UUID) -> str:  # noqa: ANN401 -- asyncpg's
    """Make the secret of a link that logs the user in once, within an hour."""
    secret = credentials.new_opaque_secret()
    async with connection.transaction():
        await _enter(connection, user_id, None)
        await _on(connection).row(
            _INSERT_LINK,
            new_id=uuid7(),
            user=user_id,
            token_hash=credentials.digest(secret),
            life=LINK_LIFE,
        )
        await record_everywhere(
            _on(connection),
            Trail(None, None),
            Context(user_id=user_id, cause=_CAUSE),
            "login.link_created",
            ("user", user_id),
            by=_CAUSE,
        )
    return secret


async def first_run(connection: Any) -> str | None:  # noqa: ANN401 -- asyncpg's
    """Make the first user and workspace; gives a log-in link's secret, None if not needed.

    Of several processes at once, one makes them.
    """
    async with connection.transaction():
        await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
        if not await is_first_run(connection):
            return None
        user_id, _ = await create_user(connection, FIRST_EMAIL, "Owner")
        return await create_login_link(connection, user_id)
