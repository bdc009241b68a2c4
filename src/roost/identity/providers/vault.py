"""Providers' tokens at rest: sealed for their identity, and made new when they run out."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Uuid, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.sealing import SecretBox, SecretKeyError
from roost.db.statements import Statement, compiled
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.providers.client import RefusedError
from roost.identity.providers.model import Grant
from roost.identity.providers.registry import Providers
from roost.identity.tables import identities, provider_tokens

EARLY_SECONDS = 60
"""A token that ends sooner than this is made new before it is given out."""
_CAUSE = "provider token"
_t, _i = provider_tokens.c, identities.c
_identity = bindparam("identity", type_=Uuid)
_expires = func.to_timestamp(bindparam("expires_at", type_=BigInteger))
_new = insert(provider_tokens).values(
    identity_id=_identity,
    user_id=bindparam("user", type_=Uuid),
    sealed=bindparam("sealed", type_=_t.sealed.type),
    expires_at=_expires,
)
_KEEP = compiled(
    "insert provider_tokens",
    _new.on_conflict_do_update(
        index_elements=["identity_id"],
        set_={
            "sealed": _new.excluded.sealed,
            "expires_at": _new.excluded.expires_at,
            "updated_at": func.now(),
        },
    ),
)
_DROP = compiled(
    "delete provider_tokens", delete(provider_tokens).where(_t.identity_id == _identity)
)
_of_user = (
    select(_t.sealed, _i.provider)
    .join(identities, _i.id == _t.identity_id)
    .where(_t.identity_id == _identity, _t.user_id == bindparam("user", type_=Uuid))
)
_READ: Statement = compiled("select provider_tokens", _of_user)
_LOCK: Statement = compiled(
    "select provider_tokens.lock", _of_user.with_for_update(of=provider_tokens)
)


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed; `expires_at` is in seconds since 1970."""

    access: str
    refresh: str | None = None
    scope: str | None = None
    expires_at: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether the access token can still be used."""
        return self.expires_at is None or self.expires_at > time.time() + EARLY_SECONDS


@dataclass(slots=True)
class Vault:
    """Keeps the tokens, and gives live ones to the rooms above; no route answers with any."""

    database: Database
    secrets: SecretBox
    providers: Providers
    _under_way: dict[tuple[UUID, UUID], asyncio.Task[str]] = field(default_factory=dict)

    async def keep(
        self, transaction: Transaction, user_id: UUID, identity: tuple[UUID, str], grant: Grant
    ) -> None:
        """Store what a log-in gave, in the context of that user. `identity`: id and provider.

        Some providers give a refresh token the first time only: then the stored one stays.
        """
        refresh = grant.refresh_token or await self._stored_refresh(transaction, user_id, identity)
        kept = Kept(grant.access_token, refresh, grant.scope, grant.expires_at)
        await self._store(transaction, user_id, identity, kept)

    async def _stored_refresh(
        self, transaction: Transaction, user_id: UUID, identity: tuple[UUID, str]
    ) -> str | None:
        row = await transaction.row(_LOCK, identity=identity[0], user=user_id)
        try:
            return self._opened(identity[0], row).refresh if row else None
        except SecretKeyError:  # the keys were changed, and the old ones taken away
            return None

    async def token(self, user_id: UUID, identity_id: UUID) -> str:
        """Give a live access token; PROVIDER_TOKEN_LOST when there is none to be had.

        All who ask this worker at once wait for one refresh; of several workers, one makes it.
        """
        whose = (user_id, identity_id)
        running = self._under_way.get(whose)
        if running is None:
            running = asyncio.create_task(self._token(*whose))
            self._under_way[whose] = running
            running.add_done_callback(lambda _: self._under_way.pop(whose, None))
        # Shielded: one who gives up must not stop it for the others.
        return await asyncio.shield(running)

    async def _token(self, user_id: UUID, identity_id: UUID) -> str:
        made: list[Kept] = []

        async def look(transaction: Transaction) -> Kept | None:
            row = await transaction.row(_READ, identity=identity_id, user=user_id)
            return self._opened(identity_id, row) if row else None

        async def renew(transaction: Transaction) -> Kept | None:
            """Refresh under the row's lock.

            That holds a connection while the provider is asked, for as long as the time limits of
            `transport` at most, and one for each identity: without the lock, two workers would use
            one refresh token twice, which providers answer by ending both.
            """
            row = await transaction.row(_LOCK, identity=identity_id, user=user_id)
            kept = self._opened(identity_id, row) if row else None
            if row is None or kept is None or kept.is_live:
                return kept
            # The transaction may be run again; the refresh token may not.
            new = made[0] if made else await self._renewed(row["provider"], kept)
            if new is None:
                await transaction.row(_DROP, identity=identity_id)
                return None
            made.append(new)
            await self._store(transaction, user_id, (identity_id, row["provider"]), new)
            return new

        context = Context(user_id=user_id, cause=_CAUSE)
        found = await self.database.write(context, look)
        if found is not None and not found.is_live:
            found = await self.database.write(context, renew)
        if found is None:
            raise ProblemError(errors.PROVIDER_TOKEN_LOST)
        return found.access

    async def _renewed(self, provider: str, kept: Kept) -> Kept | None:
        if kept.refresh is None:
            return None
        try:
            grant = await self.providers.find(provider).refresh(kept.refresh)
        except RefusedError:
            return None
        return Kept(
            grant.access_token,
            grant.refresh_token or kept.refresh,
            grant.scope or kept.scope,
            grant.expires_at,
        )

    async def _store(
        self, transaction: Transaction, user_id: UUID, identity: tuple[UUID, str], kept: Kept
    ) -> None:
        await transaction.row(
            _KEEP,
            identity=identity[0],
            user=user_id,
            sealed=self.secrets.seal_for(msgspec.json.encode(kept).decode(), about(*identity)),
            expires_at=kept.expires_at,
        )

    def _opened(self, identity_id: UUID, row: Any) -> Kept:  # noqa: ANN401 -- a record
        text = self.secrets.open_for(row["sealed"], about(identity_id, row["provider"]))
        return msgspec.json.decode(text, type=Kept)


def about(identity_id: UUID, provider: str) -> str:
    """Name the place that tokens are sealed for."""
    return f"provider_tokens.sealed {identity_id} {provider}"
