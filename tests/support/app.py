"""Roost's routes in this process, on a real database, and the people who call them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar
from uuid_utils.compat import uuid7

from roost.db.pool import Database
from roost.web import problems
from roost.web.endpoint import Endpoint, Gate
from roost.web.kit import Kit
from roost.web.principal import Authenticator, Principal, permissions_of

BASE = "http://roost.test"
BODY_LIMIT = 16 * 1024 * 1024


class StillTicks:
    """A journal that is not looked at; counts the announcements."""

    latest = 0

    def __init__(self) -> None:
        self.announced = 0

    def announce(self) -> None:
        """Count it."""
        self.announced += 1


@dataclass
class People:
    """An authenticator that knows its people by their bearer strings."""

    known: dict[str, Principal] = field(default_factory=dict)

    async def authenticate(
        self, bearer: str | None, cookie: str | None, workspace: str | None
    ) -> Principal | None:
        """Give the one whose bearer string it is."""
        del cookie, workspace
        return self.known.get(bearer or "")

    def add(
        self,
        bearer: str,
        *,
        role: str = "owner",
        workspace_id: UUID | None = None,
        scopes: Sequence[str] = ("*",),
    ) -> Principal:
        """Make somebody: of a workspace of their own unless it is given."""
        granted = frozenset(scopes)
        principal = Principal(
            user_id=uuid7(),
            workspace_id=workspace_id or uuid7(),
            role=role,
            scopes=granted,
            kind="token",
            credential_id=uuid7(),
            permissions=permissions_of(role, granted),
        )
        self.known[bearer] = principal
        return principal


def application(
    authenticator: Authenticator, endpoints: Sequence[Endpoint], *, body_limit: int = BODY_LIMIT
) -> Litestar:
    """Mount the endpoints behind the gate."""
    gate = Gate(authenticator, body_limit)
    return Litestar(
        route_handlers=gate.mount(endpoints),
        exception_handlers={Exception: problems.handle},
        openapi_config=None,
        logging_config=None,
    )


@dataclass
class House:
    """A server in this process, and its people."""

    database: Database
    people: People = field(default_factory=People)
    ticks: StillTicks = field(default_factory=StillTicks)
    app: Any = None

    @property
    def kit(self) -> Kit:
        """What routes are given."""
        return Kit(self.database, self.ticks)

    def mount(self, endpoints: Sequence[Endpoint]) -> None:
        """Serve these routes."""
        self.app = application(self.people, endpoints)

    def client(self, bearer: str | None = None) -> httpx.AsyncClient:
        """Give a client of somebody; it needs no closing, for there is no socket."""
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)


@asynccontextmanager
async def served(
    database: Database,
    authenticator: Authenticator,
    routes: Callable[[Kit], Sequence[Endpoint]],
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the routes that are made with a kit; gives a client without a credential."""
    app: Any = application(authenticator, routes(Kit(database, StillTicks())))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client
