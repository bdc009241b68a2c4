"""Anthropic's other flow, which its own agent uses: JSON to the token endpoint, and a profile."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, jsonify, request

from tests.support.providers.desk import CLIENT_ID, Desk, require


@dataclass
class AnthropicProfile(Desk):
    """A person is an `account`: `uuid`, `email`, `display_name`. Clients are public."""

    def routes(self, app: Flask) -> None:
        """Add the routes."""
        app.get("/oauth/authorize")(self._authorize)
        app.post("/v1/oauth/token")(self._token)
        app.get("/api/oauth/profile")(self._profile)

    def settings(self) -> dict[str, str]:
        """Give the environment that leads Roost here."""
        return {
            "ROOST_ANTHROPIC_CLIENT_ID": CLIENT_ID,
            "ROOST_ANTHROPIC_AUTHORIZE_URL": f"{self.url}/oauth/authorize",
            "ROOST_ANTHROPIC_TOKEN_URL": f"{self.url}/v1/oauth/token",
            "ROOST_ANTHROPIC_USERINFO_URL": f"{self.url}/api/oauth/profile",
        }

    def oauth_error(self, code: str) -> Any:
        """Answer an error as Anthropic's API does."""
        return jsonify(type="error", error={"type": code, "message": "no"}), 400

    def _authorize(self) -> Any:
        require(request.args["scope"] == "user:profile", "invalid_scope")
        return self.authorize("response_type")

    def _token(self) -> Any:
        require(request.mimetype == "application/json", "invalid_request")
        given: dict[str, str] = request.get_json()
        require(given.get("client_id") == CLIENT_ID, "invalid_client")
        if given.get("grant_type") == "refresh_token":
            return jsonify(self.renew(given))
        require(given.get("grant_type") == "authorization_code", "unsupported_grant_type")
        asked = self.take_code(given)
        require(given.get("state") == asked["state"], "invalid_grant")
        return jsonify(self.new_tokens())

    def _profile(self) -> Any:
        return jsonify(account=self.bearer(), organization={"uuid": "o"}, application={})
