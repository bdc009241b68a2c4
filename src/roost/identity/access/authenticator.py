"""Turning a token or a session cookie into a principal: remembered if possible, else looked up."""

import asyncio
import time
from typing import Any, Literal, Self

from roost import errors
from roost.db.dsn import DatabaseConfig
from roost.db.pool import Database
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.access import credentials
from roost.identity.access.cache import Key, PrincipalCache, Remembered
from roost.identity.access.listener import PrincipalListener
from roost.identity.access.principals import SESSION_PRINCIPAL, TOKEN_PRINCIPAL
from roost.identity.access.refusals import Refusals
from roost.identity.access.usage import CredentialUsage
from roost.telemetry import note_caller
from roost.web.principal import Principal, permissions_of

SESSION_SCOPES = frozenset({"*"})
"""A session may do whatever its user's role may."""


class DatabaseAuthenticator:
    """The authenticator of a worker; works as it is, and from memory within `async with`.

    `config` says where to listen to changes of rights; without it nothing is remembered.
    """

    def __init__(self, database: Database, config: DatabaseConfig | None = None) -> None:
        self._database = database
        self._config = config
        self._tasks: list[asyncio.Task[None]] = []
        self.cache = PrincipalCache()
        self.usage = CredentialUsage(database)
        self.refusals = Refusals(database)

    async def __aenter__(self) -> Self:
        """Start to listen to changes of rights, and to write down the use of credentials."""
        if self._config is not None:
            listener = PrincipalListener(self._config, self.cache)
            self._tasks.append(asyncio.create_task(listener.run()))
        self._tasks.append(asyncio.create_task(self.usage.run()))
        self._tasks.append(asyncio.create_task(self.refusals.run()))
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop that, and write down what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.cache.disable()
        await self.usage.flush()
        await self.refusals.flush()

    async def authenticate(
        self, bearer: str | None, cookie: str | None, workspace: str | None
    ) -> Principal | None:
        """Give the principal, or None when the credential is not live.

        `workspace` is an id or slug; WORKSPACE_NOT_FOUND when it is not one of the user's, or
        not the one that the token is bound to.
        """
        secret = cookie if bearer is None else bearer
        if secret is None:
            return None
        key = (credentials.digest(secret), workspace, bearer is not None)
        found = self.cache.find(key)
        if found is None:
            if bearer is not None:
                is_possible = credentials.is_access_token(secret)
            else:
                is_possible = credentials.is_opaque_secret(secret)
            return await self._look_up(key) if is_possible else None
        if time.monotonic() >= found.note_at:
            found.note_at = self.usage.note(found.principal)
        note_caller(found.principal.user_id, found.principal.workspace_id)
        return found.principal

    async def _look_up(self, key: Key) -> Principal | None:
        generation = self.cache.generation
        started = time.monotonic()
        hashed, workspace, is_token = key
        row = await self._database.read(
            TOKEN_PRINCIPAL if is_token else SESSION_PRINCIPAL,
            Context(credential=hashed.hex()),
            wanted=workspace or "",
        )
        if row is None or (is_token and not workspace and row["workspace_id"] is None):
            return None
        # Also of those who ask for a workspace that is not theirs.
        note_caller(row["credential_user_id"], row["workspace_id"])
        principal = _principal(row, workspace, "token" if is_token else "session")
        left = row["credential_seconds_left"]
        until = started + min(self.cache.max_age, self.cache.max_age if left is None else left)
        entry = Remembered(principal, until, self.usage.note(principal))
        self.cache.remember(key, entry, generation)
        return principal


def _principal(
    row: Any,  # noqa: ANN401 -- a record
    wanted: str | None,
    kind: Literal["token", "session"],
) -> Principal:
    workspace_id = row["workspace_id"]
    scopes = frozenset(row["credential_scopes"]) if kind == "token" else SESSION_SCOPES
    if workspace_id is None:
        raise _no_workspace(wanted, bound="*" not in scopes)
    is_agent = row["kind"] == "agent"
    return Principal(
        user_id=row["credential_user_id"],
        workspace_id=workspace_id,
        role=row["role"],
        scopes=scopes,
        kind=kind,
        credential_id=row["credential_id"],
        permissions=permissions_of(row["role"], scopes, is_agent=is_agent),
        bound_to=row["credential_workspace_id"] if kind == "token" else None,
        is_agent=is_agent,
    )


def _no_workspace(wanted: str | None, *, bound: bool) -> ProblemError:
    if not wanted:
        detail = "the user is not, or no longer, a member of a workspace that this credential opens"
        return ProblemError(errors.WORKSPACE_NOT_FOUND, detail)
    if bound:
        return ProblemError(
            errors.WORKSPACE_NOT_FOUND,
            "the token is bound to another workspace than the one that was named",
            hint="Leave `Roost-Workspace` out, or use a token of that workspace.",
        )
    return ProblemError(errors.WORKSPACE_NOT_FOUND)
