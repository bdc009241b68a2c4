"""`POST /mcp`: the Model Context Protocol over HTTP, behind the gate of every other route."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from roost import errors
from roost.errors import ProblemError
from roost.mcp.binding import Bound, bind
from roost.mcp.model import Answer, Message
from roost.mcp.tools import TOOLS
from roost.web import body
from roost.web.cors import Origins
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.origin import origin_of, written_alike
from roost.web.reply import Reply

if TYPE_CHECKING:
    from roost.mcp.server import ToolServer

_ENVELOPE: Final = 64 * 1024
"""Bytes of a message beside the arguments, which may be as large as a route's body."""
_MESSAGE: Final = msgspec.json.Decoder(Message)


@dataclass(slots=True)
class McpRoutes:
    """The route. `origins` are those whose pages may ask, beside the public address's own."""

    origins: Origins = field(default_factory=Origins)
    public_url: str | None = None
    body_limit: int = 0
    _app: Any = None
    _tools: Mapping[str, Bound] = field(default_factory=dict)
    _server: "ToolServer | None" = None
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("POST", "/mcp", self._serve, Contract(
                "Speak the Model Context Protocol: tools for agents", "mcp:use",
                described_body=Message, returns=Answer, bare=True, tag="agents",
                json_rpc=True, problems=(
                    errors.MALFORMED_BODY, errors.UNSUPPORTED_MEDIA_TYPE, errors.BODY_TOO_LARGE,
                    errors.REQUEST_TIMEOUT, errors.ORIGIN_REFUSED, errors.MCP_NOT_INSTALLED))),
        ]  # fmt: skip

    def open(self, app: Any, endpoints: Sequence[Endpoint]) -> None:  # noqa: ANN401 -- an ASGI application
        """Say which application answers the tools, and with which endpoints."""
        self._app = app
        self._tools = bind(TOOLS, endpoints)
        limits = (tool.endpoint.contract.body_limit or 0 for tool in self._tools.values())
        self.body_limit = max(self.body_limit, *limits) + _ENVELOPE

    async def close(self) -> None:
        """End what is under way."""
        if self._server is not None:
            await self._server.close()

    async def _serve(self, call: Call) -> Reply:
        self._require_known_origin(call)
        scope = call.request.scope
        body.require_json(scope)
        call.raw = await body.read(scope, call.request.receive, self.body_limit)
        await call.still_admitted()
        call.body = body.decode(call.raw, _MESSAGE, stored=False)
        server = self._server or await self._load()
        reply = await server.answer(call)
        # A claim's answer has secrets.
        reply.header("cache-control", "no-store")
        return reply

    def _require_known_origin(self, call: Call) -> None:
        """Refuse pages of other sites, also of one whose name has come to mean this address."""
        origin = call.header("origin")
        if origin is None or self.origins.allow(origin):
            return
        if self.public_url is None or written_alike(origin) != origin_of(self.public_url):
            raise ProblemError(errors.ORIGIN_REFUSED, f"the Origin header is {origin!r}")

    async def _load(self) -> "ToolServer":
        """Load the SDK, which takes a second and 20 MB, when it is first asked for."""
        async with self._loading:
            if self._server is None:
                try:
                    make = await asyncio.to_thread(_server_class)
                except ModuleNotFoundError as error:
                    raise ProblemError(errors.MCP_NOT_INSTALLED) from error
                server = make(self._app, self._tools, self.body_limit)
                await server.open()
                self._server = server
            return self._server


def _server_class() -> "type[ToolServer]":
    from roost.mcp.server import ToolServer  # noqa: PLC0415 -- see `_load`

    return ToolServer
