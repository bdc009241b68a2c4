"""Somebody's Roost, and the pages of apps that move there."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx
from playwright.sync_api import BrowserContext

from tests.isolation.cast import Cast
from tests.migration.browser.site import Site
from tests.support.server import API

T = TypeVar("T")
MOMENT = "2026-01-02T03:04:05.000Z"


@dataclass
class Home:
    """A running Roost, its database as the superuser, and somebody's token and log-in."""

    url: str
    database: str
    token: str
    cookie: str
    client: httpx.Client

    @classmethod
    @contextmanager
    def of_a_new_user(cls, url: str, database: str) -> Iterator["Home"]:
        """Make a user with a workspace of their own."""
        token, cookie = in_a_thread(_hire(database))
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url + API, headers=headers, timeout=30) as client:
            yield cls(url, database, token, cookie, client)

    def log_in(self, context: BrowserContext) -> None:
        """Let a browser be logged in at Roost."""
        context.add_cookies([{"name": "roost_session", "value": self.cookie, "url": self.url}])

    def data(self, path: str) -> Any:
        """Read what Roost has."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def titles(self) -> list[str]:
        """The tasks there are, by title."""
        return sorted(task["title"] for task in self.data("/tasks?limit=100"))

    def migrations(self) -> list[dict[str, Any]]:
        """Every migration, the newest first."""
        found: list[dict[str, Any]] = self.data("/migration")["migrations"]
        return found

    def bring(self, keys: dict[str, str], origin: str = "http://first.test") -> dict[str, Any]:
        """Migrate these keys, by HTTP."""
        body = {"keys": keys, "origin": origin}
        answer = self.client.post("/migration", content=json.dumps(body), headers=_JSON)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()["data"]
        return found

    def element(self, attributes: str | None = None) -> str:
        """The markup of the element and its module."""
        given = f'token="{self.token}"' if attributes is None else attributes
        return (
            f'<script type="module" src="{self.url}/migrate.js"></script>'
            f'<roost-migrate server="{self.url}" {given}></roost-migrate>'
        )

    def app(self, site: Site, keys: dict[str, str], attributes: str | None = None) -> str:
        """Give the address of an app's page that has these keys at first, and the element."""
        return site.page(self.element(attributes), seeding(keys))


_JSON = {"content-type": "application/json"}


async def _hire(database: str) -> tuple[str, str]:
    connection = await asyncpg.connect(database)
    try:
        cast = Cast(connection, uuid4(), "ann")
        async with connection.transaction():
            user = await cast.hire("owner", "owner")
            token = (await cast.token(user))["authorization"].removeprefix("Bearer ")
            cookie = (await cast.session(user))["cookie"].partition("=")[2]
    finally:
        await connection.close()
    return token, cookie


def in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end; in a thread, for Playwright has an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def seeding(keys: dict[str, str]) -> str:
    """A script that stores keys, once: an app's reload finds what it has made of them."""
    pairs = json.dumps(keys).replace("<", "\\u003c")
    return (
        "if (!sessionStorage.seeded) { sessionStorage.seeded = 1; "
        f"for (const [k, v] of Object.entries({pairs})) localStorage.setItem(k, v); }}"
    )


def task(title: str, **fields: Any) -> dict[str, Any]:
    """A task as the app stores it."""
    made = {"id": str(uuid4()), "title": title, "status": "IN_PROGRESS", "messages": []}
    return made | {"createdAt": MOMENT, "updatedAt": MOMENT} | fields


def store(*tasks: dict[str, Any]) -> str:
    """The value of `task-store`."""
    return json.dumps({"state": {"tasks": list(tasks)}, "version": 0})
