"""What every room's routes are given: reads, changes, and the headers that go with them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.web import etag, idempotency
from roost.web.endpoint import Call
from roost.web.reads import Reading, Reads
from roost.web.reply import Reply, item
from roost.web.shown import Shown
from roost.web.written import Written


class Ticks(Protocol):
    """The part of the journal that answers need."""

    @property
    def latest(self) -> int:
        """The newest tick that this worker knows of."""

    def announce(self) -> None:
        """A change has been committed."""


def context_of(call: Call) -> Context:
    """Give the tenant, actor and cause of a request."""
    principal = call.principal
    return Context(
        workspace_id=principal.workspace_id, user_id=principal.user_id, cause=call.request_id
    )


@dataclass(frozen=True, slots=True)
class Kit:
    """The tools of a handler."""

    database: Database
    ticks: Ticks
    reads: Reads

    async def read(self, call: Call, statement: Statement, **values: object) -> Any:  # noqa: ANN401 -- a record
        """Run a tenant read for the one who asks; gives the row, or None."""
        return await self.database.read(statement, context_of(call), **values)

    def conditional(self, call: Call, reply: Reply, version: int | None = None) -> Reply:
        """Tag what was read, or answer 304 when the client has it already."""
        return Shown.of(reply, version).reply(call.header("if-none-match"))

    async def kept(
        self, call: Call, tables: frozenset[str], read: Reading, *, shared: bool = False
    ) -> Reply:
        """Answer what `read` gives, out of the cache where that is as good.

        `tables` are those of the workspace that it is made of, and nothing else may it be made of
        but the request; `shared` says that every member of the workspace is shown the same.
        """
        shown = await self.reads.shown(call, tables, read, after=call.after, shared=shared)
        call.read_at = shown.read_at
        return shown.reply(call.header("if-none-match"))

    async def change(self, call: Call, work: Callable[[Transaction], Awaitable[Reply]]) -> Reply:
        """Run a change in one transaction, once for each idempotency key.

        `work` may run again after a serialization failure. The answer has `Roost-Txid`.
        """
        key = None
        print_ = b""
        if call.request.scope["method"] == "POST":
            key = idempotency.read_key(call.header("idempotency-key"))
            if key is not None:
                scope = call.request.scope
                print_ = idempotency.fingerprint(scope["method"], scope["path"], call.raw)

        async def once(transaction: Transaction) -> Reply:
            if key is not None:
                earlier = await idempotency.earlier_answer(transaction, call.principal, key, print_)
                if earlier is not None:
                    return earlier
            reply = await work(transaction)
            reply.header("roost-txid", transaction.xid)
            if key is not None:
                await idempotency.record(transaction, call.principal, key, reply)
            return reply

        reply = await self.database.write(context_of(call), once)
        self.ticks.announce()
        return reply

    async def do(self, call: Call, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """Do what the pool's transactions have no part in, once for each idempotency key.

        Only for a key is a transaction open while it is done.
        """
        if call.header("idempotency-key") is None:
            return await work()

        async def within(_transaction: Transaction) -> Reply:
            return await work()

        return await self.change(call, within)


def tagged(body: str, version: int, status: int = 200) -> Reply:
    """Wrap an item as a change has left it, with the tag of its version."""
    reply = item(body, status)
    reply.header("etag", etag.version_tag(version))
    return reply


def written(row: Written, status: int = 200) -> Reply:
    """Answer with a row as a change has left it."""
    return tagged(row.body, row.version, status)


def created(made: Written, among: str) -> Reply:
    """Answer with a row that was made; `among` is the path of its like."""
    reply = written(made, 201)
    reply.header("location", f"{among}/{made.id}")
    return reply


def found(row: Any, entry: errors.Entry) -> Any:  # noqa: ANN401 -- a record
    """Give the row, or say that there is none."""
    if row is None:
        raise ProblemError(entry)
    return row
