"""How the routes of this room answer: once for each key, at once or when it is done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from roost import errors
from roost.db.sealing import SecretBox
from roost.errors import ProblemError
from roost.migration import queries
from roost.migration.background import Background, Run
from roost.migration.once import AnsweredError, Once, Seal
from roost.migration.service import Migrations
from roost.web import body, idempotency
from roost.web.endpoint import API, Call
from roost.web.kit import Kit, found
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
            try:
                await run(begun.append)
            except (ProblemError, AnsweredError):
                raise
            except Exception:
                # Whatever of it was committed goes on when the database can again.
                self.background.resume()
                raise
            [migration_id] = begun
            reply = await self.shown(call, migration_id, status)
        reply.header("location", f"{ALL}/{migration_id}")
        return reply

    async def once(
        self,
        call: Call,
        print_: bytes,
        work: Callable[[Seal], Awaitable[Reply]],
        status: int = 202,
    ) -> Reply:
        """Answer once for each idempotency key; `print_` says what was asked for.

        `status` is that of the answer to a second try after the first one's was lost.
        """
        return await Once(self.kit, call, print_, status).answer(work)

    async def read(self, call: Call, limit: int, seconds: float | None = None) -> bytes:
        """Read a body, and ask again whether its sender may."""
        scope = call.request.scope
        raw = await body.read(scope, call.request.receive, limit, seconds)
        await call.still_admitted()
        body.require_json(scope)
        return raw


def request_print(call: Call, raw: bytes) -> bytes:
    """Say what was asked for, so that its key can't be used for another request."""
    scope = call.request.scope
    return idempotency.fingerprint(scope["method"], scope["path"], raw)


def _preferences(call: Call) -> set[str]:
    """What the client would rather have (RFC 7240)."""
    given = call.header("prefer") or ""
    return {each.partition(";")[0].strip().lower() for each in given.split(",")}
