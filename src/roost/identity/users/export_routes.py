"""A user's own data over HTTP: taken along, or erased."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Table, func, select

from roost import errors
from roost.db.pool import Transaction
from roost.db.tenancy import USER_ID, Context, tenant_read
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import trail_of
from roost.identity.login.routes import LoginRoutes
from roost.identity.login.sessions import record_everywhere
from roost.identity.model import Email
from roost.identity.tables import memberships, workspaces
from roost.identity.users.erasure import erase_user
from roost.identity.users.personal_data import PAGE, export_page, exported_tables
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit, context_of, found
from roost.web.reply import Reply, Streamed, empty
from roost.web.structs import Incoming, Outgoing, camel

_BEFORE_ALL = UUID(int=0)
_HOMES = tenant_read(
    "select memberships.ids",
    select(func.array_agg(memberships.c.workspace_id).label("ids"))
    .select_from(memberships.join(workspaces, workspaces.c.id == memberships.c.workspace_id))
    .where(memberships.c.user_id == USER_ID, workspaces.c.deleted_at.is_(None)),
)


class ErasureRequest(Incoming):
    """The body of `POST /users/{id}/erase`: one's own e-mail address, for there is no way back."""

    confirm: Email


class WorkspaceExport(Outgoing):
    """What is the user's in one workspace, by table."""

    workspace_id: UUID
    tables: dict[str, list[dict[str, Any]]]


class Export(Outgoing):
    """All that is stored of a user. A document that breaks off has no `complete` at its end."""

    format: int
    exported_at: datetime
    account: dict[str, list[dict[str, Any]]]
    workspaces: list[WorkspaceExport]
    complete: bool


@dataclass(frozen=True, slots=True)
class ExportRoutes:
    """The routes on a user's own data."""

    kit: Kit
    authenticator: DatabaseAuthenticator
    login: LoginRoutes

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{API}/users/{{id:str}}/export", self.export, Contract(
                "Download all that is stored of yourself", "users:read", returns=Export,
                bare=True, problems=(errors.USER_NOT_FOUND,))),
            Endpoint("POST", f"{API}/users/{{id:str}}/erase", self.erase, Contract(
                "Erase yourself, for good", "users:write", body=ErasureRequest, status=204,
                problems=(errors.USER_NOT_FOUND, errors.CONFLICT))),
        ]  # fmt: skip

    async def export(self, call: Call) -> Reply:
        """Answer everything, page by page."""
        user_id = await self._self(call)
        context = Context(None, user_id, cause=call.request_id)
        row = await self.kit.database.read(_HOMES, context)
        homes: list[UUID] = sorted((row and row["ids"]) or [])
        if call.request.scope["method"] != "HEAD":
            await self._note(call)
        reply = Streamed(self._document(context, homes))
        reply.header("content-disposition", f'attachment; filename="roost-{user_id}.json"')
        reply.header("cache-control", "no-store")
        return reply

    async def erase(self, call: Call) -> Reply:
        """Erase the caller."""
        user_id = await self._self(call)
        if call.principal.is_agent:
            raise ProblemError(errors.FORBIDDEN, "an agent goes with its token: revoke that")

        async def work(transaction: Transaction) -> Reply:
            context, trail = context_of(call), trail_of(call)
            await erase_user(transaction, user_id, context, trail, confirm=call.body.confirm)
            return self.login.logged_out(call, empty())

        reply = await self.kit.change(call, work)
        self.authenticator.cache.forget()
        return reply

    async def _self(self, call: Call) -> UUID:
        """Give the caller's id; USER_NOT_FOUND or FORBIDDEN when the path names anybody else."""
        user_id, principal = call.id(), call.principal
        if user_id != principal.user_id:
            found(await self.kit.read(call, queries.USER_ITEM, user=user_id), errors.USER_NOT_FOUND)
            raise ProblemError(errors.FORBIDDEN, "only the user may do that")
        if "*" not in principal.scopes:
            raise ProblemError(errors.FORBIDDEN, "this needs a session, or a token for everything")
        return user_id

    async def _note(self, call: Call) -> None:
        user_id = call.principal.user_id
        mine = Context(None, user_id, cause=call.request_id)

        async def work(transaction: Transaction) -> None:
            target = ("user", user_id)
            await record_everywhere(transaction, trail_of(call), mine, "data.exported", target)

        await self.kit.database.write(mine, work)
        self.kit.ticks.announce()

    async def _document(self, context: Context, homes: list[UUID]) -> AsyncIterator[bytes]:
        now = msgspec.json.encode(datetime.now(UTC))
        yield b'{"format":1,"exportedAt":' + now + b',"account":'
        async for part in self._tables(context, exported_tables(of_workspace=False)):
            yield part
        yield b',"workspaces":['
        for number, home in enumerate(homes):
            yield b'%s{"workspaceId":"%s","tables":' % (b"," * bool(number), str(home).encode())
            inside = replace(context, workspace_id=home)
            async for part in self._tables(inside, exported_tables(of_workspace=True)):
                yield part
            yield b"}"
        yield b'],"complete":true}'

    async def _tables(self, context: Context, tables: list[Table]) -> AsyncIterator[bytes]:
        for number, table in enumerate(tables):
            yield b'%s"%s":[' % (b"," if number else b"{", camel(table.name).encode())
            after, glue = _BEFORE_ALL, ""
            while True:
                row = await self.kit.database.read(export_page(table), context, after=after)
                keys = row["keys"] if row else []
                if row and keys:
                    yield (glue + row["items"][1:-1]).encode()
                    after, glue = UUID(keys[-1]), ","
                if len(keys) < PAGE:
                    break
            yield b"]"
        yield b"}"
