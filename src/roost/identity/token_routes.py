"""Access tokens over HTTP."""

from dataclasses import dataclass

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.identity import credentials, token_queries
from roost.identity.authenticator import DatabaseAuthenticator
from roost.identity.model import NewToken, Token, TokenCreate
from roost.identity.tokens import create_token, revoke_token
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.paging import SortQuery
from roost.web.rate import Limiter
from roost.web.reply import Reply, empty, item

READ, WRITE = "tokens:read", "tokens:write"


@dataclass(frozen=True, slots=True)
class TokenRoutes:
    """The routes on access tokens."""

    kit: Kit
    authenticator: DatabaseAuthenticator
    limit: Limiter

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{API}/tokens", self.list, Contract(
                "List your access tokens; administrators see the workspace's", READ,
                query=SortQuery, returns=Token, paged=True)),
            Endpoint("POST", f"{API}/tokens", self.create, Contract(
                "Create an access token; its secret is shown this once, and is absent when an "
                "Idempotency-Key gives the answer again", WRITE, body=TokenCreate,
                returns=NewToken, status=201)),
            Endpoint("DELETE", f"{API}/tokens/{{id:str}}", self.revoke, Contract(
                "Revoke an access token", WRITE, status=204,
                problems=(errors.TOKEN_NOT_FOUND,))),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of tokens."""
        query: SortQuery = call.query
        given = {} if call.principal.is_admin else {"mine": True}
        statement, values, sort = lists.prepare(token_queries.TOKENS, query, given)
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def create(self, call: Call) -> Reply:
        """Make a token."""
        allowance = await self.limit.take(str(call.principal.user_id))
        secret = credentials.new_access_token()

        async def work(transaction: Transaction) -> Reply:
            token_id, body = await create_token(transaction, call.principal, call.body, secret)
            reply = item(body, 201)
            reply.header("location", f"{API}/tokens/{token_id}")
            return reply

        reply = allowance.tell(await self.kit.change(call, work))
        reply.header("cache-control", "no-store")
        if any(name == b"idempotent-replayed" for name, _ in reply.headers):
            return reply
        # Only now: an answer kept for its idempotency key must not hold the secret.
        shown = b',"token":%s}}' % msgspec.json.encode(secret)
        reply.body = reply.body.removesuffix(b"}}") + shown
        return reply

    async def revoke(self, call: Call) -> Reply:
        """Revoke a token."""
        token_id = call.id()

        async def work(transaction: Transaction) -> Reply:
            await revoke_token(transaction, call.principal, token_id)
            return empty()

        reply = await self.kit.change(call, work)
        self.authenticator.cache.forget()
        return reply
