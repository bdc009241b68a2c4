"""Somebody's Roost, and the pages of apps that move there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.migration.browser.site import Site
from tests.support.server import API, document, run

MOMENT = "2026-01-02T03:04:05.000Z"


@dataclass
class Home:
    """A running Roost, its database, and somebody's token."""

    url: str
    database: str
    email: str
    token: str
    client: httpx.Client
    extra: dict[str, str]

    @classmethod
    @contextmanager
    def of(cls, email: str, url: str, database: str, data: Path) -> Iterator["Home"]:
        """Make a user and a token for all that the tests look at."""
        extra = {"DATABASE_URL": database, "ROOST_DATA_DIR": str(data)}
        document("user", "create", email, extra=extra)
        made = document("token", "create", "--name", "browser", "--user", email, extra=extra)
        headers = {"authorization": f"Bearer {made['token']}"}
        with httpx.Client(base_url=url + API, headers=headers, timeout=30) as client:
            yield cls(url, database, email, made["token"], client, extra)

    @property
    def link(self) -> str:
        """An address that logs the user in, once."""
        done = run("login-link", "--user", self.email, "--url", self.url, extra=self.extra)
        assert done.returncode == 0, done.stderr
        return next(word for word in done.stdout.split() if word.startswith("http"))

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

    def bring(self, keys: dict[str, str], **config: Any) -> dict[str, Any]:
        """Migrate these keys, by HTTP."""
        body = {"keys": keys, "origin": "http://first.test", "config": config}
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
