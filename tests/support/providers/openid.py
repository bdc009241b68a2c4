"""OpenID Connect, and the ways in which OpenAI and Anthropic speak it."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from tests.support.providers.desk import CLIENT_ID, CLIENT_SECRET, Desk, now, require


def _rsa() -> Any:
    return RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)


@dataclass
class OpenId(Desk):
    """Any issuer; a person is the claims they have, with `sub`."""

    NAME = "OIDC"
    AUTHORIZE, TOKEN = "/authorize", "/token"
    key: Any = field(default_factory=_rsa)
    algorithm: str = "RS256"
    key_reads: int = 0
    discovery: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    methods: tuple[str, ...] = ("client_secret_basic",)
    more_keys: list[dict[str, Any]] = field(default_factory=list)

    def routes(self, app: Flask) -> None:
        """Add an issuer's routes."""
        app.get("/.well-known/openid-configuration")(self._document)
        app.get("/keys")(self._keys)
        app.get("/userinfo")(self._userinfo)
        app.get(self.AUTHORIZE)(self._authorize)
        app.post(self.TOKEN)(self._token)

    def settings(self) -> dict[str, str]:
        """Give the environment that leads Roost here."""
        return {
            f"ROOST_{self.NAME}_ISSUER": self.url,
            f"ROOST_{self.NAME}_CLIENT_ID": CLIENT_ID,
            f"ROOST_{self.NAME}_CLIENT_SECRET": CLIENT_SECRET,
        }

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is not shown any more."""
        self.key = _rsa()

    def is_spoilt(self) -> bool:
        """Whether general misbehaviour spoils this request: that for tokens only."""
        return request.path == self.TOKEN

    def _document(self) -> Any:
        found = {
            "issuer": self.url,
            "authorization_endpoint": self.url + self.AUTHORIZE,
            "token_endpoint": self.url + self.TOKEN,
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "id_token_signing_alg_values_supported": [self.algorithm, "HS256", "none"],
            "token_endpoint_auth_methods_supported": list(self.methods),
        }
        return jsonify({**found, **self.discovery})

    def _keys(self) -> Any:
        self.key_reads += 1
        shown = KeySet([self.key]).as_dict(private=False)
        return jsonify({"keys": [*self.more_keys, *shown["keys"]]})

    def _userinfo(self) -> Any:
        return jsonify(self.bearer())

    def _authorize(self) -> Any:
        require("openid" in request.args["scope"].split(), "invalid_scope")
        require(request.args["response_type"] == "code", "unsupported_response_type")
        return self.authorize("nonce", "response_type")

    def _token(self) -> Any:
        given = self.form()
        self.authenticate(given)
        if given.get("grant_type") == "refresh_token":
            return jsonify(self.renew(given))
        require(given.get("grant_type") == "authorization_code", "unsupported_grant_type")
        asked = self.take_code(given)
        tokens = self.new_tokens()
        tokens["id_token"] = self._id_token(asked["nonce"], tokens["access_token"])
        self.issued.append(tokens["id_token"])
        return jsonify(tokens)

    def authenticate(self, given: Any) -> None:
        """See that it is Roost who asks."""
        del given
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        require(request.headers.get("authorization") == f"Basic {pair}", "invalid_client")

    def _id_token(self, nonce: str, access_token: str) -> str:
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now(),
            "exp": now() + 300,
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            **self.person,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return self.sign(claims)

    def sign(self, claims: dict[str, Any]) -> str:
        """Sign the claims, or do not, as the misbehaviour says."""
        header = {"alg": self.algorithm, "kid": self.key.kid}
        match self.misbehaviour:
            case "unsigned":
                parts = ({"alg": "none"}, claims)
                texts = (base64.urlsafe_b64encode(json.dumps(one).encode()) for one in parts)
                return ".".join(text.rstrip(b"=").decode() for text in texts) + "."
            case "signed by another":
                other: Key = _rsa() if self.algorithm == "RS256" else ECKey.generate_key("P-256")
                return jwt.encode(header, claims, other)
            case "no id token":
                return ""
        return jwt.encode(header, claims, self.key)


@dataclass
class OpenAI(OpenId):
    """OpenAI: paths of its own, errors that are objects, and a page for people as userinfo."""

    NAME = "OPENAI"
    AUTHORIZE, TOKEN = "/api/accounts/authorize", "/api/accounts/oauth/token"

    def oauth_error(self, code: str) -> Any:
        """Answer an error as OpenAI does."""
        return jsonify(error={"code": code, "message": "no", "param": None}), 400

    def _userinfo(self) -> Any:
        return Response("<!doctype html><title>OpenAI</title>", mimetype="text/html")


@dataclass
class AnthropicIssuer(OpenId):
    """Anthropic's issuer: its endpoints are on another host, and clients sign who they are."""

    NAME = "ANTHROPIC"
    AUTHORIZE, TOKEN = "/oauth/authorize", "/v1/oauth/token"
    key: Any = field(
        default_factory=lambda: ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
    )
    algorithm: str = "ES256"
    methods: tuple[str, ...] = ("private_key_jwt",)
    client_key: Any = field(default_factory=lambda: ECKey.generate_key("P-256"))
    seen: set[str] = field(default_factory=set)

    def settings(self) -> dict[str, str]:
        """Give the environment that leads Roost here, with its private key."""
        return {
            **super().settings(),
            "ROOST_ANTHROPIC_CLIENT_SECRET": self.client_key.as_pem(private=True).decode(),
        }

    def _authorize(self) -> Any:
        require(request.args["scope"] == "openid email", "invalid_scope")
        return super()._authorize()

    def authenticate(self, given: Any) -> None:
        """Check the assertion (RFC 7523)."""
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        require(given.get("client_assertion_type") == kind, "invalid_client")
        require("client_secret" not in given, "invalid_client")
        token = jwt.decode(given["client_assertion"], self.client_key, algorithms=["ES256"])
        claims = token.claims
        require(claims["iss"] == claims["sub"] == CLIENT_ID, "invalid_client")
        require(claims["aud"] == request.base_url, "invalid_client")
        require(now() - 60 < claims["exp"] <= now() + 3700, "invalid_client")
        require(claims["jti"] not in self.seen, "invalid_client")
        self.seen.add(claims["jti"])
