"""The pop-up window in which somebody lets a page of another origin migrate for them."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.access.visitor import names_of, visitor
from roost.identity.audit.trail import trail_of
from roost.identity.login.pages import log_in_first
from roost.identity.model import TokenCreate
from roost.identity.tokens.routes import token_limit
from roost.identity.tokens.service import create_token
from roost.migration.answering import READ, WRITE
from roost.migration.connect_pages import CONNECT, Asked, answer_page, question_page
from roost.migration.pages import require
from roost.web.cors import Origins
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.kit import Kit, context_of
from roost.web.origin import page_host, written_alike
from roost.web.rate import Limits
from roost.web.reply import Reply

TOKEN_SECONDS = 3600
"""How long the page's token works; the largest dump takes minutes."""
_LONGEST_NAME = 100
_STATE = re.compile(r"[A-Za-z0-9._~-]{8,200}")


class ConnectQuery(msgspec.Struct, frozen=True):
    """Who asks: the page's origin, and a text by which the page knows the answer again."""

    origin: str | None = None
    state: str | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class ConnectPages:
    """The pages of that window. `origins` are those whose pages may ask."""

    kit: Kit
    authenticator: DatabaseAuthenticator
    origins: Origins
    limits: Limits

    def endpoints(self) -> list[Endpoint]:
        """Give every page with its contract."""
        return [
            Endpoint("GET", CONNECT, self.ask, Contract(
                "Ask whether a page of another origin may migrate", None, query=ConnectQuery,
                media_type="text/html", tag="migration", also=(303,),
                problems=(errors.CONNECT_REFUSED, errors.FORBIDDEN))),
            Endpoint("POST", CONNECT, self.allow, Contract(
                "Give the page a token to migrate with, for an hour", WRITE, query=ConnectQuery,
                media_type="text/html", tag="migration",
                problems=(errors.CONNECT_REFUSED, errors.ORIGIN_REFUSED, errors.RATE_LIMITED))),
        ]  # fmt: skip

    async def ask(self, call: Call) -> Reply:
        """Say who asks for what; or, when it was refused, tell the page."""
        asked = self._asked(call.query)
        if call.query.refused:
            return answer_page(asked, error="refused")
        principal = await visitor(self.authenticator, call)
        if principal is None:
            return log_in_first(asked.path)
        names = await names_of(self.kit.database, principal, call)
        require(WRITE, principal, names)
        return question_page(asked, names)

    async def allow(self, call: Call) -> Reply:
        """Make the token, and hand it to the page that asked, of that origin and no other."""
        asked, principal = self._asked(call.query), call.principal
        if principal.kind != "session":
            raise ProblemError(errors.FORBIDDEN, "this is for a person in a browser")
        allowance = await token_limit(self.limits).take(str(principal.user_id))
        secret = credentials.new_access_token()
        wanted = TokenCreate(
            name=f"Migration from {asked.origin}"[:_LONGEST_NAME],
            scopes=[READ, WRITE],
            expires_in=TOKEN_SECONDS,
        )
        context = context_of(call)

        async def work(transaction: Transaction) -> dict[str, Any]:
            _, body = await create_token(
                transaction, principal, wanted, secret, context, trail=trail_of(call)
            )
            made: dict[str, Any] = msgspec.json.decode(body)
            return made

        # Without an idempotency key's memory: what it keeps has no secret in it to hand over.
        made = await self.kit.database.write(context, work)
        self.kit.ticks.announce()
        return allowance.tell(answer_page(asked, token=secret, expiresAt=made["expiresAt"]))

    def _asked(self, query: ConnectQuery) -> Asked:
        origin = written_alike(query.origin or "")
        if page_host(origin) is None:
            raise ProblemError(
                errors.CONNECT_REFUSED,
                "`origin` must be that of the page, such as `https://app.example.com`",
            )
        if not self.origins.allow(origin):
            raise ProblemError(
                errors.CONNECT_REFUSED, f"pages of `{origin}` may not ask for a token here"
            )
        if query.state is None or not _STATE.fullmatch(query.state):
            raise ProblemError(
                errors.CONNECT_REFUSED,
                "`state` must be 8 to 200 letters, digits and `.`, `_`, `~` or `-`",
            )
        return Asked(origin, query.state)
