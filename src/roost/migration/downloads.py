"""What can be taken away from a migration: its receipt, the dump, the rows as they were before."""

import asyncio
from functools import partial
from typing import Literal

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity.audit.trail import trail_of
from roost.migration import queries, writes
from roost.migration.answering import ITEM, READ, UNKNOWN, WRITE, Desk
from roost.migration.archive import joined, open_archive
from roost.migration.content import encode
from roost.migration.dump import stored
from roost.migration.mapping.rows import as_keys
from roost.migration.model import State
from roost.migration.standing import locked, not_now
from roost.migration.targets.target import Place
from roost.migration.undo import UNDOABLE
from roost.migration.wire import Receipt
from roost.web import etag
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.kit import context_of, found
from roost.web.reply import Reply, empty, item


class BackupQuery(msgspec.Struct, frozen=True):
    """Which backup: the dump as it was received, or the rows as they were before."""

    of: Literal["dump", "rows"] = "dump"


class Downloads:
    """The routes of what can be taken away."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kit = desk.kit

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{ITEM}/receipt", self.receipt, Contract(
                "Read which keys are safely stored", READ, returns=Receipt, problems=UNKNOWN)),
            Endpoint("GET", f"{ITEM}/backup", self.backup, Contract(
                "Download the dump byte for byte, or (`of=rows`) the rows that were changed, as "
                "they were before, as a dump that can be migrated again", READ, query=BackupQuery,
                bare=True, media_type="application/octet-stream",
                problems=(*UNKNOWN, errors.MIGRATION_BACKUP_NOT_FOUND))),
            Endpoint("DELETE", f"{ITEM}/backup", self.forget, Contract(
                "Delete the dump and the rows' backup; what was migrated stays", WRITE,
                status=204, problems=(*UNKNOWN, errors.MIGRATION_STATE))),
        ]  # fmt: skip

    async def receipt(self, call: Call) -> Reply:
        """Answer the receipt."""
        row = found(
            await self._kit.read(call, queries.RECEIPT, migration=call.id()),
            errors.MIGRATION_NOT_FOUND,
        )
        document = {
            "state": row["state"],
            "sha256": row["sha256"].hex(),
            "bytes": row["size"],
            "keys": msgspec.Raw(row["keys"].encode()),
        }
        reply = item(msgspec.json.encode(document).decode())
        reply = self._kit.conditional(call, reply, row["version"])
        if reply.body:
            await self._exported(call, "receipt")
        return reply

    async def backup(self, call: Call) -> Reply:
        """Answer the dump byte for byte, or the rows."""
        query: BackupQuery = call.query
        if query.of == "rows":
            return await self._rows(call)
        row = found(
            await self._kit.read(call, queries.DUMP, migration=call.id()),
            errors.MIGRATION_NOT_FOUND,
        )
        if row["length"] is None:
            raise ProblemError(errors.MIGRATION_BACKUP_NOT_FOUND)
        digest = row["sha256"].hex()
        tag = f'"{digest}"'
        wanted = call.header("if-none-match")
        if wanted is not None and etag.matches(wanted, tag):
            reply = Reply(status=304)
        else:
            raw = await stored(partial(self._kit.read, call), row, self._desk.box)
            await self._exported(call, "backup")
            reply = Reply(bytes(raw), media_type=b"application/octet-stream")
            reply.header("content-disposition", f'attachment; filename="{call.id()}.json"')
            reply.header("roost-sha256", digest)
        reply.header("etag", tag)
        return reply

    async def _rows(self, call: Call) -> Reply:
        """Answer the rows that were changed, as they were, in the form of a dump."""
        row = found(
            await self._kit.read(call, queries.ITEM, migration=call.id()),
            errors.MIGRATION_NOT_FOUND,
        )
        origin = msgspec.json.decode(row["body"])["origin"]
        place = self._place(call)
        parts: list[bytes] = []

        async def load(transaction: Transaction) -> None:
            this = {"workspace": place.workspace_id, "migration": place.migration_id}
            rows = await transaction.rows(writes.BACKUPS, **this, number=0)
            parts[:] = [each["content"] for each in rows]

        await self._kit.database.write(context_of(call), load)

        def made() -> bytes:
            archive = joined(open_archive(place, content) for content in parts)
            return encode({"origin": origin, "keys": as_keys(archive.rows)})

        document = await asyncio.to_thread(made)
        reply = Reply(document, media_type=b"application/json")
        reply.header("content-disposition", f'attachment; filename="{call.id()}-rows.json"')
        reply = self._kit.conditional(call, reply)
        if reply.body:
            await self._exported(call, "rows")
        return reply

    async def forget(self, call: Call) -> Reply:
        """Delete what is kept beside the rows."""
        place = self._place(call)
        this = {"workspace": place.workspace_id, "migration": place.migration_id}

        async def work(transaction: Transaction) -> None:
            state = State((await locked(transaction, place))["state"])
            if state not in UNDOABLE:
                raise not_now(state, "it needs its dump; cancel it first")
            await transaction.row(writes.FORGET_DUMP, **this)
            await transaction.row(writes.CLEAR_BACKUPS, **this)
            await transaction.row(writes.KEYS_STORED, **this, stored=state is State.COMPLETED)
            target = ("migration", place.migration_id)
            await trail_of(call).record(transaction, "data.erased", target, what="backup")

        await self._kit.database.write(context_of(call), work)
        self._kit.ticks.announce()
        return empty()

    def _place(self, call: Call) -> Place:
        principal = call.principal
        return Place(principal.workspace_id, principal.user_id, self._desk.box, call.id())

    async def _exported(self, call: Call, what: str) -> None:
        """Write down that data goes out, before it does."""
        if call.request.scope["method"] == "HEAD":
            return
        target = ("migration", call.id())

        async def work(transaction: Transaction) -> None:
            await trail_of(call).record(transaction, "data.exported", target, what=what)

        await self._kit.database.write(context_of(call), work)
        self._kit.ticks.announce()
