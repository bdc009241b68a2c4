"""Noting when credentials were last used: later, in batches, at most once a minute each."""

import asyncio
import logging
import time
from uuid import UUID

import asyncpg
from sqlalchemy import Uuid, any_, bindparam, func, or_, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from roost.db.faults import DatabaseError
from roost.db.pool import Database, Transaction
from roost.db.statements import compiled
from roost.db.tenancy import SET_CONTEXT, Context
from roost.identity.tables import access_tokens, sessions
from roost.web.principal import Principal

INTERVAL = 60.0
"""Seconds that pass, at least, until the use of a credential is noted again."""
FLUSH_EVERY = 5.0
_MOST = 10_000
_log = logging.getLogger("roost.identity")
_ids = any_(bindparam("ids", type_=ARRAY(Uuid)))
# Other workers note the same credentials: the row decides.
_due = func.now() - text("interval '55 seconds'")
_TOKENS_USED = compiled(
    "update access_tokens used",
    update(access_tokens)
    .where(
        access_tokens.c.workspace_id == bindparam("workspace", type_=Uuid),
        access_tokens.c.id == _ids,
        or_(access_tokens.c.last_used_at.is_(None), access_tokens.c.last_used_at < _due),
    )
    .values(last_used_at=func.now()),
)
_SESSIONS_SEEN = compiled(
    "update sessions seen",
    update(sessions)
    .where(
        sessions.c.user_id == bindparam("user", type_=Uuid),
        sessions.c.id == _ids,
        sessions.c.last_seen_at < _due,
    )
    .values(last_seen_at=func.now()),
)


class CredentialUsage:
    """Collects uses and writes them down; a failure costs a note, never a request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tokens: dict[UUID, UUID] = {}
        self._sessions: dict[UUID, UUID] = {}
        self._noted: dict[UUID, float] = {}

    def note(self, principal: Principal) -> float:
        """Remember that a credential was used; gives the moment from which to call again."""
        now = time.monotonic()
        due = self._noted.get(principal.credential_id, 0.0)
        if now < due:
            return due
        if len(self._noted) >= _MOST:
            self._noted.clear()
        self._noted[principal.credential_id] = now + INTERVAL
        if principal.bound_to is not None:
            self._tokens[principal.credential_id] = principal.bound_to
        else:
            self._sessions[principal.credential_id] = principal.user_id
        return now + INTERVAL

    async def run(self) -> None:
        """Write down every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Write down what was noted; each tenant's, in its own context."""
        tokens, self._tokens = self._tokens, {}
        sessions_, self._sessions = self._sessions, {}
        if not tokens and not sessions_:
            return

        async def write(transaction: Transaction) -> None:
            # Entered by the statement alone: no read that is kept shows when a token was used.
            # In order of ids, so that two workers don't wait for each other crosswise.
            for workspace, ids in sorted(_grouped(tokens).items()):
                await transaction.row(SET_CONTEXT, **Context(workspace_id=workspace).values())
                await transaction.row(_TOKENS_USED, workspace=workspace, ids=ids)
            for user, ids in sorted(_grouped(sessions_).items()):
                await transaction.row(SET_CONTEXT, **Context(user_id=user).values())
                await transaction.row(_SESSIONS_SEEN, user=user, ids=ids)

        try:
            await self._database.write(Context(), write)
        except (DatabaseError, asyncpg.PostgresError, OSError) as error:
            _log.warning("the use of credentials could not be noted: %s", error)


def _grouped(owners: dict[UUID, UUID]) -> dict[UUID, list[UUID]]:
    groups: dict[UUID, list[UUID]] = {}
    for credential, owner in sorted(owners.items()):
        groups.setdefault(owner, []).append(credential)
    return groups
