"""What tests say to the MCP server, by the SDK's own client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import msgspec
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.support.server import API, Server, document

NOBODY = "00000000-0000-7000-8000-000000000000"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@dataclass(frozen=True)
class Place:
    """A running server, its database's URL, and its owner's token."""

    server: Server
    database: str
    token: str

    def stranger(self, name: str) -> str:
        """Make somebody in a workspace of their own; gives a token of theirs."""
        settings = {"DATABASE_URL": self.database}
        email = f"{name}@example.test"
        document("user", "create", email, extra=settings)
        made = document("token", "create", "--name", name, "--user", email, extra=settings)
        return str(made["token"])

    def made_token(self, **fields: Any) -> dict[str, Any]:
        """Make a token as the owner; gives it with its secret."""
        with self.server.client(self.token) as owner:
            answer = owner.post(f"{API}/tokens", json={"name": "made", **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["data"]
        return made


class Agent:
    """An MCP client at work."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool that must work; gives its `data`."""
        result = await self.session.call_tool(tool, arguments)
        assert not result.is_error, result
        return answered(result)["data"]

    async def page(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that lists, which must work; gives items and pagination."""
        result = await self.session.call_tool(tool, arguments)
        assert not result.is_error, result
        return answered(result)

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must be refused; gives the problem."""
        result = await self.session.call_tool(tool, arguments)
        assert result.is_error, result
        return answered(result)

    async def tools(self) -> dict[str, Any]:
        """List the tools that are offered, by name."""
        return {tool.name: tool for tool in (await self.session.list_tools()).tools}


def answered(result: CallToolResult) -> dict[str, Any]:
    """Give what a tool has answered, which is the same as text and as data."""
    [content] = result.content
    assert isinstance(content, TextContent)
    found: dict[str, Any] = msgspec.json.decode(content.text)
    assert found == result.structured_content
    return found


@asynccontextmanager
async def connected(
    place: Place, token: str | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientSession]:
    """Connect by the token, by default the owner's; nothing is said yet."""
    given = {"authorization": f"Bearer {token or place.token}", **(headers or {})}
    async with (
        httpx2.AsyncClient(headers=given, timeout=60) as client,
        streamable_http_client(f"{place.server.url}/mcp", http_client=client) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        yield session


@asynccontextmanager
async def agent(place: Place, token: str | None = None) -> AsyncIterator[Agent]:
    """Connect, and shake hands."""
    async with connected(place, token) as session:
        await session.initialize()
        yield Agent(session)


def said(place: Place, body: Any = PING, **headers: str) -> httpx.Response:
    """Send a message by hand."""
    given = {"authorization": f"Bearer {place.token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    with place.server.client() as client:
        return client.post("/mcp", json=body, headers=given)
