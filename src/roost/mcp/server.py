"""The official SDK's server, with Roost's tools. Only the first who speaks MCP loads it."""

import asyncio
from collections.abc import Mapping
from contextvars import Context
from typing import Any, Final

import msgspec
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as Offered
from msgspec import Raw

from roost import __version__
from roost.errors import ProblemError
from roost.mcp.asking import ask, scope_of
from roost.mcp.binding import Bound
from roost.web import body, problems
from roost.web.endpoint import Call
from roost.web.reply import Reply

_CALL: Final = "roost.call"
"""Where the scope of a request has the call that it came with."""
_NEGOTIATED: Final = {
    b"accept": b"application/json, text/event-stream",
    b"content-type": b"application/json",
}
"""What answers and bodies are in any case, whatever a client says of them."""
_REFUSED: Final = 400
_NONE: Final = Raw(b"null")
_ARGUMENTS: Final = msgspec.json.Decoder(dict[str, Raw] | None)
_NOTHING: Final = b'{"data":null}'
_INSTRUCTIONS: Final = (
    "Roost keeps tasks for coding agents. To work: `claim_task`, read its `task` and "
    "`environment`, set `update_execution` to running, `record_step` for what you do and decide, "
    "`heartbeat` before the lease expires, then `complete_execution` or `fail_execution`. To give "
    "work to others: `create_task`. Every refusal has a `code`, a `detail` and, where one helps, a "
    "`hint`; `errors` names the fields."
)


class ToolServer:
    """One worker's MCP server: stateless, so that any worker answers any call."""

    def __init__(self, app: Any, tools: Mapping[str, Bound], body_limit: int) -> None:  # noqa: ANN401 -- an ASGI application
        self._app = app
        self._tools = tools
        self._offered = {name: _offered(tool) for name, tool in tools.items()}
        server: Server[Any] = Server(
            "roost",
            version=__version__,
            title="Roost",
            instructions=_INSTRUCTIONS,
            get_tool_input_schema=self._schema,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        server.middleware.clear()  # its spans: the requests have Roost's own
        self._manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=body_limit
        )
        self._end = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to serve."""
        ready = asyncio.Event()
        # With nothing of the request that happens to be the first.
        self._running = asyncio.create_task(self._run(ready), context=Context())
        await ready.wait()

    async def _run(self, ready: asyncio.Event) -> None:
        # The SDK's cancel scope must be left by the task that has entered it.
        async with self._manager.run():
            ready.set()
            await self._end.wait()

    async def close(self) -> None:
        """End what is under way."""
        self._end.set()
        if self._running is not None:
            await self._running

    async def answer(self, call: Call) -> Reply:
        """Answer a message of the protocol."""
        given = call.request.scope
        headers = [pair for pair in given["headers"] if pair[0] not in _NEGOTIATED]
        scope = given | {"headers": [*headers, *_NEGOTIATED.items()], _CALL: call}
        return await ask(self._manager.handle_request, scope, call.raw)

    def _schema(self, name: str) -> dict[str, Any] | None:
        tool = self._tools.get(name)
        return None if tool is None else tool.schema

    async def _list(
        self, context: ServerRequestContext[Any], _: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """Offer what the caller may use; each call is looked at again by its route."""
        allowed = _call_of(context).principal.permissions
        names = (name for name, tool in self._tools.items() if tool.permission in allowed)
        return ListToolsResult(tools=[self._offered[name] for name in names])

    async def _call(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            message = f"Unknown tool {params.name[:100]!r}; there are {', '.join(self._tools)}"
            raise MCPError(INVALID_PARAMS, message)
        call = _call_of(context)
        call.request.scope["path_template"] = f"/mcp {params.name}"  # what telemetry tells apart
        # As they were sent: numbers may have more digits than Python's keep.
        raw = call.body.params.get("arguments", _NONE)
        try:
            request = tool.request(body.decode(bytes(raw), _ARGUMENTS, stored=False) or {})
        except ProblemError as error:
            return _result(problems.reply(error, call.request_id))
        asked = scope_of(request, call.request.scope)
        return _result(await ask(self._app, asked, request.body))


def _call_of(context: ServerRequestContext[Any]) -> Call:
    assert context.request is not None  # noqa: S101 -- every message comes over HTTP
    call: Call = context.request.scope[_CALL]
    return call


def _offered(tool: Bound) -> Offered:
    return Offered(
        name=tool.tool.name,
        title=tool.tool.name.replace("_", " ").capitalize(),
        description=tool.tool.about,
        input_schema=tool.schema,
        annotations=ToolAnnotations(
            read_only_hint=tool.is_safe,
            destructive_hint=False,
            idempotent_hint=tool.is_safe,
            open_world_hint=False,
        ),
    )


def _result(reply: Reply) -> CallToolResult:
    """Give a route's answer, or its problem, as text and as data."""
    text = reply.body or _NOTHING
    try:
        data = msgspec.json.decode(text)
    except msgspec.DecodeError:  # a number that no float can hold; the text has it
        data = None
    return CallToolResult(
        content=[TextContent(text=text.decode())],
        structured_content=data,
        is_error=reply.status >= _REFUSED,
    )
