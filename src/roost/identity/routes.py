"""Identity over HTTP: all routes of this room."""

from dataclasses import dataclass, field

from roost.identity.authenticator import DatabaseAuthenticator
from roost.identity.login_routes import LoginRoutes
from roost.identity.token_routes import TokenRoutes
from roost.identity.user_routes import UserRoutes
from roost.identity.workspace_routes import WorkspaceRoutes
from roost.web.endpoint import Endpoint
from roost.web.kit import Kit
from roost.web.rate import Limits


@dataclass(frozen=True, slots=True)
class IdentityRoutes:
    """Users, sessions, tokens, workspaces and log-in.

    `public_url` is where people reach Roost; its scheme says whether they do so securely.
    """

    kit: Kit
    authenticator: DatabaseAuthenticator
    production: bool = False
    public_url: str | None = None
    limits: Limits = field(default_factory=Limits)

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        kit, authenticator = self.kit, self.authenticator
        links = self.limits.limit("login", quota=20, window=60)
        tokens = self.limits.limit("tokens", quota=30, window=60)
        return [
            *LoginRoutes(kit, authenticator, links, self.production, self.public_url).endpoints(),
            *UserRoutes(kit, authenticator).endpoints(),
            *TokenRoutes(kit, authenticator, tokens).endpoints(),
            *WorkspaceRoutes(kit, authenticator).endpoints(),
        ]
