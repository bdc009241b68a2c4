"""Members of workspaces over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost import errors
from roost.db.pool import Transaction
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import trail_of
from roost.identity.model import Member, MemberPatch, MemberQuery
from roost.identity.workspaces.member_queries import MEMBERS
from roost.identity.workspaces.members import MANAGE, change_role, remove_member
from roost.identity.workspaces.routes import ITEM
from roost.web import lists
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.kit import Kit, context_of
from roost.web.reply import Reply, empty, item

_MEMBER = f"{ITEM}/members/{{user_id:str}}"
_MISSING = (errors.WORKSPACE_NOT_FOUND, errors.USER_NOT_FOUND)


@dataclass(frozen=True, slots=True)
class MemberRoutes:
    """The routes on members."""

    kit: Kit
    authenticator: DatabaseAuthenticator

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{ITEM}/members", self.list, Contract(
                "List the members of a workspace", "members:read", query=MemberQuery,
                returns=Member, paged=True, problems=(errors.WORKSPACE_NOT_FOUND,),
                workspace_in_path=True)),
            Endpoint("PATCH", _MEMBER, self.patch, Contract(
                "Change a member's role", MANAGE, body=MemberPatch, returns=Member,
                problems=_MISSING, workspace_in_path=True)),
            # Everybody may leave; who may remove others, the service says.
            Endpoint("DELETE", _MEMBER, self.delete, Contract(
                "Leave a workspace, or with `members:write` remove a member",
                "workspaces:leave", status=204, problems=_MISSING, workspace_in_path=True)),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of a workspace's members."""
        query: MemberQuery = call.query
        given = {"search": query.search, "role": query.role}
        statement, values, sort = lists.prepare(MEMBERS, query, given)
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def patch(self, call: Call) -> Reply:
        """Change a role."""
        user_id = call.id("user_id")

        async def work(transaction: Transaction) -> Reply:
            role = call.body.role
            return item(
                await change_role(transaction, call.principal, user_id, role, trail_of(call))
            )

        return await self._change(call, work)

    async def delete(self, call: Call) -> Reply:
        """Remove a member, or leave."""
        user_id = call.id("user_id")

        async def work(transaction: Transaction) -> Reply:
            await remove_member(
                transaction, call.principal, user_id, context_of(call), trail_of(call)
            )
            return empty()

        return await self._change(call, work)

    async def _change(self, call: Call, work: Callable[[Transaction], Awaitable[Reply]]) -> Reply:
        reply = await self.kit.change(call, work)
        # Other workers hear of it from the database; this one need not wait for that.
        self.authenticator.cache.forget()
        return reply
