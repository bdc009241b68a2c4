"""A small application around some endpoints, served in-process on a real database."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar import Litestar

from roost.db.pool import Database
from roost.web import problems
from roost.web.endpoint import Call, Endpoint, Refused
from roost.web.gate import Gate
from roost.web.kit import Kit
from roost.web.principal import Authenticator
from roost.web.reads import Reading
from roost.web.shown import Shown

BASE = "http://roost.test"


class StillTicks:
    """A journal that is not looked at; counts the announcements."""

    latest = 0

    def __init__(self) -> None:
        self.announced = 0

    def announce(self) -> None:
        """Count it."""
        self.announced += 1


class Unkept:
    """Reads each time, for there is no cache."""

    async def shown(
        self,
        call: Call,
        tables: frozenset[str],
        read: Reading,
        *,
        after: int | None,
        shared: bool,
    ) -> Shown:
        """Read."""
        del call, tables, after, shared
        return await read()


def application(
    authenticator: Authenticator,
    endpoints: Sequence[Endpoint],
    *,
    body_limit: int = 1_000_000,
    refused: Refused | None = None,
) -> Litestar:
    """Mount the endpoints behind the gate."""
    gate = Gate(authenticator, body_limit, refused=refused)
    return Litestar(
        route_handlers=gate.mount(endpoints),
        exception_handlers={Exception: problems.handle},  # type: ignore[dict-item]  # a Reply sends itself  # type: ignore[dict-item]  # a Reply is enough
        openapi_config=None,
        logging_config=None,
    )


@asynccontextmanager
async def served(
    database: Database,
    authenticator: Authenticator,
    routes: Callable[[Kit], Sequence[Endpoint]],
    refused: Refused | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the routes that are made with a kit; gives a client without a credential."""
    endpoints = routes(Kit(database, StillTicks(), Unkept()))
    app: Any = application(authenticator, endpoints, refused=refused)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client
