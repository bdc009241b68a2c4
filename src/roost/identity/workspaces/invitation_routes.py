"""Invitations over HTTP."""

from dataclasses import dataclass

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import address_of, trail_of
from roost.identity.model import Workspace
from roost.identity.workspaces.invitation_model import (
    Invitation,
    InvitationCreate,
    InvitationPreview,
    NewInvitation,
)
from roost.identity.workspaces.invitation_queries import INVITATIONS
from roost.identity.workspaces.invitations import (
    accept_invitation,
    create_invitation,
    preview,
    revoke_invitation,
)
from roost.identity.workspaces.routes import ITEM
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit, context_of, tagged
from roost.web.paging import SortQuery
from roost.web.rate import Limiter, network_of
from roost.web.reply import Reply, empty, item

READ, WRITE, JOIN = "invitations:read", "invitations:write", "workspaces:join"
PAGE = "/invitations"
_OF_WORKSPACE = f"{ITEM}/invitations"
_PRESENTED = f"{API}/invitations/{{token:str}}"


@dataclass(frozen=True, slots=True)
class InvitationRoutes:
    """The routes on invitations. `limit` counts by user, and by address where nobody is known.

    Links begin with the `public_url`, or with the address that was asked.
    """

    kit: Kit
    authenticator: DatabaseAuthenticator
    limit: Limiter
    public_url: str | None = None

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        missing, used = errors.WORKSPACE_NOT_FOUND, errors.INVITATION_NOT_FOUND
        return [
            Endpoint("GET", _OF_WORKSPACE, self.list, Contract(
                "List a workspace's open invitations", READ, query=SortQuery, returns=Invitation,
                paged=True, problems=(missing,), workspace_in_path=True)),
            Endpoint("POST", _OF_WORKSPACE, self.create, Contract(
                "Invite somebody by a link that works once; it is shown this once, and is absent "
                "when an Idempotency-Key gives the answer again", WRITE, body=InvitationCreate,
                returns=NewInvitation, status=201, problems=(missing,), workspace_in_path=True)),
            Endpoint("DELETE", f"{_OF_WORKSPACE}/{{invitation_id:str}}", self.revoke, Contract(
                "Revoke an invitation", WRITE, status=204, problems=(missing, used),
                workspace_in_path=True)),
            Endpoint("GET", _PRESENTED, self.show, Contract(
                "Read what an invitation is for, by the secret of its link", None,
                returns=InvitationPreview, problems=(used, errors.RATE_LIMITED))),
            Endpoint("POST", f"{_PRESENTED}/accept", self.accept, Contract(
                "Accept an invitation: become a member of its workspace", JOIN,
                returns=Workspace, problems=(used,))),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of open invitations."""
        query: SortQuery = call.query
        statement, values, sort = lists.prepare(INVITATIONS, query, {})
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def create(self, call: Call) -> Reply:
        """Make an invitation."""
        allowance = await self.limit.take(str(call.principal.user_id))
        secret = credentials.new_opaque_secret()

        async def work(transaction: Transaction) -> Reply:
            _, body = await create_invitation(
                transaction, call.principal, call.body, secret, trail_of(call)
            )
            return item(body, 201)

        reply = allowance.tell(await self.kit.change(call, work))
        reply.header("cache-control", "no-store")
        if any(name == b"idempotent-replayed" for name, _ in reply.headers):
            return reply
        # Only now: an answer kept for its idempotency key must not hold the secret.
        shown = msgspec.json.encode({"url": self._link(call, secret), "token": secret})
        reply.body = reply.body.removesuffix(b"}}") + b"," + shown[1:] + b"}"
        return reply

    def _link(self, call: Call, secret: str) -> str:
        scope = call.request.scope
        origin = self.public_url or f"{scope['scheme']}://{call.header('host') or ''}"
        return f"{origin.rstrip('/')}{PAGE}/{secret}"

    async def revoke(self, call: Call) -> Reply:
        """Revoke an invitation."""
        invitation_id = call.id("invitation_id")

        async def work(transaction: Transaction) -> Reply:
            await revoke_invitation(transaction, call.principal, invitation_id, trail_of(call))
            return empty()

        return await self.kit.change(call, work)

    async def show(self, call: Call) -> Reply:
        """Answer what an invitation is for."""
        allowance = await self.limit.take(network_of(address_of(call) or ""))
        reply = item(await preview(self.kit.database, call.request.path_params["token"]))
        reply.header("cache-control", "no-store")
        return allowance.tell(reply)

    async def accept(self, call: Call) -> Reply:
        """Make the caller a member."""
        return await self.join(call, call.request.path_params["token"])

    async def join(self, call: Call, secret: str) -> Reply:
        """Make the caller a member by that secret."""
        allowance = await self.limit.take(str(call.principal.user_id))

        async def work(transaction: Transaction) -> Reply:
            return tagged(
                *await accept_invitation(
                    transaction, call.principal, secret, context_of(call), trail_of(call)
                )
            )

        return allowance.tell(await self.kit.change(call, work))
