"""Workspaces over HTTP."""

from dataclasses import dataclass, replace
from typing import Any

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity import workspace_queries as queries
from roost.identity.authenticator import DatabaseAuthenticator
from roost.identity.model import Member, Workspace, WorkspaceCreate, WorkspacePatch
from roost.identity.workspaces import (
    change_workspace,
    create_workspace,
    delete_workspace,
    in_reach,
)
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version
from roost.web.kit import Kit, context_of, found, tagged
from roost.web.paging import SortQuery
from roost.web.reply import Reply, empty, item

READ, WRITE = "workspaces:read", "workspaces:write"
_ITEM = f"{API}/workspaces/{{id:str}}"
_MISSING = (errors.WORKSPACE_NOT_FOUND,)


@dataclass(frozen=True, slots=True)
class WorkspaceRoutes:
    """The routes on workspaces. The path names the workspace, not `Roost-Workspace`."""

    kit: Kit
    authenticator: DatabaseAuthenticator

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{API}/workspaces", self.list, Contract(
                "List your workspaces, with your role in each", READ, query=SortQuery,
                returns=Workspace, paged=True)),
            Endpoint("POST", f"{API}/workspaces", self.create, Contract(
                "Create a workspace and own it", WRITE, body=WorkspaceCreate, returns=Workspace,
                status=201)),
            Endpoint("GET", _ITEM, self.get, Contract(
                "Read a workspace", READ, returns=Workspace, problems=_MISSING)),
            Endpoint("PATCH", _ITEM, self.patch, Contract(
                "Rename a workspace", WRITE, body=WorkspacePatch, returns=Workspace,
                problems=(*_MISSING, errors.PRECONDITION_FAILED))),
            Endpoint("DELETE", _ITEM, self.delete, Contract(
                "Delete a workspace", WRITE, status=204,
                problems=(*_MISSING, errors.PRECONDITION_FAILED))),
            Endpoint("GET", f"{_ITEM}/members", self.members, Contract(
                "List the members of a workspace", READ, query=SortQuery, returns=Member,
                paged=True, problems=_MISSING)),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of the caller's workspaces."""
        query: SortQuery = call.query
        bound = "*" not in call.principal.scopes
        given = {"only": call.principal.workspace_id} if bound else {}
        statement, values, sort = lists.prepare(queries.WORKSPACES, query, given)
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def create(self, call: Call) -> Reply:
        """Make a workspace."""

        async def work(transaction: Transaction) -> Reply:
            workspace_id, shown = await create_workspace(
                transaction, call.principal, call.body, context_of(call)
            )
            reply = tagged(*shown, 201)
            reply.header("location", f"{API}/workspaces/{workspace_id}")
            return reply

        return await self.kit.change(call, work)

    async def get(self, call: Call) -> Reply:
        """Answer one workspace."""
        row = await self._look(call)
        return self.kit.conditional(call, item(row["body"]), row["version"])

    async def patch(self, call: Call) -> Reply:
        """Rename a workspace."""
        workspace_id, expected = call.id(), expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            principal, context = call.principal, context_of(call)
            return tagged(
                *await change_workspace(
                    transaction, principal, workspace_id, call.body, context, expected=expected
                )
            )

        reply = await self.kit.change(call, work)
        self.authenticator.cache.forget()
        return reply

    async def delete(self, call: Call) -> Reply:
        """Delete a workspace."""
        workspace_id, expected = call.id(), expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            await delete_workspace(
                transaction, call.principal, workspace_id, context_of(call), expected=expected
            )
            return empty()

        reply = await self.kit.change(call, work)
        self.authenticator.cache.forget()
        return reply

    async def members(self, call: Call) -> Reply:
        """Answer a page of a workspace's members."""
        query: SortQuery = call.query
        await self._look(call)
        statement, values, sort = lists.prepare(queries.MEMBERS, query, {})
        context = replace(context_of(call), workspace_id=call.id())
        row = await self.kit.database.read(statement, context, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def _look(self, call: Call) -> Any:  # noqa: ANN401 -- a record
        workspace_id = call.id()
        if not in_reach(call.principal, workspace_id):
            raise ProblemError(errors.WORKSPACE_NOT_FOUND)
        # The statement shows a workspace to its members alone, whatever its context says.
        context = replace(context_of(call), workspace_id=workspace_id)
        row = await self.kit.database.read(queries.WORKSPACE_ITEM, context)
        return found(row, errors.WORKSPACE_NOT_FOUND)
