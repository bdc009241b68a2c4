"""Identity over HTTP: all routes of this room."""

from dataclasses import dataclass, field

from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.routes import AuditRoutes
from roost.identity.login.account_pages import AccountPages
from roost.identity.login.identity_routes import LinkedRoutes
from roost.identity.login.provider_login import ProviderLogin, no_providers
from roost.identity.login.provider_routes import ProviderRoutes
from roost.identity.login.routes import LoginRoutes
from roost.identity.tokens.routes import TokenRoutes, token_limit
from roost.identity.users.export_routes import ExportRoutes
from roost.identity.users.routes import UserRoutes
from roost.identity.workspaces.invitation_pages import InvitationPages
from roost.identity.workspaces.invitation_routes import InvitationRoutes
from roost.identity.workspaces.member_routes import MemberRoutes
from roost.identity.workspaces.routes import WorkspaceRoutes
from roost.web.endpoint import Endpoint
from roost.web.kit import Kit
from roost.web.rate import Limits


@dataclass(frozen=True, slots=True)
class IdentityRoutes:
    """Users, sessions, tokens, workspaces, members, invitations and log-in.

    `public_url` is where people reach Roost; its scheme says whether they do so securely. `logins`
    has the log-in providers; without, there are none.
    """

    kit: Kit
    authenticator: DatabaseAuthenticator
    production: bool = False
    public_url: str | None = None
    limits: Limits = field(default_factory=Limits)
    logins: ProviderLogin | None = None

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        kit, authenticator = self.kit, self.authenticator
        links = self.limits.limit("login", quota=20, window=60)
        invitations = self.limits.limit("invitations", quota=30, window=60)
        invited = InvitationRoutes(kit, authenticator, invitations, self.public_url)
        login = LoginRoutes(kit, authenticator, links, self.production, self.public_url)
        providers = self.limits.limit("providers", quota=60, window=60)
        service = self.logins or no_providers(kit.database)
        by_provider = ProviderRoutes(login, service, providers)
        return [
            *login.endpoints(),
            *by_provider.endpoints(),
            *AccountPages(by_provider, authenticator).endpoints(),
            *LinkedRoutes(kit).endpoints(),
            *UserRoutes(kit, authenticator).endpoints(),
            *TokenRoutes(kit, authenticator, token_limit(self.limits)).endpoints(),
            *WorkspaceRoutes(kit, authenticator).endpoints(),
            *MemberRoutes(kit, authenticator).endpoints(),
            *AuditRoutes(kit).endpoints(),
            *ExportRoutes(kit, authenticator, login).endpoints(),
            *invited.endpoints(),
            *InvitationPages(invited, authenticator).endpoints(),
        ]
