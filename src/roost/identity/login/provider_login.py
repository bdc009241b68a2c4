"""A log-in by a provider, from the first click to the session."""

import logging
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.sealing import SecretBox
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.login import attempts
from roost.identity.login.arrivals import Arrivals, require_session
from roost.identity.login.newcomers import Arrival
from roost.identity.login.return_to import way_back
from roost.identity.login.sessions import Client
from roost.identity.providers import ProviderClient, Providers
from roost.identity.providers.vault import Vault
from roost.settings import Settings
from roost.web.endpoint import API
from roost.web.origin import is_loopback

_log = logging.getLogger("roost.identity")
_PASSING = frozenset({"temporarily_unavailable", "server_error"})


class CallbackQuery(msgspec.Struct, frozen=True):
    """What a provider sends the browser back with; it may add to that."""

    state: str = ""
    code: str = ""
    error: str = ""
    iss: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """How it ended: where to go, and the secret of the new session unless one was there."""

    return_to: str
    session: str | None


@dataclass(frozen=True, slots=True)
class ProviderLogin:
    """The providers that are set up, and what becomes of those who come from them."""

    database: Database
    secrets: SecretBox
    providers: Providers
    arrivals: Arrivals
    public_url: str | None = None
    redirects: tuple[str, ...] = ()

    async def begin(  # noqa: PLR0913, PLR0917 -- where from, where to, and for whom
        self,
        provider: str,
        return_to: str | None,
        scope: Any,  # noqa: ANN401 -- ASGI's own
        browser: str,
        cause: str,
        linking: tuple[UUID, UUID] | None = None,
    ) -> str:
        """Begin a log-in, or with `linking` the adding of an identity; gives where to go."""
        client = self.providers.find(provider)
        way = way_back(return_to, self.redirects)
        redirect_uri = self._address(scope) + f"{API}/auth/{provider}/callback"
        begun = attempts.challenge(way)
        # First, for it may fail: then nothing is stored.
        url = await client.authorize_url(
            redirect_uri, begun.state, begun.sealed.nonce, begun.sealed.verifier
        )
        plan = attempts.Plan(provider, redirect_uri, linking)
        await attempts.begin(self.database, self.secrets, plan, begun, browser, cause)
        return url

    async def finish(
        self, provider: str, query: CallbackQuery, browser: str | None, client: Client
    ) -> Finished:
        """Finish what `begin` began, once."""
        at = self.providers.find(provider)
        if query.error and not query.state:  # some leave the state out when they refuse
            raise _refusal(at, query.error)
        attempt = await attempts.use(
            self.database, self.secrets, provider, query.state, browser, client.cause
        )
        plan = attempt.plan
        try:
            await _require_issuer(at, query.iss)
            if query.error or not query.code:
                raise _refusal(at, query.error)
            if plan.linking is not None:
                await self._require_session(client, *plan.linking)
            sealed = attempt.sealed
            grant = await at.exchange(query.code, plan.redirect_uri, sealed.verifier, attempt.state)
            profile = await at.profile(grant, sealed.nonce)
            voucher, way = at.provider.voucher, attempt.sealed.return_to
            arrival = Arrival(provider, voucher, profile, grant, client, way)
            if plan.linking is not None:
                await self.arrivals.link(arrival, *plan.linking)
                return Finished(way, None)
            session, way = await self.arrivals.log_in(arrival)
            return Finished(way, session)
        except ProblemError as problem:
            # Nobody's workspace can be told of it, so the log is; no part of it is a secret.
            _log.warning(
                "a log-in by %s failed: %s",
                provider,
                problem.entry.code,
                extra={"request_id": client.cause},
            )
            raise

    async def _require_session(self, client: Client, user_id: UUID, session_id: UUID) -> None:
        async def work(transaction: Transaction) -> None:
            await require_session(transaction, client, user_id, session_id)

        await self.database.write(Context(user_id=user_id, cause=client.cause), work)

    def _address(self, scope: Any) -> str:  # noqa: ANN401 -- ASGI's own
        """Give Roost's own address; PUBLIC_URL_NEEDED where it can't be known for sure."""
        if self.public_url is not None:
            return self.public_url
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        address = f"{scope['scheme']}://{host.decode('latin-1')}"
        try:
            parts = urlsplit(address)
            _ = parts.port
            local = is_loopback(parts.hostname or "")
        except ValueError:
            local = False
        if not local or parts.netloc != host.decode("latin-1") or "@" in parts.netloc:
            raise ProblemError(errors.PUBLIC_URL_NEEDED)
        return address


def provider_login(database: Database, secrets: SecretBox, settings: Settings) -> ProviderLogin:
    """Put it together as the settings say."""
    providers = Providers(settings.providers)
    vault = Vault(database, secrets, providers)
    arrivals = Arrivals(database, vault, settings.sign_up)
    where, redirects = settings.public_url, settings.login_redirects
    return ProviderLogin(database, secrets, providers, arrivals, where, redirects)


def no_providers(database: Database) -> ProviderLogin:
    """Give a log-in without providers, which needs no keys: nobody gets as far as a secret."""
    providers, secrets = Providers(), SecretBox([urlsafe_b64encode(token_bytes(32)).decode()])
    return ProviderLogin(
        database, secrets, providers, Arrivals(database, Vault(database, secrets, providers))
    )


async def _require_issuer(client: ProviderClient, given: str) -> None:
    """Compare the callback's `iss` (RFC 9207), against answers of one provider for another's."""
    known, needed = await client.answers_as()
    if known is not None and (given != known if given else needed):
        raise ProblemError(
            errors.LOGIN_ATTEMPT_INVALID, f"the answer does not come from {client.provider.name}"
        )


def _refusal(client: ProviderClient, error: str) -> ProblemError:
    name = client.provider.name
    if error == "access_denied":
        return ProblemError(errors.LOGIN_REFUSED, f"{name} says that access was denied")
    if error in _PASSING:
        return ProblemError(errors.PROVIDER_UNAVAILABLE, f"{name} says that it is out of order")
    if not error:
        return ProblemError(
            errors.LOGIN_ATTEMPT_INVALID, f"{name} sent neither a code nor an error"
        )
    return ProblemError(errors.PROVIDER_REFUSED, f"{name} refused the log-in")
