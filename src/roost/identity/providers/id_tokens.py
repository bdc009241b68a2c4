"""ID tokens (OpenID Connect Core 3.1.3.7): signature and claims, all of them, or no log-in."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from roost import errors
from roost.errors import ProblemError
from roost.identity.providers.discovery import Issuer
from roost.identity.providers.model import Grant, Provider, nonsense, unproved

LEEWAY_SECONDS = 60
LONGEST = 16 * 1024
_DIGESTS = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


async def verified_claims(
    provider: Provider, issuer: Issuer, grant: Grant, nonce: str
) -> Mapping[str, Any]:
    """Give the claims of a grant's id token; LOGIN_NOT_PROVED when anything is wrong with it."""
    text = grant.id_token
    if text is None or len(text) > LONGEST:
        raise nonsense(provider.name, "its answer has no id token")
    algorithms = (await issuer.document()).algorithms
    if not algorithms:
        raise nonsense(provider.name, "it signs with no algorithm that Roost takes")
    try:
        header, claims = await _opened(issuer, text, algorithms)
        _registry(provider, issuer, nonce).validate(claims)
    except _jose_error() as error:
        reason = type(error).__name__.removesuffix("Error")
        raise unproved(provider.name, f"its id token is not valid ({reason})") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise unproved(provider.name, "its id token can't be read") from error
    _require_audience(provider, claims)
    _require_access_token(provider, header, claims, grant.access_token)
    return claims


def _jose_error() -> type[Exception]:
    from joserfc.errors import JoseError  # noqa: PLC0415 -- takes long to import: at the first log-in

    return JoseError


async def _opened(
    issuer: Issuer, text: str, algorithms: Sequence[str]
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Check the signature, with the issuer's newest keys if the first ones do not have the key."""
    from joserfc import jws, jwt  # noqa: PLC0415 -- as above
    from joserfc.errors import InvalidKeyIdError, MissingKeyError  # noqa: PLC0415 -- as above
    from joserfc.jwk import KeySet  # noqa: PLC0415 -- as above

    registry = jws.JWSRegistry(algorithms=list(algorithms), strict_check_header=False)

    def open_with(keys: Sequence[dict[str, Any]]) -> tuple[Mapping[str, Any], dict[str, Any]]:
        known = usable(keys)
        if not known:
            raise MissingKeyError
        token = jwt.decode(text, KeySet(known), algorithms=list(algorithms), registry=registry)
        return token.header, token.claims

    keys, read_at = await issuer.keys()
    try:
        return open_with(keys)
    except (InvalidKeyIdError, MissingKeyError):
        keys, _ = await issuer.keys(unknown_since=read_at)
        return open_with(keys)


def usable(keys: Sequence[dict[str, Any]]) -> list[Any]:
    """Give those of an issuer's keys that can be used; the others are passed over (RFC 7517, 5)."""
    from joserfc.jwk import import_key  # noqa: PLC0415 -- as above

    found = []
    for one in keys:
        try:
            key = import_key(one)
            key.ensure_kid()
            _ = key.public_key  # made when it is first looked at
        except Exception:  # noqa: BLE001, S112 -- the libraries fail in many ways, and any will do
            continue
        found.append(key)
    return found


def _registry(provider: Provider, issuer: Issuer, nonce: str) -> Any:  # noqa: ANN401 -- the library's
    from joserfc.jwt import JWTClaimsRegistry  # noqa: PLC0415 -- as above

    return JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer.address},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )


def _require_audience(provider: Provider, claims: Mapping[str, Any]) -> None:
    """Refuse a token that was made for somebody else too, unless it is Roost that it is for."""
    audience, party = claims["aud"], claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise unproved(provider.name, "its id token is for several clients and names none")
    if party is not None and party != provider.client_id:
        raise unproved(provider.name, "its id token was issued to another client")


def _require_access_token(
    provider: Provider, header: Mapping[str, Any], claims: Mapping[str, Any], access_token: str
) -> None:
    """See that the access token is the one that the id token came with, where it says so."""
    given = claims.get("at_hash")
    if given is None:
        return
    digest = _DIGESTS.get(str(header.get("alg", ""))[-3:])
    if digest is None:  # EdDSA names no hash, so nothing can be compared
        return
    half = digest(access_token.encode()).digest()
    half = half[: len(half) // 2]
    wanted = base64.urlsafe_b64encode(half).rstrip(b"=")
    if not isinstance(given, str) or not hmac.compare_digest(given.rstrip("=").encode(), wanted):
        raise ProblemError(
            errors.LOGIN_NOT_PROVED, f"{provider.name}: its access token is not the id token's"
        )
