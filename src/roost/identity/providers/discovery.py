"""What an OpenID issuer says of itself: its endpoints and keys, remembered for ten minutes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from roost.identity.providers.model import nonsense
from roost.identity.providers.remembered import Remembered
from roost.identity.providers.transport import get_json
from roost.settings import SettingsError, provider_url

KEPT_SECONDS = 3600.0
"""How old a discovery document may grow while the issuer can't be asked for a new one."""
KEY_PAUSE_SECONDS = 60.0
"""An unknown key makes Roost ask for the keys again, once in this time."""
WELL_KNOWN = "/.well-known/openid-configuration"
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""What id tokens may be signed with: keys that only the provider has."""
_KEY_KINDS = frozenset({"RSA", "EC", "OKP"})
_MOST_KEYS = 50


@dataclass(frozen=True, slots=True)
class IssuerDocument:
    """The part of a discovery document that log-in needs."""

    authorize_url: str
    token_url: str
    keys_url: str
    userinfo_url: str | None
    algorithms: tuple[str, ...]
    auth_methods: tuple[str, ...]
    names_itself: bool


class Issuer:
    """An issuer, by `address`; what it said is asked for again when it is no longer fresh."""

    def __init__(
        self, name: str, address: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name, self.address = name, address
        self._clock = clock
        self._document = Remembered(self._read_document, clock, KEPT_SECONDS)
        self._keys = Remembered(self._read_keys, clock)
        self._again_at: float | None = None

    async def document(self) -> IssuerDocument:
        """Give its discovery document; a ProblemError of the provider's when there is none."""
        return (await self._document.get())[0]

    async def keys(self, unknown_since: float | None = None) -> tuple[list[dict[str, Any]], float]:
        """Give its public keys, and the moment they were read at.

        With `unknown_since`, a key was not among those of that moment: they are read again, unless
        that was done a short while ago.
        """
        keys, read_at = await self._keys.get()
        unchanged = unknown_since is not None and read_at <= unknown_since
        if unchanged and (self._keys.is_under_way or self._may_ask_again(self._clock())):
            return await self._keys.renew()
        return keys, read_at

    def _may_ask_again(self, now: float) -> bool:
        """Whether the pause since keys were last asked for again is over; begins the next one."""
        if self._again_at is not None and now - self._again_at < KEY_PAUSE_SECONDS:
            return False
        self._again_at = now
        return True

    async def _read_document(self) -> IssuerDocument:
        found = await get_json(self.name, self.address.rstrip("/") + WELL_KNOWN)
        return _document(self.name, self.address, found)

    async def _read_keys(self) -> list[dict[str, Any]]:
        document = await self.document()
        return _usable(await get_json(self.name, document.keys_url), self.name)


def _document(name: str, address: str, found: object) -> IssuerDocument:
    if not isinstance(found, dict):
        raise nonsense(name, "its discovery document is no object")
    if found.get("issuer") != address:
        raise nonsense(name, "its discovery document is that of another issuer")

    def url(field_name: str, *, needed: bool = True) -> str | None:
        value = found.get(field_name)
        if value is None and not needed:
            return None
        try:
            return provider_url(field_name, value if isinstance(value, str) else "")
        except (SettingsError, ValueError) as error:
            raise nonsense(name, f"its discovery document has no usable {field_name}") from error

    given = _words(found.get("id_token_signing_alg_values_supported")) or ("RS256",)
    methods = _words(found.get("token_endpoint_auth_methods_supported"))
    return IssuerDocument(
        authorize_url=url("authorization_endpoint") or "",
        token_url=url("token_endpoint") or "",
        keys_url=url("jwks_uri") or "",
        userinfo_url=url("userinfo_endpoint", needed=False),
        algorithms=tuple(one for one in given if one in ALGORITHMS),
        auth_methods=methods or ("client_secret_basic",),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _words(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _usable(found: object, name: str) -> list[dict[str, Any]]:
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise nonsense(name, "its keys can't be read")
    return [
        key
        for key in keys[:_MOST_KEYS]
        if isinstance(key, dict)
        and key.get("kty") in _KEY_KINDS
        and key.get("use", "sig") == "sig"
        and "d" not in key
    ]
