"""Id tokens that were signed in ways, or by keys, that their sender chose."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.providers.discovery import ALGORITHMS
from tests.identity.conftest import World
from tests.identity.login_world import front
from tests.identity.test_providers import CLAIMS
from tests.support.providers import OpenId, open_desk
from tests.support.providers.desk import CLIENT_SECRET


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _shared(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Sign with HMAC by hand, for libraries refuse keys that are no secrets."""
    text = f"{_part(header)}.{_part(claims)}"
    made = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


@dataclass
class Forger(OpenId):
    """An issuer whose id tokens somebody else has made."""

    forgery: str = ""

    def sign(self, claims: dict[str, Any]) -> str:  # noqa: PLR0911 -- one for each forgery
        """Sign in the way that the forgery names."""
        own = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
        header: dict[str, Any] = {"alg": "RS256", "kid": self.key.kid}
        shared = {"alg": "HS256", "kid": self.key.kid}
        public = self.key.as_pem(private=False)
        match self.forgery:
            case "by the client's secret":
                return _shared(shared, claims, CLIENT_SECRET.encode())
            case "by the public key as a secret":
                return _shared(shared, claims, public)
            case "by nothing":
                return _shared({"alg": "none"}, claims, b"")
            case "by nothing, in another spelling":
                return f"{_part({'alg': 'nOnE'})}.{_part(claims)}."
            case "by a key that came along":
                header |= {"jwk": own.as_dict(private=False)}
                return jwt.encode(header, claims, own)
            case "by a key that is to be fetched":
                header |= {"jku": f"{self.url}/other-keys", "x5u": f"{self.url}/other-keys"}
                return jwt.encode(header, claims, own)
            case "by a key of another name":
                return jwt.encode({"alg": "RS256", "kid": own.kid}, claims, own)
            case "with other claims than were signed":
                head, _, seal = super().sign(claims).split(".")
                return f"{head}.{_part({**claims, 'sub': 'somebody else'})}.{seal}"
        return super().sign(claims)


FORGERIES = [
    "by the client's secret",
    "by the public key as a secret",
    "by nothing",
    "by nothing, in another spelling",
    "by a key that came along",
    "by a key that is to be fetched",
    "by a key of another name",
    "with other claims than were signed",
]


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_token_that_chooses_its_own_key_or_kind_logs_nobody_in(
    world: World, authenticator: DatabaseAuthenticator, forgery: str
) -> None:
    with open_desk(Forger(person=dict(CLAIMS))) as desk:
        assert isinstance(desk, Forger)
        settings = desk.settings()
        async with front(world, authenticator, settings) as roost, roost.browser() as browser:
            desk.forgery = forgery
            answer = await browser.log_in("oidc")
            assert (answer.status_code, answer.json()["code"]) == (401, "LOGIN_NOT_PROVED")
            assert await roost.count("users") == 0
            desk.forgery = ""
            assert (await browser.log_in("oidc")).status_code == 303, "what is genuine is"


def test_no_kind_is_taken_for_which_the_one_who_checks_has_the_key() -> None:
    assert all(name.startswith(("RS", "PS", "ES", "EdDSA")) for name in ALGORITHMS)
