"""Roost's routes in this process, and the people who call them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from roost.db.pool import Database
from roost.web.endpoint import Endpoint
from roost.web.kit import Kit
from roost.web.principal import Principal, permissions_of
from tests.support.app import StillTicks, Unkept, application

BODY_LIMIT = 16 * 1024 * 1024


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


@dataclass
class House:
    """A server in this process on a real database."""

    database: Database
    people: People = field(default_factory=People)
    ticks: StillTicks = field(default_factory=StillTicks)
    app: Any = None

    @property
    def kit(self) -> Kit:
        """What routes are given."""
        return Kit(self.database, self.ticks, Unkept())

    def mount(self, endpoints: Sequence[Endpoint]) -> None:
        """Serve these routes."""
        self.app = application(self.people, endpoints, body_limit=BODY_LIMIT)

    def client(self, bearer: str | None = None) -> httpx.AsyncClient:
        """Give a client of somebody; it needs no closing, for there is no socket."""
        assert self.app is not None
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://roost.test", headers=headers
        )
