"""The migration page: what it runs, whom it lets in, and what it lists."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from roost.migration.pages import SNIPPET
from tests.isolation.cast import Cast, Headers, make_cast
from tests.isolation.served import Answer, Served, serving_in_process

BROWSER = {"accept": "text/html"}
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-a-browser.md"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
async def connection(roost_database: str) -> AsyncIterator[Any]:
    """A way to the rows."""
    connection = await asyncpg.connect(roost_database)
    yield connection
    await connection.close()


@pytest.fixture
async def served(roost_database: str) -> AsyncIterator[Served]:
    """The whole application."""
    async with serving_in_process(roost_database) as served:
        yield served


@pytest.fixture
async def cast(connection: Any) -> Cast:
    """A workspace with somebody in each role."""
    return await make_cast(connection, "the cast")


async def _page(served: Served, headers: Headers) -> Answer:
    return await served.ask("GET", "/migrate", BROWSER | headers)


async def _migrate(served: Served, cast: Cast, role: str, origin: str) -> str:
    body = {"keys": {"theme": "dark"}, "origin": origin}
    token = await cast.token(cast.users[role])
    answer = await served.ask("POST", "/api/v1/migration", token, body)
    assert answer.status == 201, answer.text
    return str(msgspec.json.decode(answer.body)["data"]["id"])


async def test_the_page_runs_roosts_own_modules_and_nothing_else(
    served: Served, cast: Cast
) -> None:
    answer = await _page(served, await cast.session(cast.users["member"]))
    assert answer.status == 200
    headers = dict(answer.headers)
    policy = headers[b"content-security-policy"].decode()
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    scripts = re.findall(r"<script\b[^>]*>.*?</script>", answer.body.decode(), re.DOTALL)
    modules = ("/migrate.js", "/migrate/page.js")
    assert scripts == [f'<script type="module" src="{each}"></script>' for each in modules]
    assert headers[b"cache-control"] == b"no-store"


async def test_who_is_not_logged_in_is_led_to_the_log_in(served: Served) -> None:
    answer = await _page(served, {})
    assert answer.status == 303
    assert dict(answer.headers)[b"location"] == b"/login?returnTo=%2Fmigrate"


async def test_a_viewer_reads_why_they_may_not(served: Served, cast: Cast) -> None:
    answer = await _page(served, await cast.session(cast.users["viewer"]))
    assert answer.status == 403
    assert "you are a viewer, who may not migrate" in answer.body.decode()


async def test_ones_own_migrations_are_listed_each_with_its_dump(
    served: Served, cast: Cast
) -> None:
    mine = await _migrate(served, cast, "member", "http://localhost:3000")
    hers = await _migrate(served, cast, "admin", "http://localhost:4000")
    session = await cast.session(cast.users["member"])
    text = (await _page(served, session)).body.decode()
    assert "http://localhost:3000" in text
    assert "1 found, 1 created" in text
    assert hers not in text
    [path] = re.findall(r'href="(/api/v1/migration/[^"]+)"', text)
    assert path == f"/api/v1/migration/{mine}/backup"
    dump = await served.ask("GET", path, session)
    assert msgspec.json.decode(dump.body)["keys"] == {"theme": "dark"}


async def test_an_origin_is_shown_as_the_text_that_it_is(served: Served, cast: Cast) -> None:
    await _migrate(served, cast, "member", HOSTILE)
    text = (await _page(served, await cast.session(cast.users["member"]))).body.decode()
    assert html.escape(HOSTILE) in text
    assert HOSTILE not in text


async def test_the_line_for_the_console_is_the_same_on_the_page_and_in_the_how_to(
    served: Served, cast: Cast
) -> None:
    [written] = re.findall(r"```js\n(.*?)\n```", HOW_TO.read_text("utf-8"), re.DOTALL)
    assert written == SNIPPET
    page = (await _page(served, await cast.session(cast.users["member"]))).body.decode()
    assert html.escape(written, quote=False) in page
