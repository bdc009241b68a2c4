"""The page behind an invitation's link: what it is for, and a button to join."""

import html
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from roost import errors
from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.access.visitor import visitor
from roost.identity.audit.trail import address_of
from roost.identity.workspaces.invitation_model import InvitationPreview
from roost.identity.workspaces.invitation_routes import JOIN, PAGE, InvitationRoutes
from roost.identity.workspaces.invitations import preview
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.pages import html_page
from roost.web.rate import network_of
from roost.web.reply import Reply

AFTER_JOINING = "/docs"
_PATH = f"{PAGE}/{{link:str}}"
_TOLD = (errors.INVITATION_NOT_FOUND, errors.CONFLICT, errors.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class InvitationPages:
    """What people see who follow an invitation's link; nothing in it runs."""

    routes: InvitationRoutes
    authenticator: DatabaseAuthenticator

    def endpoints(self) -> list[Endpoint]:
        """Give every page with its contract."""
        return [
            Endpoint("GET", _PATH, self.show, Contract(
                "The page of an invitation", None, media_type="text/html", tag="invitations",
                problems=(errors.INVITATION_NOT_FOUND, errors.RATE_LIMITED))),
            Endpoint("POST", _PATH, self.join, Contract(
                "Accept an invitation from its page", JOIN, media_type="text/html",
                tag="invitations", status=303, problems=(errors.INVITATION_NOT_FOUND,))),
        ]  # fmt: skip

    async def show(self, call: Call) -> Reply:
        """Show what the invitation is for; joining takes a click, so that no preview joins."""
        routes = self.routes
        allowance = await routes.limit.take(network_of(address_of(call) or ""))
        secret = call.request.path_params["link"]
        try:
            body = await preview(routes.kit.database, secret)
        except ProblemError as problem:
            if problem.entry is not errors.INVITATION_NOT_FOUND:
                raise
            return allowance.tell(_refused(problem))
        invitation = msgspec.json.decode(body, type=InvitationPreview)
        reply = _page(
            invitation,
            _way_on(secret, logged_in=await visitor(self.authenticator, call) is not None),
        )
        return allowance.tell(reply)

    async def join(self, call: Call) -> Reply:
        """Join, and go on; or say why not."""
        try:
            done = await self.routes.join(call, call.request.path_params["link"])
        except ProblemError as problem:
            if problem.entry not in _TOLD:
                raise
            return _refused(problem)
        reply = Reply(status=303, headers=[pair for pair in done.headers if pair[0] in _KEPT])
        reply.header("location", AFTER_JOINING)
        reply.header("cache-control", "no-store")
        return reply


_KEPT = {b"roost-txid", b"ratelimit", b"ratelimit-policy"}


def _way_on(secret: str, *, logged_in: bool) -> str:
    path = html.escape(f"{PAGE}/{quote(secret, safe='')}")
    if logged_in:
        return f'<form method="post" action="{path}"><button>Join</button></form>'
    login = f"/login?returnTo={quote(f'{PAGE}/{secret}', safe='')}"
    return f'<p><a href="{html.escape(login)}">Log in to join</a></p>'


def _page(invitation: InvitationPreview, way_on: str) -> Reply:
    name = html.escape(invitation.workspace_name)
    inviter = html.escape(invitation.invited_by) or "Somebody"
    article = "an" if invitation.role == "admin" else "a"
    until = invitation.expires_at.strftime("%Y-%m-%d %H:%M UTC")
    personal = (
        "<p>It is for one e-mail address alone: log in as who has it.</p>"
        if invitation.is_personal
        else ""
    )
    reply = html_page(
        f"Join {invitation.workspace_name} · Roost",
        f"<h1>Join {name}</h1><p>{inviter} invites you to the workspace <b>{name}</b> as {article} "
        f"<b>{invitation.role}</b>. The invitation works once, until {until}.</p>"
        f"{personal}{way_on}",
    )
    reply.header("cache-control", "no-store")
    return reply


def _refused(problem: ProblemError) -> Reply:
    title, detail = html.escape(problem.entry.title), html.escape(problem.detail)
    if problem.entry is errors.INVITATION_NOT_FOUND:
        detail = html.escape(problem.entry.about)
    elif problem.entry is errors.CONFLICT:
        title = "You are in already"
    elif problem.entry is errors.FORBIDDEN:
        title = "This is not for you"
    reply = html_page(
        f"{title} · Roost",
        f'<h1>{title}</h1><p>{detail}</p><p><a href="{AFTER_JOINING}">Go on</a></p>',
        problem.entry.status,
    )
    reply.header("cache-control", "no-store")
    return reply
