"""The pages of logging in: the ways in, and what went wrong. Nothing in them runs."""

import html
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from roost.errors import ProblemError
from roost.identity.providers import Providers
from roost.web.endpoint import API
from roost.web.pages import html_page, prose
from roost.web.reply import Reply

LOGIN = "/login"
_PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
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
    # A link logs in where it is opened; this page can't know that it has.
    on = (
        f'<p>Logged in by now? <a href="{html.escape(return_to)}">Go on to where you were</a></p>'
        if return_to
        else ""
    )
    reply = html_page(
        "Log in · Roost",
        f"<h1>Log in to Roost</h1>{none}{links}<p>{also}{prose(_LINK)}</p>{on}"
        '<p><a href="/account">Your log-in</a></p>',
    )
    return private(reply)


def log_in_first(way_back: str) -> Reply:
    """Lead to the log-in page, and from there to a path of ours."""
    return go(f"{LOGIN}?returnTo={quote(way_back, safe='')}")


def go(path: str) -> Reply:
    """Lead to another page."""
    reply = Reply(status=303)
    reply.header("location", path)
    return private(reply)


def login_path(provider: str) -> str:
    """Give the path that begins a log-in."""
    return f"{API}/auth/{provider}/login"


async def privately(work: Callable[[], Awaitable[Reply]]) -> Reply:
    """Answer; what goes wrong is as private as what goes well."""
    try:
        return await work()
    except ProblemError as problem:
        for name, value in _PRIVATE.items():
            problem.headers.setdefault(name, value)
        raise


def private(reply: Reply) -> Reply:
    """Keep an answer out of caches, and its address out of what others are told."""
    for name, value in _PRIVATE.items():
        reply.header(name, value)
    return reply
