"""Electric elsewhere, behind Roost's guards: played by a second Roost, to which all may ask."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from roost.app import Application, running
from roost.db.roles import OWNER_ROLE
from roost.identity import administration
from roost.settings import Settings
from roost.sync.offsets import end_of
from tests.support.schema import as_role, pool_config
from tests.support.server import serving
from tests.sync.follower import Follower

SECRET = "not a real secret"  # noqa: S105 -- as it says


@pytest.fixture
def electric(fresh_roost_database: str) -> Iterator[str]:
    options = ["--database-url", fresh_roost_database, "--port", "0"]
    extra = {"ROOST_SYNC_SECRET": SECRET}
    with serving(*options, command=("sync", "serve"), extra=extra) as server:
        yield server.url


@asynccontextmanager
async def guarding(database: str, url: str, secret: str = SECRET) -> AsyncIterator[Any]:
    """A Roost before the upstream at `url`."""
    settings = Settings.from_environment(
        {"ROOST_ELECTRIC_URL": url, "ROOST_ELECTRIC_SECRET": secret}
    )
    with TemporaryDirectory() as directory:
        pool = pool_config(database)
        async with running(Application(settings, pool, Path(directory), environment={})) as app:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://roost.test") as it:
                yield it


class Person:
    def __init__(self, owner: Any, email: str) -> None:
        self.owner, self.email = owner, email
        self.headers: dict[str, str] = {}
        self.workspace: UUID
        self.id: UUID

    async def come(self) -> "Person":
        self.id, self.workspace = await administration.create_user(self.owner, self.email, "x")
        token, _, _ = await administration.create_token(self.owner, "t", self.email, ["*"])
        self.headers = {"authorization": f"Bearer {token}"}
        return self


@pytest.fixture
async def owner(fresh_roost_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    yield connection
    await connection.close()


async def make(client: httpx.AsyncClient, person: Person, title: str) -> str:
    made = await client.post("/api/v1/tasks", headers=person.headers, json={"title": title})
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


def titles(follower: Follower) -> list[str]:
    return sorted(row["title"] or "" for row in follower.rows.values())


async def test_rows_of_one_s_own_workspace_come_live(
    fresh_roost_database: str, electric: str, owner: Any
) -> None:
    async with guarding(fresh_roost_database, electric) as client:
        ann = await Person(owner, "ann@example.test").come()
        bob = await Person(owner, "bob@example.test").come()
        await make(client, ann, "a1")
        await make(client, bob, "b1")
        client.headers.update(ann.headers)
        follower = Follower(client, {"table": "tasks", "columns": "workspace_id,id,title"})
        await follower.catch_up()
        assert titles(follower) == ["a1"]
        waiting = asyncio.create_task(follower.ask(live=True))
        await make(client, bob, "b2")
        await make(client, ann, "a2")
        await waiting
        tick = await owner.fetchval("select journal.make_tick()")
        await follower.catch_up(end_of(tick))
        assert titles(follower) == ["a1", "a2"]
        people = Follower(client, {"table": "users"})
        await people.catch_up()
        assert [row["id"] for row in people.rows.values()] == [str(ann.id)]


WIDER: list[dict[str, str]] = [
    {"where": "true or true"},
    {"where": "true or workspace_id is not null"},
    {"where": "title <> $1 or true", "params[1]": "x"},
    {"where": "true -- all of it"},
    {"where": "true /* all of it */"},
    {"subset__where": "true or true"},
    {"subset__where": "true or true -- all"},
    {"secret": "another", "source_id": "x"},
    {"params[1]": "00000000-0000-0000-0000-000000000000"},
    {"table": "public.tasks"},
]


async def test_nothing_that_a_client_says_widens_what_it_sees(
    fresh_roost_database: str, electric: str, owner: Any
) -> None:
    async with guarding(fresh_roost_database, electric) as client:
        ann = await Person(owner, "ann@example.test").come()
        bob = await Person(owner, "bob@example.test").come()
        await make(client, ann, "mine")
        await make(client, bob, "theirs")
        for given in WIDER:
            asked = {"table": "tasks", "offset": "-1", **given}
            got = await client.get("/v1/shape", params=asked, headers=ann.headers)
            assert got.status_code == 200, got.text
            assert "mine" in got.text, given
            assert "theirs" not in got.text, given
            assert SECRET not in str(got.headers)
            assert "public" not in got.headers["cache-control"]


REFUSED: list[dict[str, str]] = [
    {"where": "true) or (true"},
    {"where": "id in (select task_id from messages)"},
    {"where": "search is not null"},
    {"where": "pg_sleep(1) is null"},
    {"subset__where": "true) or (true"},
    {"subset__order_by": "id; drop table tasks"},
    {"columns": "id,workspace_id,search"},
    {"table": "sessions"},
    {"table": "workspace_users"},
]


async def test_what_is_not_allowed_never_gets_there(fresh_roost_database: str, owner: Any) -> None:
    # Nobody listens there: whatever is refused is refused here.
    async with guarding(fresh_roost_database, "http://127.0.0.1:9") as client:
        ann = await Person(owner, "ann@example.test").come()
        for given in REFUSED:
            asked = {"table": "tasks", "offset": "-1", **given}
            got = await client.get("/v1/shape", params=asked, headers=ann.headers)
            assert got.status_code == 400, (given, got.text)
            assert (await client.get("/v1/shape", params=asked)).status_code == 401
            gone = await client.delete("/v1/shape", params=asked, headers=ann.headers)
            assert gone.status_code in {400, 405}


async def test_what_a_client_has_already_is_not_sent_again(
    fresh_roost_database: str, electric: str, owner: Any
) -> None:
    async with guarding(fresh_roost_database, electric) as client:
        ann = await Person(owner, "ann@example.test").come()
        await make(client, ann, "mine")
        asked = {"table": "tasks", "offset": "-1"}
        got = await client.get("/v1/shape", params=asked, headers=ann.headers)
        tag = {"if-none-match": got.headers["etag"]}
        again = await client.get("/v1/shape", params=asked, headers=ann.headers | tag)
        assert (again.status_code, again.content) == (304, b"")
        told = {**asked, "handle": "unknown", "offset": "0_0"}
        over = await client.get("/v1/shape", params=told, headers=ann.headers)
        assert over.status_code == 409
        assert json.loads(over.content) == [{"headers": {"control": "must-refetch"}}]


async def test_events_are_handed_on_as_they_come_until_the_token_is_revoked(
    fresh_roost_database: str, electric: str, owner: Any
) -> None:
    async with guarding(fresh_roost_database, electric) as client:
        ann = await Person(owner, "ann@example.test").come()
        client.headers.update(ann.headers)
        follower = Follower(client, {"table": "tasks"})
        await follower.catch_up()
        given = {"table": "tasks", "offset": follower.offset, "handle": follower.handle}
        given |= {"live": "true", "live_sse": "true", "cursor": ""}

        async def events() -> bytes:
            answer = await client.get("/v1/shape", params=given)
            assert answer.headers["content-type"].startswith("text/event-stream")
            return bytes(answer.content)

        listening = asyncio.create_task(events())
        await make(client, ann, "news")
        await asyncio.sleep(0)
        await owner.execute("update access_tokens set revoked_at = now()")
        assert b"news" in await asyncio.wait_for(listening, 60)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", 502),
        (b"nonsense\r\n\r\n", 502),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}", 502),
        (b"HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\n{}", 502),
        (b"HTTP/1.1 302 There\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", 502),
        (b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}", 503),
    ],
)
async def test_an_upstream_that_fails_is_told_of(
    fresh_roost_database: str, owner: Any, said: bytes, status: int
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with guarding(fresh_roost_database, f"http://127.0.0.1:{port}") as client:
        ann = await Person(owner, "ann@example.test").come()
        asked = {"table": "tasks", "offset": "-1"}
        got = await client.get("/v1/shape", params=asked, headers=ann.headers)
        assert got.status_code == status, got.text
        assert "retry-after" in got.headers
        assert SECRET not in got.text
    server.close()


async def test_an_upstream_that_is_not_there_is_told_of(
    fresh_roost_database: str, owner: Any
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        async with guarding(fresh_roost_database, url) as client:
            ann = await Person(owner, "ann@example.test").come()
            asked = {"table": "tasks", "offset": "-1"}
            got = await client.get("/v1/shape", params=asked, headers=ann.headers)
            assert (got.status_code, got.headers["retry-after"]) == (502, "1")
