"""Talking with one provider: where to send the browser, the code for tokens, tokens for a person.

Authlib does the OAuth part, over connections that live for one exchange.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from roost import errors
from roost.errors import ProblemError
from roost.identity.providers import profiles
from roost.identity.providers.discovery import Issuer
from roost.identity.providers.id_tokens import verified_claims
from roost.identity.providers.model import Grant, Profile, Provider, nonsense, unproved
from roost.identity.providers.transport import (
    away,
    client_options,
    conversation,
    library,
    read_json,
    require_json,
)

_SPENT = frozenset(
    {
        "invalid_grant",
        "bad_verification_code",
        "access_denied",
        "invalid_refresh_token",
        "token_expired",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "refresh_token_reused",
        "bad_refresh_token",
    }
)
"""What providers call a code or token that is used, old, or not theirs."""
_PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_LONGEST_TOKEN = 16 * 1024
_MOST_SECONDS = 10 * 365 * 24 * 3600
_TOKEN = re.compile(rf"[!-~]{{1,{_LONGEST_TOKEN}}}")
"""What can be sent on in a header."""
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
_JSON_BODY = "json_body"
_NONSENSE = "nonsense"


class RefusedError(Exception):
    """The provider takes the code or refresh token no (longer)."""


class ProviderClient:
    """One provider; `issuer` is there when it speaks OpenID Connect."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.issuer = Issuer(provider.name, provider.issuer) if provider.issuer else None

    async def authorize_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Give the address at the provider that the browser is sent to."""
        provider = self.provider
        address = provider.authorize_url
        if address is None and self.issuer is not None:
            address = (await self.issuer.document()).authorize_url
        extra = {"nonce": nonce} if self.issuer is not None else {}
        async with self._session(None, redirect_uri, " ".join(provider.scopes)) as session:
            url, _ = session.create_authorization_url(
                address, state=state, code_verifier=verifier, **extra
            )
        return str(url)

    async def answers_as(self) -> tuple[str | None, bool]:
        """Give the `iss` that callbacks have, if that is known, and whether they must have it."""
        if self.issuer is None:
            return self.provider.answers_as, False
        return self.issuer.address, (await self.issuer.document()).names_itself

    async def exchange(self, code: str, redirect_uri: str, verifier: str, state: str) -> Grant:
        """Exchange a code for tokens; LOGIN_NOT_PROVED when the provider does not take it."""
        body = _state_field(state) if self.provider.json_tokens else ""
        try:
            return await self._tokens(
                redirect_uri,
                lambda session, url: session.fetch_token(
                    url, body=body, code=code, code_verifier=verifier
                ),
            )
        except RefusedError as error:
            raise unproved(self.provider.name, "it did not take the code") from error

    async def refresh(self, refresh_token: str) -> Grant:
        """Get new tokens; RefusedError when the provider takes the refresh token no longer."""
        return await self._tokens(
            None, lambda session, url: session.refresh_token(url, refresh_token=refresh_token)
        )

    async def profile(self, grant: Grant, nonce: str) -> Profile:
        """Find out whose tokens these are."""
        provider = self.provider
        if self.issuer is None:
            return await self._read_profile(grant)
        claims = await verified_claims(provider, self.issuer, grant, nonce)
        found = profiles.from_claims(provider.name, claims)
        address = provider.userinfo_url or (await self.issuer.document()).userinfo_url
        if found.email is not None or address is None or not provider.asks_userinfo:
            return found
        more = _object(provider, await self._get(grant, address))
        if more.get("sub") != found.subject:
            raise unproved(provider.name, "its userinfo is about somebody else")
        return profiles.from_claims(provider.name, {**more, **claims})

    async def _read_profile(self, grant: Grant) -> Profile:
        provider = self.provider
        if provider.userinfo_url is None:
            raise nonsense(provider.name, "no ROOST_…_USERINFO_URL is set to read the profile from")
        found = _object(provider, await self._get(grant, provider.userinfo_url))
        if provider.reader == "github":
            emails = await self._get(grant, provider.emails_url) if provider.emails_url else []
            return profiles.from_github(provider.name, found, emails)
        if provider.reader == "anthropic":
            return profiles.from_anthropic(provider.name, found)
        return profiles.from_claims(provider.name, found)

    async def _get(self, grant: Grant, url: str) -> Any:  # noqa: ANN401 -- whatever JSON holds
        name, httpx = self.provider.name, library()[0]
        headers = {**self.provider.headers, "authorization": f"Bearer {grant.access_token}"}
        async with conversation(name), httpx.AsyncClient(**client_options()) as client:
            return read_json(name, await client.get(url, headers=headers))

    async def _tokens(self, redirect_uri: str | None, ask: Any) -> Grant:  # noqa: ANN401 -- a function of the library's client
        provider = self.provider
        url, method = await self._token_endpoint()
        session = self._session(method, redirect_uri, None, url)
        async with conversation(provider.name), session:
            try:
                answer = await ask(session, url)
            except ProblemError:
                raise
            except Exception as error:
                code = _error_code(error)
                if code is None:
                    raise
                raise self._refusal(code) from error
        return _grant(provider, answer)

    def _refusal(self, code: str) -> Exception:
        name = self.provider.name
        if code in _SPENT:
            return RefusedError(code)
        if code in _PASSING:
            return away(name)
        if code == _NONSENSE:
            return nonsense(name, "its answer is no JSON object")
        return ProblemError(
            errors.PROVIDER_REFUSED, f"{name} does not take this Roost as a client, or its request"
        )

    async def _token_endpoint(self) -> tuple[str, str]:
        """Give the token endpoint's address, and how Roost shows there who it is."""
        provider = self.provider
        methods: tuple[str, ...] = ("client_secret_post",)
        url = provider.token_url
        if self.issuer is not None:
            document = await self.issuer.document()
            methods, url = document.auth_methods, url or document.token_url
        if provider.json_tokens:
            return url or "", _JSON_BODY
        if provider.client_secret is None:
            return url or "", "none"
        if provider.has_private_key:
            return url or "", "private_key_jwt"
        for method in ("client_secret_post", "client_secret_basic"):
            if method in methods:
                return url or "", method
        raise ProblemError(
            errors.PROVIDER_REFUSED,
            f"{provider.name} takes no client secret, but {' or '.join(methods)}",
            hint="Set its `…_CLIENT_SECRET` to a private key in PEM form.",
        )

    def _session(
        self,
        method: str | None,
        redirect_uri: str | None,
        scope: str | None,
        token_url: str | None = None,
    ) -> Any:  # noqa: ANN401 -- Authlib has no types
        """Make Authlib's client for one exchange."""
        provider = self.provider
        key = method == "private_key_jwt"
        session = library()[1](
            provider.client_id,
            _signing_key(provider) if key else provider.client_secret,
            token_endpoint_auth_method=method or "none",
            redirect_uri=redirect_uri,
            scope=scope,
            code_challenge_method="S256",
            **client_options(),
        )
        if key:
            session.register_client_auth_method(_assertion(session.client_secret, token_url))
        if method == _JSON_BODY:
            session.register_client_auth_method((_JSON_BODY, _as_json))

        def check(answer: Any) -> Any:  # noqa: ANN401 -- the library's response
            require_json(provider.name, answer)
            return answer

        for hook in ("access_token_response", "refresh_token_response"):
            session.register_compliance_hook(hook, check)
        return session


def _state_field(state: str) -> str:
    """Give the state as the part of a body that some token endpoints want."""
    return f"state={state}"


def _as_json(
    client: Any,  # noqa: ANN401 -- Authlib's
    _method: str,
    uri: str,
    headers: dict[str, str],
    body: bytes | str,
) -> tuple[str, dict[str, str], bytes]:
    """Send a token request as JSON, with the client's id and its secret if it has one."""
    text = body.decode() if isinstance(body, bytes) else body
    fields = {**dict(parse_qsl(text)), "client_id": client.client_id}
    if client.client_secret:
        fields["client_secret"] = client.client_secret
    headers["content-type"] = "application/json"
    return uri, headers, json.dumps(fields).encode()


def _signing_key(provider: Provider) -> Any:  # noqa: ANN401 -- a key of one of the library's kinds
    from joserfc.jwk import import_key  # noqa: PLC0415 -- takes long to import: at the first log-in

    pem = (provider.client_secret or "").replace("\\n", "\n")
    for kind in ("EC", "RSA", "OKP"):
        try:
            return import_key(pem, kind)
        except (ValueError, TypeError):
            continue
    raise ProblemError(
        errors.PROVIDER_REFUSED, f"the private key for {provider.name} can't be read"
    )


def _assertion(key: Any, token_url: str | None) -> Any:  # noqa: ANN401 -- the libraries' own
    from authlib.oauth2.rfc7523 import PrivateKeyJWT  # type: ignore[import-untyped]  # noqa: PLC0415 -- as above

    algorithms = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
    algorithm = algorithms.get(str(getattr(key, "curve_name", "")), "RS256")
    return PrivateKeyJWT(token_url, headers={"kid": key.thumbprint()}, alg=algorithm)


def _error_code(error: Exception) -> str | None:
    """Give the code of an OAuth error; None when it is another kind of error."""
    from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]  # noqa: PLC0415 -- as above

    if isinstance(error, OAuthError):
        return error_code(error.error)
    # What Authlib makes of an answer that is no JSON object.
    return _NONSENSE if isinstance(error, _UNREADABLE) else None


def error_code(said: object) -> str:
    """Read an error: a word, or as some write it an object with a code."""
    if isinstance(said, Mapping):
        said = said.get("code") or said.get("type")
    return said if isinstance(said, str) else ""


def _object(provider: Provider, found: object) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise nonsense(provider.name, "its profile is no object")
    return found


def _grant(provider: Provider, answer: Mapping[str, Any]) -> Grant:
    def text(name: str) -> str | None:
        value = answer.get(name)
        return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None

    access, kind = text("access_token"), answer.get("token_type", "Bearer")
    if access is None or not isinstance(kind, str) or kind.lower() != "bearer":
        raise nonsense(provider.name, "its answer has no access token that can be used")
    scope = answer.get("scope")
    return Grant(
        access,
        text("refresh_token"),
        text("id_token"),
        scope if isinstance(scope, str) and 0 < len(scope) <= _LONGEST_TOKEN else None,
        _end_of(answer.get("expires_in")),
    )


def _end_of(seconds: object) -> int | None:
    """Give the second that a token ends in; None when nothing sensible is said of it."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds != seconds:  # noqa: PLR0124 -- NaN
        return None
    return int(time.time() + min(max(seconds, 0), _MOST_SECONDS))
