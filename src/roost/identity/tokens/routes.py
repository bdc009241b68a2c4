"""Access tokens over HTTP."""

from dataclasses import dataclass

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import trail_of
from roost.identity.model import NewToken, Token, TokenCreate, TokenQuery
from roost.identity.tokens import queries as token_queries
from roost.identity.tokens.service import create_token, revoke_token
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit, context_of, found
from roost.web.rate import Limiter, Limits
from roost.web.reply import Reply, empty, item

READ, WRITE = "tokens:read", "tokens:write"
_ITEM = f"{API}/tokens/{{id:str}}"


def token_limit(limits: Limits) -> Limiter:
    """Give the limit of making tokens, the same by every way; it counts by user."""
    return limits.limit("tokens", quota=30, window=60)


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
                query=TokenQuery, returns=Token, paged=True)),
            Endpoint("GET", _ITEM, self.get, Contract(
                "Read an access token, without its secret", READ, returns=Token,
                problems=(errors.TOKEN_NOT_FOUND,))),
            Endpoint("POST", f"{API}/tokens", self.create, Contract(
                "Create an access token, your own or an agent's; its secret is shown this once, "
                "and is absent when an Idempotency-Key gives the answer again", WRITE,
                body=TokenCreate, returns=NewToken, status=201)),
            Endpoint("DELETE", _ITEM, self.revoke, Contract(
                "Revoke an access token; an agent is deactivated with its own", WRITE, status=204,
                problems=(errors.TOKEN_NOT_FOUND,))),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of tokens."""
        query: TokenQuery = call.query
        mine = None if call.principal.is_admin else True
        given = {"mine": mine, "kind": query.kind, "expired": query.expired}
        statement, values, sort = lists.prepare(token_queries.TOKENS, query, given)
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def get(self, call: Call) -> Reply:
        """Answer one token."""
        row = await self.kit.read(
            call, token_queries.TOKEN, token=call.id(), any_user=call.principal.is_admin
        )
        return self.kit.conditional(call, item(found(row, errors.TOKEN_NOT_FOUND)["body"]))

    async def create(self, call: Call) -> Reply:
        """Make a token."""
        allowance = await self.limit.take(str(call.principal.user_id))
        secret = credentials.new_access_token()

        async def work(transaction: Transaction) -> Reply:
            token_id, body = await create_token(
                transaction,
                call.principal,
                call.body,
                secret,
                context_of(call),
                trail=trail_of(call),
            )
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
            await revoke_token(transaction, call.principal, token_id, trail_of(call))
            return empty()

        reply = await self.kit.change(call, work)
        self.authenticator.cache.forget()
        return reply
