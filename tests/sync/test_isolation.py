"""Roost's own `/v1/shape`: of one's own workspace what one may read, and of nobody else's."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from roost.app import Application, running
from roost.db.embedded import Endpoint
from roost.rooms import PUBLISHED
from roost.settings import Settings
from tests.db.rows import TABLES
from tests.isolation.cast import NOW, Cast, Headers, make_cast
from tests.isolation.served import Answer, Served
from tests.isolation.tenants import MINE, THEIRS
from tests.support.schema import _database, pool_config

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMEOUT = "1"
SLOW = r"title ~ '^(.+)(.+)(.+)(.+)(.+)(.+)\1$'"
TRIED_IN_EVERY_WAY = "".join(chr(256 + n) for n in range(200))


@dataclass
class Stage:
    served: Served
    connection: Any
    mine: Cast
    theirs: Cast
    headers: Headers

    async def shape(self, headers: Headers | None = None, /, **given: str) -> Answer:
        query = urlencode({"offset": "-1"} | given)
        return await self.served.ask("GET", f"/v1/shape?{query}", headers or self.headers)

    async def subset(self, body: object, /, **given: str) -> Answer:
        query = urlencode({"offset": "-1"} | given)
        return await self.served.ask("POST", f"/v1/shape?{query}", self.headers, body)

    async def up_to_date(self, headers: Headers | None = None, /, **given: str) -> dict[str, str]:
        """Read a shape to its end, and give where it goes on."""
        found = {"offset": "-1"}
        while True:
            answer = await self.shape(headers, **given, **found)
            assert answer.status == 200, answer.text
            found = place(answer)
            if b"electric-up-to-date" in dict(answer.headers):
                return given | found


def place(answer: Answer) -> dict[str, str]:
    heads = dict(answer.headers)
    return {
        "handle": heads[b"electric-handle"].decode(),
        "offset": heads[b"electric-offset"].decode(),
    }


def values(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200, answer.text
    return [each["value"] for each in json.loads(answer.body) if "value" in each]


async def fill(cast: Cast) -> None:
    for role in ("owner", "member"):
        user = cast.users[role]
        for table in ("tasks", "messages", "environments", "steps", "migrations"):
            await cast.make(table, user)


@pytest.fixture(scope="module")
def database(postgres: Endpoint, template: str) -> Any:
    del template
    with _database(postgres) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(database: str) -> AsyncIterator[Stage]:
    connection = await asyncpg.connect(database)
    settings = Settings.from_environment({"DB_STATEMENT_TIMEOUT": TIMEOUT})
    with TemporaryDirectory() as directory:
        application = Application(settings, pool_config(database), Path(directory), environment={})
        async with running(application) as app:
            mine, theirs = await make_cast(connection, MINE), await make_cast(connection, THEIRS)
            await fill(mine)
            await fill(theirs)
            headers = await mine.token(mine.users["owner"])
            yield Stage(Served(app), connection, mine, theirs, headers)
    await connection.close()


@pytest.mark.parametrize("table", list(PUBLISHED))
async def test_a_shape_has_the_rows_of_the_caller_s_workspace_alone(
    stage: Stage, table: str
) -> None:
    everything = [
        {},
        {"where": "true"},
        {"where": "id is not null or workspace_id is not null"},
        {"where": f"true or workspace_id = '{stage.theirs.workspace}'"},
        {"where": f"workspace_id <> '{stage.mine.workspace}' or true"},
        {"where": "workspace_id = $1", "params[1]": str(stage.theirs.workspace)},
    ]
    for given in everything:
        answer = await stage.shape(table=table, **given)
        assert THEIRS not in answer.text
        assert str(stage.theirs.workspace) not in answer.body.decode()
        expected = "params[1]" not in given
        assert bool(values(answer)) == expected, (given, answer.text)
        found = await stage.subset({"where": "true or id is null"}, table=table, **given)
        assert found.status == 200, found.text
        assert THEIRS not in found.text
        assert bool(json.loads(found.body)["data"]) == expected


async def test_a_sub_query_reads_the_caller_s_workspace_alone(stage: Stage) -> None:
    task = await stage.theirs.make("tasks", stage.theirs.users["owner"], title="shared title")
    await stage.mine.make("tasks", stage.mine.users["owner"], title="shared title")
    where = f"title in (select title from tasks where id = '{task}')"
    assert (await stage.shape(table="tasks", where=where)).status == 400
    where = f"'{task}' in (select id from tasks)"
    assert values(await stage.shape(table="environments", where=where)) == []
    where = "workspace_id not in (select workspace_id from tasks)"
    assert values(await stage.shape(table="environments", where=where)) == []


async def test_the_log_has_the_changes_of_the_caller_s_workspace_alone(stage: Stage) -> None:
    live = await stage.up_to_date(table="tasks")
    waiting = asyncio.ensure_future(stage.shape(**live, live="true"))
    try:
        for _ in range(3):
            await stage.theirs.make("tasks", stage.theirs.users["owner"])
        title = f"{MINE}-{uuid4()}"
        await stage.mine.make("tasks", stage.mine.users["owner"], title=title)
        answer = await asyncio.wait_for(waiting, 15)
    finally:
        waiting.cancel()
    assert THEIRS not in answer.text
    assert [row["title"] for row in values(answer)] == [title]


async def test_a_foreign_handle_and_any_guess_opens_nothing(stage: Stage) -> None:
    stranger = await stage.theirs.token(stage.theirs.users["owner"])
    foreign = await stage.up_to_date(stranger, table="tasks")
    for offset in ("0_0", "0_1", "0_inf", foreign["offset"], f"{1 << 30}_0"):
        for live in ({}, {"live": "true"}):
            given = foreign | {"offset": offset} | live
            answer = await stage.shape(**given)
            assert answer.status == 409, answer.text
            assert dict(answer.headers)[b"electric-handle"] != foreign["handle"].encode()
    for handle in ("", "x", "'", foreign["handle"] + "0", foreign["handle"][:16], "é\x01"):
        answer = await stage.shape(table="tasks", offset="0_0", handle=handle)
        assert answer.status in {400, 409}, answer.text
    answer = await stage.subset({"where": "true"}, **foreign)
    assert answer.status == 409


@pytest.mark.parametrize(
    "table",
    [
        *sorted(set(TABLES) - set(PUBLISHED)),
        "journal.journal",
        "sync.shape",
        "sync.chunk",
        "pg_catalog.pg_class",
        "pg_class",
        "alembic_version",
        "information_schema.tables",
        '"Tasks"',
        "journal.tasks",
    ],
)
async def test_what_is_not_published_cannot_be_followed_nor_named(stage: Stage, table: str) -> None:
    answer = await stage.shape(table=table)
    assert answer.status == 400, answer.text
    assert b"does not exist" in answer.body
    for where in (f"id in (select id from {table})", f"{table}.id is null"):
        answer = await stage.shape(table="tasks", where=where)
        assert answer.status == 400, answer.text
        assert (await stage.subset({"where": where}, table="tasks")).status == 400


async def test_columns_that_are_not_published_cannot_be_had_nor_named(stage: Stage) -> None:
    assert all("search" not in row for row in values(await stage.shape(table="tasks")))
    tried = [
        {"columns": "id,search"},
        {"columns": "workspace_id,id,search"},
        {"where": "search is not null"},
        {"where": "tasks.search is not null"},
        {"where": "tasks is not null"},
        {"where": "tasks::text like '%a%'"},
        {"subset__where": "search is null"},
        {"subset__order_by": "search"},
    ]
    for given in tried:
        assert (await stage.shape(table="tasks", **given)).status == 400, given
    assert b"search" not in dict((await stage.shape(table="tasks")).headers)[b"electric-schema"]


async def test_each_table_needs_its_own_permission(stage: Stage) -> None:
    for table, published in PUBLISHED.items():
        owner = stage.mine.users["owner"]
        others = [each.permission for each in PUBLISHED.values()]
        scopes = ["sync:read", *(set(others) - {published.permission})]
        lacking = await stage.mine.token(owner, scopes=scopes)
        assert (await stage.shape(lacking, table=table)).status == 403
        enough = await stage.mine.token(owner, scopes=["sync:read", published.permission])
        assert (await stage.shape(enough, table=table)).status == 200
        not_sync = await stage.mine.token(owner, scopes=[published.permission])
        assert (await stage.shape(not_sync, table=table)).status == 403
        given = urlencode({"table": table, "offset": "-1"})
        assert (await stage.served.ask("GET", f"/v1/shape?{given}", {})).status == 401


async def test_migrations_are_seen_by_whose_they_are(stage: Stage) -> None:
    for role in ("owner", "member"):
        headers = await stage.mine.token(stage.mine.users[role])
        for given in (
            {},
            {"where": "user_id is not null or true"},
            {"where": "true or id is null"},
        ):
            found = values(await stage.shape(headers, table="migrations", **given))
            assert {row["user_id"] for row in found} == {str(stage.mine.users[role])}
    other = await stage.up_to_date(headers, table="migrations")
    assert (await stage.shape(**other)).status == 409
    where = "id in (select task_id from messages where id in (select id from migrations))"
    assert (await stage.shape(table="tasks", where=where)).status == 400


async def test_a_revoked_token_ends_a_live_request_within_seconds(stage: Stage) -> None:
    headers = await stage.mine.token(stage.mine.users["owner"], name="to be revoked")
    live = await stage.up_to_date(headers, table="environments")
    waiting = asyncio.ensure_future(stage.shape(headers, **live, live="true"))
    streaming = asyncio.ensure_future(stage.shape(headers, **live, live="true", live_sse="true"))
    await asyncio.sleep(0)
    await stage.connection.execute(
        "update access_tokens set revoked_at = $1 where name = 'to be revoked'", NOW
    )
    answer = await asyncio.wait_for(waiting, 15)
    assert answer.status == 401, answer.text
    await asyncio.wait_for(streaming, 15)


async def test_a_condition_that_takes_for_ever_is_refused(stage: Stage) -> None:
    await stage.mine.make("tasks", stage.mine.users["owner"], title=TRIED_IN_EVERY_WAY)
    for answer in (
        await asyncio.wait_for(stage.shape(table="tasks", where=SLOW), 20),
        await asyncio.wait_for(stage.subset({"where": SLOW}, table="tasks"), 20),
    ):
        assert answer.status == 400, answer.text
        assert b"too long" in answer.body


FAILING = "array_position(case when title = 'bad' then array[labels] else labels end, 'x') is null"


async def test_a_condition_that_fails_for_a_row_ends_its_shape_and_no_other(stage: Stage) -> None:
    user = stage.mine.users["owner"]
    failing = await stage.up_to_date(table="tasks", where=FAILING)
    other = await stage.up_to_date(table="tasks", where="title = 'after the bad one'")
    waiting = [asyncio.ensure_future(stage.shape(**each, live="true")) for each in (failing, other)]
    await stage.mine.make("tasks", user, title="bad", labels=["x"])
    assert (await asyncio.wait_for(waiting[0], 15)).status == 409
    assert (await stage.shape(table="tasks", where=FAILING)).status == 400
    await stage.mine.make("tasks", user, title="after the bad one")
    assert len(values(await asyncio.wait_for(waiting[1], 15))) == 1
    await stage.connection.execute("delete from tasks where title = 'bad'")


async def test_a_very_long_condition_holds_nobody_up(stage: Stage) -> None:
    where = " or ".join(["title = $1"] * 4_900)
    loop = asyncio.get_running_loop()
    longest, ended = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not ended:
            before = loop.time()
            await asyncio.sleep(0.002)
            longest = max(longest, loop.time() - before)

    watching = asyncio.create_task(watch())
    began = loop.time()
    answer = await stage.shape(table="tasks", where=where, **{"params[1]": "x"})
    took = loop.time() - began
    ended = True
    await watching
    assert answer.status in {200, 400}, answer.text
    assert longest < max(took / 2, 0.2), (longest, took)


@pytest.mark.parametrize(
    "where",
    [
        f"concat({', '.join(['title'] * 150)}) = ''",
        f"row({', '.join(['title'] * 2000)}) is null",
        "array_position(array[labels, labels], 'x') is null",
        "title",
        "title = 1",
        "1 / 0 = 1",
        "title::int = 1",
        "title::uuid is null",
        "title ~ '('",
        "labels[1][2][3][4][5][6][7][8] is null",
        "'x'::bit(90000000) is null",
        "round(1.5, 2147483647) = 1",
        "power(10::numeric, 100000) > 1",
        "2147483647 + 1 = 1",
        "substring(title, 1, -5) = ''",
        "left(title, -2147483648) = '' and title like E'a\\\\'",
        "date_trunc('x', created_at) is null",
        "created_at at time zone 'Nowhere' is null",
        "extract(x from created_at) = 1",
        "not " * 190 + "true",
        "abs(" * 190 + "1" + ")" * 190 + " = 1",
        " and ".join(["title = $1"] * 3000),
        "title = '\U0010ffff'",
    ],
)
async def test_an_odd_condition_is_served_or_refused(stage: Stage, where: str) -> None:
    answer = await stage.shape(table="tasks", where=where, **{"params[1]": "x"})
    assert answer.status in {200, 400}, answer.text
    answer = await stage.subset({"where": where, "params": {"1": "x"}}, table="tasks")
    assert answer.status in {200, 400}, answer.text


async def test_shapes_are_dropped_in_development_by_their_own_tenant(stage: Stage) -> None:
    given = await stage.up_to_date(table="environments", where="true and true")
    handle = {"handle": given["handle"]}
    mistaken = urlencode({"table": "environments", "where": "false", **handle})
    answer = await stage.served.ask("DELETE", f"/v1/shape?{mistaken}", stage.headers)
    assert answer.status == 404, "its definition is another"
    query = urlencode({"table": "environments", "where": "true and true", **handle})
    assert (await stage.served.ask("DELETE", f"/v1/shape?{query}", {})).status == 401
    others = await stage.theirs.token(stage.theirs.users["owner"])
    assert (await stage.served.ask("DELETE", f"/v1/shape?{query}", others)).status == 404
    assert (await stage.shape(**given)).status == 200
    answer = await stage.served.ask("DELETE", f"/v1/shape?{query}", stage.headers)
    assert answer.status == 202, answer.text
    assert (await stage.shape(**given)).status == 409
