"""Log-in by providers as a browser sees it, with stand-ins for the providers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from roost.db.sealing import SecretBox
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.login.provider_login import ProviderLogin, provider_login
from roost.identity.routes import IdentityRoutes
from roost.settings import Settings
from tests.identity.conftest import World
from tests.support.app import BASE, served

API = "/api/v1"
KEY = "a key for these tests, long enough"
TABLES = (
    "users", "identities", "provider_tokens", "workspaces", "memberships", "sessions",
    "audit_events", "invitations", "access_tokens", "login_links",
)  # fmt: skip


@dataclass
class Browser:
    """A client that keeps cookies, and goes where it is sent."""

    client: httpx.AsyncClient

    async def start(self, provider: str, **query: str) -> httpx.Response:
        """Begin a log-in; gives the answer that leads to the provider."""
        return await self.client.get(f"{API}/auth/{provider}/login", params=query)

    async def agree(self, answer: httpx.Response) -> str:
        """Go to the provider and agree; gives the address it sends the browser back to."""
        assert answer.status_code == 303, answer.text
        return await self.agree_at(answer.headers["location"])

    async def agree_at(self, url: str) -> str:
        """Go to an address at a provider; gives where it sends the browser back to."""
        async with httpx.AsyncClient() as outside:
            back = await outside.get(url)
        assert back.status_code == 302, back.text
        return str(back.headers["location"])

    async def come_back(self, url: str, **headers: str) -> httpx.Response:
        """Follow the address that the provider sent the browser to."""
        assert url.startswith(BASE), url
        return await self.client.get(url, headers=headers)

    async def log_in(self, provider: str, **query: str) -> httpx.Response:
        """Log in, from the first click to the answer of the callback."""
        return await self.come_back(await self.agree(await self.start(provider, **query)))

    async def me(self) -> dict[str, Any]:
        """Give the user whom the session belongs to."""
        answer = await self.client.get(f"{API}/users/me")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["data"]
        return found

    async def link(self, provider: str) -> str:
        """Begin to link; gives the address at the provider."""
        answer = await self.client.post(f"{API}/auth/{provider}/link", headers={"origin": BASE})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["url"])


@dataclass
class Front:
    """Roost's routes, and what is behind them."""

    world: World
    service: ProviderLogin
    app: Any

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        """Open a browser that has been nowhere yet."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Browser(client)

    async def tables(self) -> dict[str, list[Any]]:
        """Give everything that is stored about who there is."""
        return {
            table: [tuple(row) for row in await self.world.owner.fetch(f"select * from {table}")]
            for table in TABLES
        }

    async def count(self, table: str) -> int:
        """Count a table's rows."""
        return int(await self.world.owner.fetchval(f"select count(*) from {table}"))


@asynccontextmanager
async def front(
    world: World, authenticator: DatabaseAuthenticator, environment: Mapping[str, str]
) -> AsyncIterator[Front]:
    """Serve the routes of this room with these settings."""
    settings = Settings.from_environment({"ROOST_PUBLIC_URL": BASE, **environment})
    service = provider_login(world.database, SecretBox([KEY]), settings)
    async with served(
        world.database,
        authenticator,
        lambda kit: IdentityRoutes(
            kit, authenticator, public_url=settings.public_url, logins=service
        ).endpoints(),
    ) as client:
        transport: Any = client._transport
        yield Front(world, service, transport.app)


def path_of(url: str) -> str:
    """Give path and query of an address."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


async def together(count: int, make: Any) -> list[Any]:
    """Run so many of them at once."""
    return list(await asyncio.gather(*(make() for _ in range(count))))
