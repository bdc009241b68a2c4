"""Answers: bytes on their way to the socket."""

from collections.abc import AsyncIterator
from typing import Any, Self

import msgspec

JSON = b"application/json"
PROBLEM = b"application/problem+json"


class Reply:
    """A complete answer. An ASGI application itself, so nothing is done to its bytes."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: list[tuple[bytes, bytes]] | None = None,
        media_type: bytes | None = JSON,
    ) -> None:
        self.body = body
        self.status = status
        self.headers = headers if headers is not None else []
        if media_type is not None and body:
            self.headers.append((b"content-type", media_type))

    def header(self, name: str, value: str) -> None:
        """Add a header; the name in lower case."""
        self.headers.append((name.encode("latin-1"), value.encode("latin-1", "replace")))

    def to_asgi_response(self, **_: object) -> Self:
        """Give itself; Litestar asks this of what an exception handler returns."""
        return self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401, ARG002 -- ASGI
        """Send it."""
        headers = self.headers
        if self.status not in {204, 304}:
            headers = [*headers, (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})


class Streamed(Reply):
    """A JSON answer that is sent as it is made, its length unknown. A failure cuts it off."""

    __slots__ = ("parts",)

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        super().__init__(headers=[(b"content-type", JSON)])
        self.parts = parts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401, ARG002 -- ASGI
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if scope["method"] != "HEAD":
            async for part in self.parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def item(text: str, status: int = 200) -> Reply:
    """Wrap one JSON value, made by the database, as `{"data": …}`."""
    return Reply(b'{"data":' + text.encode() + b"}", status)


def encoded(found: object, status: int = 200) -> Reply:
    """Write a value as JSON and wrap it as `item` does."""
    return item(msgspec.json.encode(found).decode(), status)


def empty() -> Reply:
    """Give a 204."""
    return Reply(status=204)
