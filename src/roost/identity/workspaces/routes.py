"""Workspaces over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost import errors
from roost.db.pool import Transaction
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import trail_of
from roost.identity.model import (
    Workspace,
    WorkspaceCreate,
    WorkspacePatch,
    WorkspaceQuery,
    WorkspaceTransfer,
)
from roost.identity.workspaces import queries
from roost.identity.workspaces.members import transfer_workspace
from roost.identity.workspaces.service import (
    change_workspace,
    create_workspace,
    delete_workspace,
    restore_workspace,
)
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version
from roost.web.kit import Kit, context_of, found, tagged
from roost.web.reply import Reply, empty, item

READ, CREATE, WRITE, OWN = (f"workspaces:{verb}" for verb in ("read", "create", "write", "own"))
ITEM = f"{API}/workspaces/{{id:str}}"
MISSING = (errors.WORKSPACE_NOT_FOUND,)


@dataclass(frozen=True, slots=True)
class WorkspaceRoutes:
    """The routes on workspaces. The path names the workspace, not `Roost-Workspace`."""

    kit: Kit
    authenticator: DatabaseAuthenticator

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{API}/workspaces", self.list, Contract(
                "List your workspaces with your role in each, or the deleted ones that you could "
                "restore", READ, query=WorkspaceQuery, returns=Workspace, paged=True)),
            Endpoint("POST", f"{API}/workspaces", self.create, Contract(
                "Create a workspace and own it", CREATE, body=WorkspaceCreate, returns=Workspace,
                status=201)),
            Endpoint("GET", ITEM, self.get, Contract(
                "Read a workspace", READ, returns=Workspace, problems=MISSING,
                workspace_in_path=True)),
            Endpoint("PATCH", ITEM, self.patch, Contract(
                "Rename a workspace", WRITE, body=WorkspacePatch, returns=Workspace,
                problems=(*MISSING, errors.PRECONDITION_FAILED), workspace_in_path=True)),
            Endpoint("DELETE", ITEM, self.delete, Contract(
                "Delete a workspace; its owners can restore it for 30 days", OWN, status=204,
                problems=(*MISSING, errors.PRECONDITION_FAILED), workspace_in_path=True)),
            # Not by the path's workspace: nobody gets into a deleted one.
            Endpoint("POST", f"{ITEM}/restore", self.restore, Contract(
                "Restore a deleted workspace that you own", CREATE, returns=Workspace,
                problems=MISSING)),
            Endpoint("POST", f"{ITEM}/transfer", self.transfer, Contract(
                "Give a workspace to another member: they own it, you become its admin", OWN,
                body=WorkspaceTransfer, returns=Workspace,
                problems=(*MISSING, errors.USER_NOT_FOUND), workspace_in_path=True)),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of the caller's workspaces."""
        query: WorkspaceQuery = call.query
        given: dict[str, object] = {"restorable" if query.deleted else "live": True}
        if "*" not in call.principal.scopes:
            given["only"] = call.principal.workspace_id
        statement, values, sort = lists.prepare(queries.WORKSPACES, query, given)
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def create(self, call: Call) -> Reply:
        """Make a workspace."""

        async def work(transaction: Transaction) -> Reply:
            workspace_id, shown = await create_workspace(
                transaction, call.principal, call.body, context_of(call), trail_of(call)
            )
            reply = tagged(*shown, 201)
            reply.header("location", f"{API}/workspaces/{workspace_id}")
            return reply

        return await self.kit.change(call, work)

    async def get(self, call: Call) -> Reply:
        """Answer one workspace."""
        row = found(await self.kit.read(call, queries.WORKSPACE_ITEM), errors.WORKSPACE_NOT_FOUND)
        return self.kit.conditional(call, item(row["body"]), row["version"])

    async def patch(self, call: Call) -> Reply:
        """Rename a workspace."""
        expected = expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            return tagged(
                *await change_workspace(
                    transaction, call.principal, call.body, trail_of(call), expected=expected
                )
            )

        return await self._change(call, work)

    async def delete(self, call: Call) -> Reply:
        """Delete a workspace."""
        expected = expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            await delete_workspace(
                transaction, call.principal, context_of(call), trail_of(call), expected=expected
            )
            return empty()

        return await self._change(call, work)

    async def restore(self, call: Call) -> Reply:
        """Bring a workspace back."""
        workspace_id = call.id()

        async def work(transaction: Transaction) -> Reply:
            return tagged(
                *await restore_workspace(
                    transaction, call.principal, workspace_id, context_of(call), trail_of(call)
                )
            )

        return await self._change(call, work)

    async def transfer(self, call: Call) -> Reply:
        """Give a workspace away."""

        async def work(transaction: Transaction) -> Reply:
            return tagged(
                *await transfer_workspace(
                    transaction, call.principal, call.body.user_id, trail_of(call)
                )
            )

        return await self._change(call, work)

    async def _change(self, call: Call, work: Callable[[Transaction], Awaitable[Reply]]) -> Reply:
        reply = await self.kit.change(call, work)
        # Other workers hear of it from the database; this one need not wait for that.
        self.authenticator.cache.forget()
        return reply
