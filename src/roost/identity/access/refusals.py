"""Writing down refused tokens that were once good: later, and at most once a minute each.

The refused request waits for none of this, and a flood of refusals writes next to nothing.
"""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Text, Uuid, bindparam, case, func, literal_column, select, text

from roost.db.faults import DatabaseError
from roost.db.pool import Database, Transaction
from roost.db.statements import compiled
from roost.db.tenancy import Context
from roost.identity.access import credentials
from roost.identity.audit.trail import Trail, address_of
from roost.identity.queries import WORKSPACE
from roost.identity.tables import access_tokens, audit_events, users
from roost.web.endpoint import Call
from roost.web.rate import network_of

INTERVAL = 60.0
"""Seconds that pass, at least, until the same credential's refusal is noted again."""
FLUSH_EVERY = 5.0
_MOST_REMEMBERED = 10_000
_MOST_PENDING = 200
_MOST_PENDING_EACH = 10
"""Of one address: what is made up there must not crowd out the tokens that others present."""
_log = logging.getLogger("roost.identity")
_t, _u, _e = access_tokens.c, users.c, audit_events.c
_token = bindparam("token", type_=Uuid)
_FIND = compiled(
    "select access_tokens.presented",
    select(_t.id, _t.workspace_id, _t.user_id).where(
        _t.token_hash == bindparam("token_hash", type_=_t.token_hash.type)
    ),
)
_REASON = compiled(
    "select access_tokens.refused",
    select(
        case(
            (_t.revoked_at.is_not(None), literal_column("'revoked'", Text)),
            (_t.expires_at <= func.now(), literal_column("'expired'", Text)),
            (~_u.is_active, literal_column("'deactivated'", Text)),
        ).label("reason")
    )
    .join(users, _u.id == _t.user_id)
    .where(_t.workspace_id == WORKSPACE, _t.id == _token)
    .with_for_update(key_share=True, of=access_tokens),
)
"""Locks the token: workers that note the same refusal at once do so one after the other."""
_NOTED = compiled(
    "select audit_events.refused",
    select(_e.id)
    .where(
        _e.workspace_id == WORKSPACE,
        _e.at > func.now() - text("interval '55 seconds'"),
        _e.credential_id == _token,
        _e.action == "login.failed",
    )
    .limit(literal_column("1")),
)


@dataclass(frozen=True, slots=True)
class _Caller:
    """Where the refused request came from."""

    address: str | None
    user_agent: str | None
    request_id: str


class Refusals:
    """Collects refused tokens and writes them down; a failure costs a note, never a request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[bytes, _Caller] = {}
        self._from: Counter[str] = Counter()
        self._left_out = 0
        self._noted: dict[bytes, float] = {}

    def note(self, call: Call, bearer: str) -> None:
        """Remember that a token was refused; what can't be a token is nobody's."""
        if not credentials.is_access_token(bearer):
            return
        hashed, now = credentials.digest(bearer), time.monotonic()
        if now < self._noted.get(hashed, 0.0):
            return
        address = address_of(call)
        network = network_of(address or "")
        if self._from[network] >= _MOST_PENDING_EACH or len(self._pending) >= _MOST_PENDING:
            self._left_out += 1
            return
        self._from[network] += 1
        if len(self._noted) >= _MOST_REMEMBERED:
            self._noted.clear()
        self._noted[hashed] = now + INTERVAL
        self._pending[hashed] = _Caller(address, call.header("user-agent"), call.request_id)

    async def run(self) -> None:
        """Write down every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Write down what was noted, each in the token's workspace."""
        pending, self._pending = self._pending, {}
        left_out, self._left_out = self._left_out, 0
        self._from.clear()
        unknown = 0
        try:
            for hashed, caller in pending.items():
                unknown += not await self._write(hashed, caller)
        except (DatabaseError, asyncpg.PostgresError, OSError) as error:
            _log.warning("refused tokens could not be noted: %s", error)
        if unknown:
            _log.info("%d tokens that nobody has, or had, were refused", unknown)
        if left_out:
            _log.warning("%d refused tokens were too many at once to look into", left_out)

    async def _write(self, hashed: bytes, caller: _Caller) -> bool:
        """Write an event; False when there is no such token."""

        async def work(transaction: Transaction) -> bool:
            found = await transaction.row(_FIND, token_hash=hashed)
            if found is None:
                return False
            await transaction.enter(Context(found["workspace_id"], cause=caller.request_id))
            await _record(transaction, found, caller)
            return True

        context = Context(credential=hashed.hex(), cause=caller.request_id)
        return await self._database.write(context, work)


async def _record(transaction: Transaction, token: Any, caller: _Caller) -> None:  # noqa: ANN401 -- a record
    workspace_id: UUID = token["workspace_id"]
    place = {"workspace": workspace_id, "token": token["id"]}
    row = await transaction.row(_REASON, **place)
    if row is None or row["reason"] is None or await transaction.row(_NOTED, **place):
        return
    trail = Trail(
        workspace_id,
        token["user_id"],
        token["id"],
        caller.address,
        caller.user_agent,
        caller.request_id,
    )
    await trail.record(
        transaction, "login.failed", ("token", token["id"]), outcome="failure", reason=row["reason"]
    )
