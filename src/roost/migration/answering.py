"""How the routes of this room answer: once for each key, at once or when it is done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from roost import errors
from roost.db.sealing import SecretBox
from roost.migration import queries
from roost.migration.background import Background, Run
from roost.migration.service import Migrations
from roost.web import body, idempotency
from roost.web.endpoint import API, Call
from roost.web.kit import Kit, context_of, found
from roost.web.reply import Reply, item

READ, WRITE = "migration:read", "migration:write"
ALL = f"{API}/migration"
ITEM = f"{ALL}/{{id:str}}"
UNKNOWN = (errors.MIGRATION_NOT_FOUND,)
STEP = (
    errors.MIGRATION_NOT_FOUND,
    errors.MIGRATION_STATE,
    errors.MIGRATION_IN_PROGRESS,
    errors.IDEMPOTENCY_KEY_REUSED,
)
_ASYNC = "respond-async"


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes of this room are given."""

    kit: Kit
    box: SecretBox
    background: Background

    @property
    def migrations(self) -> Migrations:
        """What carries them out."""
        return Migrations(self.kit.database, self.box, self.kit.ticks.announce)

    async def shown(self, call: Call, migration_id: UUID, status: int = 200) -> Reply:
        """Answer a migration as it is now."""
        row = await self.kit.read(call, queries.ITEM, migration=migration_id)
        return item(found(row, errors.MIGRATION_NOT_FOUND)["body"], status)

    async def carried_out(self, call: Call, run: Run, status: int = 200) -> Reply:
        """Do it and answer the migration: at the end, or at once where that is preferred."""
        if _ASYNC in _preferences(call):
            migration_id = await self.background.begin(run)
            reply = await self.shown(call, migration_id, 202)
            reply.header("preference-applied", _ASYNC)
        else:
            begun: list[UUID] = []
            await run(begun.append)
            [migration_id] = begun
            reply = await self.shown(call, migration_id, status)
        reply.header("location", f"{ALL}/{migration_id}")
        return reply

    async def once(self, call: Call, print_: bytes, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """Answer once for each idempotency key; `print_` says what was asked for.

        A migration is many transactions, so the key is recorded when the last one is over. A
        second try before that finds the first one running, or its rows there already.
        """
        key = idempotency.read_key(call.header("idempotency-key"))
        if key is None:
            return await work()
        earlier = await self._earlier(call, key, print_)
        if earlier is not None:
            return earlier
        reply = await work()

        async def record(transaction: Any) -> None:  # noqa: ANN401 -- a transaction
            if not await idempotency.earlier_answer(transaction, call.principal, key, print_):
                await idempotency.record(transaction, call.principal, key, reply)

        await self.kit.database.write(context_of(call), record)
        return reply

    async def _earlier(self, call: Call, key: str, print_: bytes) -> Reply | None:
        answer: Reply | None = None

        async def look(transaction: Any) -> None:  # noqa: ANN401 -- a transaction
            nonlocal answer
            answer = await idempotency.earlier_answer(transaction, call.principal, key, print_)
            if answer is None:
                raise _FreeError

        try:
            await self.kit.database.write(context_of(call), look)
        except _FreeError:
            return None
        return answer

    async def read(self, call: Call, limit: int, seconds: float | None = None) -> bytes:
        """Read a body, and ask again whether its sender may."""
        scope = call.request.scope
        raw = await body.read(scope, call.request.receive, limit, seconds)
        await call.still_admitted()
        body.require_json(scope)
        return raw


class _FreeError(Exception):
    """Nobody has used the key; its claim is undone with the transaction."""


def request_print(call: Call, raw: bytes) -> bytes:
    """Say what was asked for, so that its key can't be used for another request."""
    scope = call.request.scope
    return idempotency.fingerprint(scope["method"], scope["path"], raw)


def _preferences(call: Call) -> set[str]:
    """What the client would rather have (RFC 7240)."""
    given = call.header("prefer") or ""
    return {each.partition(";")[0].strip().lower() for each in given.split(",")}
