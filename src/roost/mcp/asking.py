"""Asking an ASGI application in this process, and having its whole answer."""

from collections.abc import Mapping
from typing import Any, Final

from roost.mcp.binding import Request
from roost.web.endpoint import request_id
from roost.web.reply import Reply

_PASSED_ON: Final = frozenset(
    {
        b"authorization",
        b"cookie",
        b"host",
        b"origin",
        b"roost-after-tick",
        b"roost-workspace",
        b"user-agent",
    }
)
"""What says who asks, from where, with what, in which workspace, and how new answers must be."""


async def ask(app: Any, scope: Mapping[str, Any], raw: bytes) -> Reply:  # noqa: ANN401 -- an ASGI application
    """Send a request with its body; gives what comes back."""
    reply = Reply(media_type=None)
    parts: list[bytes] = []
    is_sent = False

    async def receive() -> dict[str, Any]:
        nonlocal is_sent
        if is_sent:
            return {"type": "http.disconnect"}
        is_sent = True
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 -- ASGI
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            given = message.get("headers", ())
            reply.headers = [pair for pair in given if pair[0] != b"content-length"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    reply.body = b"".join(parts)
    return reply


def scope_of(request: Request, caller: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a request for ASGI as one of the caller's own, under the same request id."""
    headers = [pair for pair in caller["headers"] if pair[0] in _PASSED_ON]
    if request.body:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(request.body)))
    return {
        "type": "http",
        "asgi": caller["asgi"],
        "http_version": caller["http_version"],
        "method": request.method,
        "scheme": caller["scheme"],
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query,
        "root_path": caller.get("root_path", ""),
        "headers": [*headers, *request.headers],
        "client": caller.get("client"),
        "server": caller.get("server"),
        "state": {"request_id": request_id(caller)},
    }
