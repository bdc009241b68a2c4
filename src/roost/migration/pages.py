"""The migration page: how to bring an export here, and what was migrated before."""

import html
from dataclasses import dataclass
from typing import Any

import msgspec

from roost import errors
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.access.visitor import Names, names_of, visitor
from roost.identity.login.pages import log_in_first
from roost.migration import queries
from roost.migration.answering import READ
from roost.migration.model import State
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.pages import html_page
from roost.web.principal import Principal
from roost.web.reply import Reply

PAGE = "/migrate"
SNIPPET = (
    '(()=>{const s=localStorage,a=document.createElement("a");'
    "const keys=Object.fromEntries(Array.from({length:s.length},(_,i)=>s.key(i))"
    ".map(k=>[k,s.getItem(k)]));"
    "a.href=URL.createObjectURL(new Blob([JSON.stringify({origin:location.origin,"
    'capturedAt:new Date().toISOString(),keys})],{type:"application/json"}));'
    'a.download="export.json";a.click()})()'
)
"""A line for the console of an app's page: downloads what it keeps, as the raw strings it has."""
_RUNS = "script-src 'self'; connect-src 'self'"
_ENDED = (State.COMPLETED, State.FAILED, State.CANCELLED)
_SHOWN = ("found", "created", "updated", "same", "skip", "invalid", "unresolved")


@dataclass(frozen=True, slots=True)
class MigrationPages:
    """The page of somebody's migrations."""

    kit: Kit
    authenticator: DatabaseAuthenticator

    def endpoints(self) -> list[Endpoint]:
        """Give every page with its contract."""
        return [
            Endpoint("GET", PAGE, self.show, Contract(
                "The page of one's own migrations", None, media_type="text/html",
                tag="migration", also=(303,), problems=(errors.FORBIDDEN,))),
        ]  # fmt: skip

    async def show(self, call: Call) -> Reply:
        """Show the way in and what came by it, or lead to the log-in page."""
        principal = await visitor(self.authenticator, call)
        if principal is None:
            return log_in_first(PAGE)
        names = await names_of(self.kit.database, principal, call)
        require(READ, principal, names)
        context = Context(principal.workspace_id, principal.user_id, cause=call.request_id)
        row: Any = await self.kit.database.read(queries.LIST, context)
        earlier = msgspec.json.decode(row["items"])
        reply = html_page("Migrate · Roost", _body(names, earlier), allowing=_RUNS)
        reply.header("cache-control", "no-store")
        return reply


def require(permission: str, principal: Principal, names: Names) -> None:
    """Refuse one whose role may not migrate, in words for the person who looks at a page."""
    if permission not in principal.permissions:
        raise ProblemError(
            errors.FORBIDDEN,
            f"in the workspace `{names.workspace}` you are a {principal.role}, who may not migrate",
            hint="An administrator of the workspace can make you a member.",
        )


def _body(names: Names, earlier: list[dict[str, Any]]) -> str:
    return (
        "<h1>Move a browser’s data to Roost</h1>"
        f"<p>You are <b>{html.escape(names.email)}</b>, and it goes to the workspace "
        f"<b>{html.escape(names.workspace)}</b>.</p>"
        "<h2>1. Take it out of the app</h2><p>Open the app in the browser that has the data. Open "
        "the console of the developer tools there (F12), paste this line and press Enter. It "
        "downloads <code>export.json</code>, and changes nothing.</p>"
        f'<pre class="line" id="line">{html.escape(SNIPPET, quote=False)}</pre>'
        '<p><button class="button" type="button" id="copy" hidden>Copy the line</button> '
        '<span id="copied" role="status"></span></p>'
        "<h2>2. Bring it here</h2>"
        '<roost-migrate file session server=""></roost-migrate>'
        "<noscript><p>This part needs JavaScript. Without it, run "
        "<code>roost migrate export.json</code> on the server.</p></noscript>"
        '<script type="module" src="/migrate.js"></script>'
        '<script type="module" src="/migrate/page.js"></script>'
        f'<h2>Earlier migrations</h2><div id="earlier">{_list(earlier)}</div>'
    )


def _list(earlier: list[dict[str, Any]]) -> str:
    if not earlier:
        return "<p>There are none yet.</p>"
    rows = "".join(map(_row, earlier))
    return (
        '<div class="wide"><table class="cards"><tr><th>When<th>State<th>From<th>Items<th></tr>'
        f"{rows}</table></div><p>Each can be undone at any time: what it made or changed goes back "
        "to what it was. What somebody has changed since stays, and is named.</p>"
    )


def _row(one: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{one['counts'][name]} {name}" for name in _SHOWN if one["counts"].get(name)
    )
    when = html.escape(one["createdAt"][:16].replace("T", " "))
    name = html.escape(one["id"])
    cells = (one["state"], one["origin"] or "a file", counts or "nothing")
    described = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    # It opens the migration in the element, where what is to be done is said again.
    button = f'<button class="button" type="button" data-migration="{name}" hidden>'
    return (
        f"<tr><td>{when} UTC<br><small><code>{name}</code></small></td>"
        f"{described}<td>{button}{_step(one)}</button> "
        f'<a href="{API}/migration/{name}/backup">Download the dump</a></td></tr>'
    )


def _step(one: dict[str, Any]) -> str:
    """What comes next for a migration, as its button says it."""
    if one["state"] == State.UNDONE:
        return "Undo the undo"
    if one["state"] in _ENDED:
        changed = one["counts"]["created"] + one["counts"]["updated"]
        return "Undo" if changed else "Look at it"
    return "Go on"
