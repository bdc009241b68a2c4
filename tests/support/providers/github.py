"""GitHub's OAuth 2: errors come with the status 200, and the profile from an API of its own."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, jsonify, request

from tests.support.providers.desk import CLIENT_ID, CLIENT_SECRET, Desk, require


@dataclass
class GitHub(Desk):
    """GitHub; a person has `id`, `login`, `name`, `email` and `emails`."""

    def routes(self, app: Flask) -> None:
        """Add GitHub's routes."""
        app.get("/login/oauth/authorize")(self._authorize)
        app.post("/login/oauth/access_token")(self._token)
        app.get("/user")(self._user)
        app.get("/user/emails")(self._emails)

    def settings(self) -> dict[str, str]:
        """Give the environment that leads Roost here."""
        return {
            "ROOST_GITHUB_CLIENT_ID": CLIENT_ID,
            "ROOST_GITHUB_CLIENT_SECRET": CLIENT_SECRET,
            "ROOST_GITHUB_AUTHORIZE_URL": f"{self.url}/login/oauth/authorize",
            "ROOST_GITHUB_TOKEN_URL": f"{self.url}/login/oauth/access_token",
            "ROOST_GITHUB_USERINFO_URL": f"{self.url}/user",
            "ROOST_GITHUB_EMAILS_URL": f"{self.url}/user/emails",
        }

    def oauth_error(self, code: str) -> Any:
        """Answer an error as GitHub does: with success."""
        if request.path.startswith("/user"):
            return jsonify(message="Bad credentials"), 401
        name = "bad_verification_code" if code == "invalid_grant" else code
        return jsonify(error=name, error_description="no", error_uri="https://docs")

    def _authorize(self) -> Any:
        require(set(request.args["scope"].split()) == {"read:user", "user:email"}, "invalid_scope")
        return self.authorize()

    def _token(self) -> Any:
        given = self.form()
        require("application/json" in request.headers.get("accept", ""), "invalid_request")
        require(
            (given.get("client_id"), given.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET),
            "incorrect_client_credentials",
        )
        if given.get("grant_type") == "refresh_token":
            return jsonify(self.renew(given))
        self.take_code(given)
        return jsonify({**self.new_tokens(), "token_type": "bearer", "scope": "read:user"})

    def _user(self) -> Any:
        require(request.headers.get("user-agent", "").startswith("roost/"), "invalid_request")
        person = self.bearer()
        return jsonify({name: value for name, value in person.items() if name != "emails"})

    def _emails(self) -> Any:
        require(request.headers["accept"] == "application/vnd.github+json", "invalid_request")
        return jsonify(self.bearer().get("emails", []))
