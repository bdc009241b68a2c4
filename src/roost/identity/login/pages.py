"""The pages of logging in: the ways in, and what went wrong. Nothing in them runs."""

import html
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from roost.errors import ProblemError
from roost.identity.providers import Providers
from roost.web.endpoint import API, Call
from roost.web.pages import html_page, prose
from roost.web.reply import Reply

LOGIN = "/login"
_HTML = re.compile(r"\s*text/html\s*(?:;|$)", re.IGNORECASE)
_LINK = "`roost login-link` on the server prints a link that logs you in once."


def login_page(providers: Providers, return_to: str | None) -> Reply:
    """Show the ways in; `return_to` has been checked."""
    way = f"?returnTo={quote(return_to, safe='')}" if return_to else ""
    links = "".join(
        f'<p><a class="button" href="{html.escape(login_path(one.provider.id) + way)}">'
        f"Log in with {html.escape(one.provider.name)}</a></p>"
        for one in providers
    )
    none = "" if links else "<p>No log-in provider is set up here.</p>"
    also = "Or by a link: " if links else "By a link: "
    reply = html_page(
        "Log in · Roost",
        f"<h1>Log in to Roost</h1>{none}{links}<p>{also}{prose(_LINK)}</p>"
        '<p><a href="/account">Your log-in</a></p>',
    )
    return private(reply)


def login_path(provider: str) -> str:
    """Give the path that begins a log-in."""
    return f"{API}/auth/{provider}/login"


def wants_page(call: Call) -> bool:
    """Whether a browser asks, for a person to read."""
    return any(_HTML.match(part) for part in (call.header("accept") or "").split(","))


async def with_pages(call: Call, work: Callable[[], Awaitable[Reply]]) -> Reply:
    """Answer; what goes wrong becomes a page for a browser, and a problem document else."""
    try:
        return await work()
    except ProblemError as problem:
        if not wants_page(call):
            problem.headers.setdefault("cache-control", "no-store")
            raise
        return problem_page(problem, call.request_id)


def problem_page(problem: ProblemError, request_id: str) -> Reply:
    """Say what went wrong, and what to do."""
    entry = problem.entry
    detail = f"<p>{prose(problem.detail)}.</p>" if problem.detail != entry.title else ""
    hint = f"<p><b>What to do:</b> {prose(problem.hint)}</p>" if problem.hint else ""
    reply = html_page(
        f"{entry.title} · Roost",
        f"<h1>{html.escape(entry.title)}</h1>{detail}<p>{prose(entry.about)}</p>{hint}"
        f'<p><a class="button" href="{LOGIN}">Go to the log-in page</a></p>'
        f'<p><small><a href="/docs/errors/{entry.code}"><code>{entry.code}</code></a>, request '
        f"<code>{html.escape(request_id)}</code></small></p>",
        entry.status,
    )
    for name, value in problem.headers.items():
        reply.header(name, value)
    return private(reply)


def private(reply: Reply) -> Reply:
    """Keep an answer out of caches, and its address out of what others are told."""
    reply.header("cache-control", "no-store")
    reply.header("referrer-policy", "no-referrer")
    return reply
