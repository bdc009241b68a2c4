"""Migrations over HTTP."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.db.sealing import SecretBox
from roost.errors import ProblemError
from roost.identity.audit.trail import trail_of
from roost.migration import queries
from roost.migration.dump import unpack
from roost.migration.request import read_start
from roost.migration.service import Migrations
from roost.migration.text import redact
from roost.migration.wire import (
    ItemQuery,
    Migration,
    MigrationItem,
    MigrationStart,
    Overview,
    Receipt,
)
from roost.web import body, idempotency, lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit, context_of, found
from roost.web.reply import Reply, item

READ, WRITE = "migration:read", "migration:write"
DUMP_SECONDS = 600.0
"""How long a dump may take to arrive, in all."""
_ALL = f"{API}/migration"
_ITEM = f"{_ALL}/{{id:str}}"
_UNKNOWN = (errors.MIGRATION_NOT_FOUND,)
_STEP = (errors.MIGRATION_NOT_FOUND, errors.MIGRATION_STATE, errors.MIGRATION_IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class MigrationRoutes:
    """The routes of this room. `dump_limit` is the largest dump, in bytes."""

    kit: Kit
    box: SecretBox
    dump_limit: int

    @property
    def migrations(self) -> Migrations:
        """What carries them out."""
        return Migrations(self.kit.database, self.box, self.kit.ticks.announce)

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _ALL, self.overview, Contract(
                "Say what was migrated, what is running, and whether one may start", READ,
                returns=Overview)),
            Endpoint("POST", _ALL, self.start, Contract(
                "Migrate a browser's localStorage", WRITE, described_body=MigrationStart,
                returns=Migration, status=201,
                problems=(errors.MIGRATION_IN_PROGRESS, errors.MIGRATION_SOURCE,
                          errors.MALFORMED_BODY, errors.UNSUPPORTED_MEDIA_TYPE,
                          errors.BODY_TOO_LARGE, errors.REQUEST_TIMEOUT,
                          errors.IDEMPOTENCY_KEY_REUSED))),
            Endpoint("GET", _ITEM, self.get, Contract(
                "Read a migration", READ, returns=Migration, problems=_UNKNOWN)),
            Endpoint("GET", f"{_ITEM}/items", self.items, Contract(
                "Read a migration's verdicts, item by item", READ, query=ItemQuery,
                returns=MigrationItem, paged=True, problems=_UNKNOWN)),
            Endpoint("GET", f"{_ITEM}/receipt", self.receipt, Contract(
                "Read which keys are safely stored", READ, returns=Receipt, problems=_UNKNOWN)),
            Endpoint("GET", f"{_ITEM}/backup", self.backup, Contract(
                "Download the dump as it was received", READ, bare=True,
                media_type="application/octet-stream", problems=_UNKNOWN)),
            Endpoint("POST", f"{_ITEM}/apply", self.apply, Contract(
                "Carry out a plan", WRITE, returns=Migration, problems=_STEP)),
            Endpoint("POST", f"{_ITEM}/cancel", self.cancel, Contract(
                "Give up a migration that waits", WRITE, returns=Migration, problems=_STEP)),
        ]  # fmt: skip

    async def overview(self, call: Call) -> Reply:
        """Answer the caller's migrations."""
        row = await self.kit.read(call, queries.LIST)
        migrations = msgspec.json.decode(row["items"], type=list[dict[str, Any]])
        running = next((each for each in migrations if each["id"] == row["running"]), None)
        document = {"migrations": migrations, "running": running, "mayStart": running is None}
        return self.kit.conditional(call, item(msgspec.json.encode(document).decode()))

    async def start(self, call: Call) -> Reply:
        """Receive a dump and migrate it."""
        scope = call.request.scope
        raw = await body.read(scope, call.request.receive, self.dump_limit, DUMP_SECONDS)
        await call.still_admitted()
        body.require_json(scope)
        principal = call.principal
        key = idempotency.read_key(call.header("idempotency-key"))
        fingerprint = b""
        if key is not None:
            fingerprint = idempotency.fingerprint("POST", scope["path"], raw)
            earlier = await self._earlier(call, key, fingerprint)
            if earlier is not None:
                return earlier
        start = await asyncio.to_thread(read_start, raw)
        migration_id = await self.migrations.start(
            principal.workspace_id, principal.user_id, start.received, start.config
        )
        reply = await self._shown(call, migration_id, 201)
        reply.header("location", f"{_ALL}/{migration_id}")
        if key is not None:
            await self._record(call, key, fingerprint, reply)
        return reply

    async def get(self, call: Call) -> Reply:
        """Answer one migration."""
        row = await self.kit.read(call, queries.ITEM, migration=call.id())
        found(row, errors.MIGRATION_NOT_FOUND)
        return self.kit.conditional(call, item(row["body"]), row["version"])

    async def items(self, call: Call) -> Reply:
        """Answer a page of verdicts."""
        query: ItemQuery = call.query
        given = {
            "migration": call.id(),
            "verdict": query.verdict or None,
            "kind": query.kind or None,
            "key": query.key or None,
        }
        statement, values, sort = lists.prepare(queries.ITEMS, query, given)
        row = await self.kit.read(call, statement, **values)
        if row["migration"] is None:
            raise ProblemError(errors.MIGRATION_NOT_FOUND)
        shown = _redacted(row["items"])
        return self.kit.conditional(call, lists.answer(query, sort, row, items=shown))

    async def receipt(self, call: Call) -> Reply:
        """Answer the receipt."""
        row = found(
            await self.kit.read(call, queries.RECEIPT, migration=call.id()),
            errors.MIGRATION_NOT_FOUND,
        )
        document = {
            "state": row["state"],
            "sha256": row["sha256"].hex(),
            "bytes": row["size"],
            "keys": msgspec.Raw(row["keys"].encode()),
        }
        reply = item(msgspec.json.encode(document).decode())
        reply = self.kit.conditional(call, reply, row["version"])
        if reply.body:
            await self._exported(call, "receipt")
        return reply

    async def backup(self, call: Call) -> Reply:
        """Answer the dump, byte for byte."""
        row = found(
            await self.kit.read(call, queries.DUMP, migration=call.id()),
            errors.MIGRATION_NOT_FOUND,
        )
        raw = await asyncio.to_thread(unpack, row["content"], self.box)
        await self._exported(call, "backup")
        digest = row["sha256"].hex()
        reply = Reply(raw, media_type=b"application/octet-stream")
        reply.header("content-disposition", f'attachment; filename="{call.id()}.json"')
        reply.header("etag", f'"{digest}"')
        reply.header("roost-sha256", digest)
        return reply

    async def _exported(self, call: Call, what: str) -> None:
        """Write down that data goes out, before it does."""
        if call.request.scope["method"] == "HEAD":
            return
        target = ("migration", call.id())

        async def work(transaction: Transaction) -> None:
            await trail_of(call).record(transaction, "data.exported", target, what=what)

        await self.kit.database.write(context_of(call), work)
        self.kit.ticks.announce()

    async def apply(self, call: Call) -> Reply:
        """Carry out a plan."""
        principal, migration_id = call.principal, call.id()
        await self.migrations.approve(principal.workspace_id, principal.user_id, migration_id)
        return await self._shown(call, migration_id)

    async def cancel(self, call: Call) -> Reply:
        """Give up a migration that waits."""
        principal, migration_id = call.principal, call.id()
        await self.migrations.cancel(principal.workspace_id, principal.user_id, migration_id)
        return await self._shown(call, migration_id)

    async def _shown(self, call: Call, migration_id: Any, status: int = 200) -> Reply:  # noqa: ANN401 -- a UUID
        row = await self.kit.read(call, queries.ITEM, migration=migration_id)
        return item(found(row, errors.MIGRATION_NOT_FOUND)["body"], status)

    async def _earlier(self, call: Call, key: str, fingerprint: bytes) -> Reply | None:
        """Give the first answer to this key; the claim of a new key is left for the end.

        A migration is many transactions, so the key is recorded when the last one is over. A
        second try before that finds the first one running, or its rows there already.
        """
        answer: Reply | None = None

        async def work(transaction: Any) -> None:  # noqa: ANN401 -- a transaction
            nonlocal answer
            answer = await idempotency.earlier_answer(transaction, call.principal, key, fingerprint)
            if answer is None:
                raise _FreeError

        try:
            await self.kit.database.write(context_of(call), work)
        except _FreeError:
            return None
        return answer

    async def _record(self, call: Call, key: str, fingerprint: bytes, reply: Reply) -> None:
        async def work(transaction: Any) -> None:  # noqa: ANN401 -- a transaction
            principal = call.principal
            if not await idempotency.earlier_answer(transaction, principal, key, fingerprint):
                await idempotency.record(transaction, principal, key, reply)

        await self.kit.database.write(context_of(call), work)


class _FreeError(Exception):
    """Nobody has used the key; its claim is undone with the transaction."""


def _redacted(items: str) -> str:
    """Verdicts for showing: what looks like a credential in a name or an old value is hidden."""
    if redact(items) == items:
        return items
    return msgspec.json.encode(_hidden(msgspec.json.decode(items))).decode()


def _hidden(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_hidden(each) for each in value]
    if isinstance(value, dict):
        return {redact(name): _hidden(each) for name, each in value.items()}
    return value
