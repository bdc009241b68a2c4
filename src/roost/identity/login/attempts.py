"""Log-ins by a provider that are under way: begun, and used once."""

import base64
import secrets as random
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Uuid, bindparam, func, insert, text, update
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.sealing import SecretBox, SecretKeyError
from roost.db.statements import compiled
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.access import credentials
from roost.identity.tables import login_attempts

LIFE_SECONDS = 600
_a = login_attempts.c


def _given(name: str) -> Any:  # noqa: ANN401 -- a place for a value of the column's type
    return bindparam(f"new_{name}", type_=_a[name].type)


_INSERT = compiled(
    "insert login_attempts",
    insert(login_attempts).values(
        {
            "id": _given("id"),
            "state_hash": _given("state_hash"),
            "browser_hash": _given("browser_hash"),
            "provider": _given("provider"),
            "sealed": _given("sealed"),
            "redirect_uri": _given("redirect_uri"),
            "linking_user_id": bindparam("new_linking_user_id", type_=Uuid),
            "linking_session_id": bindparam("new_linking_session_id", type_=Uuid),
            "expires_at": func.now() + text(f"interval '{LIFE_SECONDS} seconds'"),
        }
    ),
)
# One row, one winner: who comes second waits for the row, and then finds it used.
_USE = compiled(
    "update login_attempts.use",
    update(login_attempts)
    .where(
        _a.state_hash == bindparam("state_hash", type_=_a.state_hash.type),
        _a.used_at.is_(None),
        _a.expires_at > func.now(),
    )
    .values(used_at=func.now())
    .returning(
        _a.id,
        _a.browser_hash,
        _a.provider,
        _a.sealed,
        _a.redirect_uri,
        _a.linking_user_id,
        _a.linking_session_id,
    ),
)


class Sealed(msgspec.Struct, frozen=True):
    """What only the server knows of an attempt; the way back may hold an invitation's secret."""

    nonce: str
    verifier: str
    return_to: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be begun; `linking` is the user who adds an identity, and their session."""

    provider: str
    redirect_uri: str
    linking: tuple[UUID, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """What the browser is sent off with."""

    state: str
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that came back, used up."""

    plan: Plan
    state: str
    sealed: Sealed


def challenge(return_to: str) -> Begun:
    """Make state, nonce and verifier: 32 random bytes each."""
    verifier = base64.urlsafe_b64encode(random.token_bytes(32)).rstrip(b"=").decode()
    sealed = Sealed(credentials.new_opaque_secret(), verifier, return_to)
    return Begun(credentials.new_opaque_secret(), sealed)


async def begin(  # noqa: PLR0913, PLR0917 -- where, what, by whom and why
    database: Database, box: SecretBox, plan: Plan, begun: Begun, browser: str, cause: str
) -> None:
    """Store an attempt of the browser that has this secret."""
    attempt_id, hashed = uuid7(), credentials.digest(begun.state)
    sealed = msgspec.json.encode(begun.sealed).decode()
    user_id, session_id = plan.linking or (None, None)

    async def work(transaction: Transaction) -> None:
        await transaction.row(
            _INSERT,
            new_id=attempt_id,
            new_state_hash=hashed,
            new_browser_hash=credentials.digest(browser),
            new_provider=plan.provider,
            new_sealed=box.seal_for(sealed, _about(attempt_id)),
            new_redirect_uri=plan.redirect_uri,
            new_linking_user_id=user_id,
            new_linking_session_id=session_id,
        )

    await database.write(Context(None, user_id, hashed.hex(), cause), work)


async def use(  # noqa: PLR0913, PLR0917 -- where, what, by whom and by which way
    database: Database, box: SecretBox, provider: str, state: str, browser: str | None, cause: str
) -> Attempt:
    """Use an attempt up, whatever comes of it; LOGIN_ATTEMPT_INVALID for all that is wrong.

    It is used up when this returns: not even a failure later on lets the state be used again.
    """
    if not credentials.is_opaque_secret(state):
        raise ProblemError(errors.LOGIN_ATTEMPT_INVALID)
    hashed = credentials.digest(state)

    async def work(transaction: Transaction) -> Any:  # noqa: ANN401 -- a record
        return await transaction.row(_USE, state_hash=hashed)

    row = await database.write(Context(credential=hashed.hex(), cause=cause), work)
    if (
        row is None
        or browser is None
        or row["browser_hash"] != credentials.digest(browser)
        or row["provider"] != provider
    ):
        raise ProblemError(errors.LOGIN_ATTEMPT_INVALID)
    try:
        text_ = box.open_for(row["sealed"], _about(row["id"]))
    except SecretKeyError as error:  # the keys were changed meanwhile
        raise ProblemError(errors.LOGIN_ATTEMPT_INVALID) from error
    user_id, session_id = row["linking_user_id"], row["linking_session_id"]
    linking = (user_id, session_id) if user_id and session_id else None
    plan = Plan(provider, row["redirect_uri"], linking)
    return Attempt(plan, state, msgspec.json.decode(text_, type=Sealed))


def _about(attempt_id: UUID) -> str:
    return f"login_attempts.sealed {attempt_id}"
