"""A user's identities over HTTP."""

from dataclasses import dataclass

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.audit.trail import trail_of
from roost.identity.login.linked import IDENTITIES, unlink
from roost.identity.model import LinkedIdentity
from roost.identity.users.routes import READ, WRITE
from roost.identity.users.service import belongs_elsewhere
from roost.identity.workspaces.standing import require_roaming
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit, context_of, found
from roost.web.paging import SortQuery
from roost.web.reply import Reply, empty

_PATH = f"{API}/users/{{id:str}}/identities"


@dataclass(frozen=True, slots=True)
class LinkedRoutes:
    """The routes on identities. They are added by logging in with another provider."""

    kit: Kit

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _PATH, self.list, Contract(
                "List a user's identities at log-in providers", READ, query=SortQuery,
                returns=LinkedIdentity, paged=True, problems=(errors.USER_NOT_FOUND,))),
            Endpoint("DELETE", f"{_PATH}/{{identity_id:str}}", self.delete, Contract(
                "Take an identity from oneself; the last one stays", WRITE, status=204,
                problems=(errors.USER_NOT_FOUND, errors.IDENTITY_NOT_FOUND, errors.CONFLICT))),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of identities: one's own, or a member's who belongs nowhere else."""
        query: SortQuery = call.query
        principal, user_id = call.principal, call.id()
        found(await self.kit.read(call, queries.USER_ITEM, user=user_id), errors.USER_NOT_FOUND)
        if user_id != principal.user_id and not principal.is_admin:
            message = "only an administrator may see another's identities"
            raise ProblemError(errors.FORBIDDEN, message)
        if user_id != principal.user_id and await belongs_elsewhere(
            self.kit.database, principal.workspace_id, user_id
        ):
            message = "the user belongs to other workspaces too; only they may see that"
            raise ProblemError(errors.FORBIDDEN, message)
        statement, values, sort = lists.prepare(IDENTITIES, query, {})
        row = await self.kit.read(call, statement, **values, user=user_id)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def delete(self, call: Call) -> Reply:
        """Take one away."""
        user_id, identity_id = call.id(), call.id("identity_id")
        found(await self.kit.read(call, queries.USER_ITEM, user=user_id), errors.USER_NOT_FOUND)
        if user_id != call.principal.user_id:
            raise ProblemError(errors.FORBIDDEN, "an identity is its own user's to take away")
        require_roaming(call.principal)

        async def work(transaction: Transaction) -> Reply:
            await unlink(transaction, call.principal, identity_id, context_of(call), trail_of(call))
            return empty()

        return await self.kit.change(call, work)
