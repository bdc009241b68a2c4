"""What every stand-in does: hand out codes to browsers, and take each back once."""

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from werkzeug.serving import make_server

CLIENT_ID = "roost-client"
CLIENT_SECRET = "the-secret-of-roost"  # noqa: S105 -- a stand-in's
SLOW_SECONDS = 30.0
SPOILT = {
    "500": ("<h1>Oops</h1>", 500, "text/html"),
    "html": ("<h1>Maintenance</h1>", 200, "text/html"),
    "not json": ("{oops", 200, "application/json"),
    "a list": ("[1]", 200, "application/json"),
    "deep": ("[" * 30_000, 200, "application/json"),
    "deep refusal": ('{"a":' * 10_000, 400, "application/json"),
    "endless": ('{"access_token":"x","expires_in":1e400}', 200, "application/json"),
    "no number": ('{"access_token":"x","expires_in":NaN}', 200, "application/json"),
    "not ascii": ('{"access_token":"\\u00e9","token_type":"bearer"}', 200, "application/json"),
    "two lines": ('{"access_token":"a\\nb","token_type":"bearer"}', 200, "application/json"),
    "huge": ('{"a":"' + "x" * 200_000 + '"}', 200, "application/json"),
}


class BadRequestError(Exception):
    """What the stand-in was sent is not what its protocol says; the code is OAuth's."""


@dataclass
class Code:
    """A code, and what was asked for with it."""

    asked: Mapping[str, str]
    used: bool = False


@dataclass
class Desk:
    """A stand-in. `misbehaviour` names what is wrong with it, empty when nothing is.

    `person` is who logs in; `tokens` are the live access tokens. `refused` has what was sent
    wrongly, which a test may want to be empty.
    """

    url: str = ""
    misbehaviour: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    refreshes: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    refreshed: int = 0
    expires_in: int | None = 3600
    redirect_uris: set[str] = field(default_factory=set)
    adds_to_callback: dict[str, str] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    def app(self) -> Flask:
        """Make the application; each kind adds its own routes."""
        app = Flask(__name__)
        app.register_error_handler(BadRequestError, self._tell)
        app.before_request(self._misbehave)
        self.routes(app)
        return app

    def routes(self, app: Flask) -> None:
        """Add the routes."""

    def _tell(self, error: Exception) -> Any:
        self.refused.append(str(error))
        return self.oauth_error(str(error))

    def oauth_error(self, code: str) -> Any:
        """Answer an error as this provider does."""
        return jsonify(error=code), 400

    def is_spoilt(self) -> bool:
        """Whether this request is one that a general misbehaviour spoils."""
        return "authorize" not in request.path

    def _misbehave(self) -> Any:
        if not self.is_spoilt():
            return None
        if self.misbehaviour == "slow":
            self.released.wait(SLOW_SECONDS)
        if self.misbehaviour == "redirect":
            return redirect("https://elsewhere.invalid/")
        if self.misbehaviour in SPOILT:
            text, status, kind = SPOILT[self.misbehaviour]
            return Response(text, status, mimetype=kind)
        return None

    def authorize(self, *needed: str) -> Any:
        """Send the browser back with a code, as if its user had agreed."""
        asked = dict(request.args)
        must = {"client_id", "redirect_uri", "state", "code_challenge", "scope", *needed}
        require(must <= asked.keys(), "invalid_request")
        require(asked["client_id"] == CLIENT_ID, "unauthorized_client")
        require(asked["code_challenge_method"] == "S256", "invalid_request")
        require(len(asked["code_challenge"]) == 43, "invalid_request")
        if self.redirect_uris:
            require(asked["redirect_uri"] in self.redirect_uris, "redirect_uri_mismatch")
        back = {"state": asked["state"], **self.adds_to_callback}
        if self.misbehaviour == "denied":
            back |= {"error": "access_denied", "error_description": "no"}
        else:
            back["code"] = secrets.token_urlsafe(16)
            self.codes[back["code"]] = Code(asked)
            self.issued.append(back["code"])
        return redirect(f"{asked['redirect_uri']}?{urlencode(back)}", 302)

    def take_code(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Take a code back, for what was asked for with it."""
        code = self.codes.get(given.get("code", ""))
        require(code is not None and not code.used, "invalid_grant")
        assert code is not None
        code.used = True
        require(given.get("redirect_uri") == code.asked["redirect_uri"], "invalid_grant")
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        require(challenge == code.asked["code_challenge"], "invalid_grant")
        return code.asked

    def new_tokens(self) -> dict[str, Any]:
        """Make an access token and a refresh token."""
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.tokens[access] = self.person
        self.refreshes[refresh] = self.person
        self.issued += [access, refresh]
        made: dict[str, Any] = {"access_token": access, "token_type": "Bearer"}
        if self.expires_in is not None:
            made |= {"expires_in": self.expires_in, "refresh_token": refresh}
        return made

    def renew(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Take a refresh token, which works once."""
        require(self.misbehaviour != "revoked", "invalid_grant")
        person = self.refreshes.pop(given.get("refresh_token", ""), None)
        require(person is not None, "invalid_grant")
        self.refreshed += 1
        return self.new_tokens()

    def bearer(self) -> dict[str, Any]:
        """Give the person whose access token was sent."""
        _, _, token = request.headers.get("authorization", "").partition(" ")
        require(token in self.tokens, "invalid_token")
        return self.tokens[token]

    def form(self) -> Mapping[str, str]:
        """Read a form, and see that it is one."""
        require(request.mimetype == "application/x-www-form-urlencoded", "invalid_request")
        require(not request.args, "invalid_request")
        return dict(request.form)


def require(condition: object, error: str) -> None:
    """Refuse the request unless the condition holds."""
    if not condition:
        raise BadRequestError(error)


D = TypeVar("D", bound=Desk)


@contextmanager
def open_desk(desk: D, host: str = "localhost") -> Iterator[D]:
    """Serve a stand-in on a port of the system's choice, in a thread."""
    server = make_server("127.0.0.1", 0, desk.app(), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]  # the threaded one has it
    desk.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield desk
    finally:
        desk.released.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


def now() -> int:
    """Give the time in seconds since 1970."""
    return int(time.time())
