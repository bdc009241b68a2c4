"""HTTP/1.1 on Uvicorn, with an answer's head and body in one packet.

Uvicorn writes the head and the body one after the other, and uvloop sends each at once: two system
calls, two packets and two wake-ups of the client for every answer. Here what is written within one
turn of the event loop is sent together.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class GatheringTransport:
    """A transport that sends what was written to it at the end of the event loop's turn."""

    __slots__ = ("_call_soon", "_parts", "_transport")

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:  # noqa: ANN401 -- asyncio's or uvloop's
        self._transport = transport
        self._call_soon = loop.call_soon
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Take it, to be sent with what else is written in this turn."""
        if not self._parts:
            self._call_soon(self.flush)
        self._parts.append(data)

    def flush(self) -> None:
        """Send what is waiting."""
        parts = self._parts
        if parts:
            self._parts = []
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def close(self) -> None:
        """Send what is waiting, and close."""
        self.flush()
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol on such a transport."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 -- asyncio's or uvloop's
        """Begin a connection."""
        super().connection_made(GatheringTransport(transport, self.loop))  # type: ignore[arg-type]  # it has all a transport has
