"""The headers that every answer has."""

from typing import Any
from urllib.parse import urlsplit

from roost.web.kit import Ticks

VARY = b"Authorization, Cookie, Roost-Workspace, Origin"
"""What an answer may depend on beside its address, wherever it says nothing else."""
_FIXED = (
    (b"roost-api-version", b"1"),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", VARY),
    (b"cache-control", b"private, no-cache"),
    # With no-referrer, browsers send `Origin: null` with a form, and the form would be refused.
    (b"referrer-policy", b"same-origin"),
    # Answers are data; the pages bring a policy of their own.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_TICK = b"roost-tick"
_BY_TLS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def with_headers(app: Any, ticks: Ticks, public_url: str | None = None) -> Any:  # noqa: ANN401 -- ASGI applications
    """Put the headers that every answer has on it, unless it has one of its own.

    Where people come by https, browsers are told never to come otherwise.
    """
    secure = public_url is not None and urlsplit(public_url).scheme == "https"
    fixed = (*_FIXED, _BY_TLS_ONLY) if secure else _FIXED
    names = frozenset(name for name, _ in (*fixed, (_TICK, b"")))

    async def tagging(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        # As of before anything was read: what is shown may be newer, never older.
        usual = (*fixed, (_TICK, b"%d" % ticks.latest))

        async def tagged(message: Any) -> None:  # noqa: ANN401 -- ASGI
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                own = names.intersection([name for name, _ in given])
                missing = [each for each in usual if each[0] not in own] if own else usual
                message["headers"] = [*given, *missing]
            await send(message)

        await app(scope, receive, tagged)

    return tagging
