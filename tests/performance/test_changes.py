"""Advice on indexes carried out when an administrator says so, and cancelled when told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE, OWNER_ROLE
from roost.performance.applying import Applier
from roost.performance.change_routes import ChangeRoutes
from roost.performance.routes import PerformanceRoutes
from tests.performance.conftest import Ask, Connect
from tests.performance.test_activity import until
from tests.support.house import House
from tests.support.schema import as_role, pool_config

CHANGES = "/api/v1/performance/indexes/changes"


@pytest.fixture
async def house(fresh_roost_database: str) -> AsyncIterator[House]:
    config = pool_config(fresh_roost_database)
    database = await Database.connect(config)
    doctor = await Database.connect(
        replace(config, url=as_role(fresh_roost_database, DOCTOR_ROLE), max_connections=2)
    )
    house = House(database)
    house.people.add("alice")
    house.people.add("mia", role="member")
    house.people.add("watcher", scopes=("performance:read",))
    applier = Applier(doctor, replace(config, url=as_role(fresh_roost_database, OWNER_ROLE)))
    changes = ChangeRoutes(house.kit, doctor, applier, 7)
    house.mount([*PerformanceRoutes(house.kit, doctor).endpoints(), *changes.endpoints()])
    yield house
    await applier.close()
    await doctor.close()
    await database.close()


async def begin(house: House, sql: str) -> httpx.Response:
    return await house.client("alice").post(CHANGES, json={"sql": sql})


async def ended(house: House, change_id: str) -> Any:
    """Wait for a change to end; gives it."""

    async def look() -> Any:
        answer = await house.client("alice").get(f"{CHANGES}/{change_id}")
        found = answer.json()["data"]
        return found if found["state"] != "running" else None

    return await until(look)


async def lacking(ask: Ask, connect: Connect) -> tuple[Any, str]:
    """Make a table that an index is advised for; gives a connection and the advice's SQL."""
    connection = await connect()
    await connection.execute(
        "set role roost_owner;"
        "create table parents (id int primary key);"
        "create table children (id int primary key, parent int references parents);"
        "insert into parents select generate_series(1, 100);"
        "insert into children select n, n % 100 + 1 from generate_series(1, 1000) n; reset role"
    )
    items = (await ask("indexes"))["items"]
    (advice,) = [item for item in items if item["table"] == "children"]
    return connection, str(advice["sql"])


async def test_advice_is_carried_out_and_is_advice_no_more(
    house: House, ask: Ask, connect: Connect
) -> None:
    connection, sql = await lacking(ask, connect)
    answer = await begin(house, sql)
    assert answer.status_code == 202, answer.text
    change = answer.json()["data"]
    assert (change["sql"], change["table"]) == (sql, "children")
    done = await ended(house, change["id"])
    assert (done["state"], done["error"]) == ("done", None)
    assert done["endedAt"] is not None
    found = await connection.fetchval(
        "select indisvalid from pg_index where indrelid = 'children'::regclass and not indisprimary"
    )
    assert found is True
    items = (await ask("indexes"))["items"]
    assert not [each for each in items if each["problem"] == "missing"]
    assert [each["id"] for each in await ask("indexes/changes")] == [change["id"]]
    assert (await begin(house, sql)).status_code == 400  # nobody advises it any more


async def test_what_nobody_advises_is_not_run(house: House, connect: Connect) -> None:
    for sql in ("drop table tasks;", "select 1", "drop index concurrently tasks_pkey;"):
        answer = await begin(house, sql)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "sql"
    assert await (await connect()).fetchval("select to_regclass('tasks') is not null")


async def test_one_that_waits_is_cancelled_and_leaves_nothing(
    house: House, ask: Ask, connect: Connect
) -> None:
    connection, sql = await lacking(ask, connect)
    writer = await connect()
    await writer.execute("begin; update children set parent = 1 where id = 1")
    change = (await begin(house, sql)).json()["data"]
    client = house.client("alice")

    async def waits() -> bool:
        return bool(
            await connection.fetchval(
                "select count(*) from pg_stat_activity"
                " where query = $1 and wait_event_type = 'Lock'",
                sql,
            )
        )

    await until(waits)
    second = await begin(house, sql)
    assert (second.status_code, second.json()["code"]) == (409, "INDEX_CHANGE_RUNNING")
    cancelled = await client.post(f"{CHANGES}/{change['id']}/cancel")
    assert cancelled.status_code == 202
    assert (await ended(house, change["id"]))["state"] == "cancelled"
    await writer.execute("rollback")

    async def is_tidy() -> bool:
        return not await connection.fetchval("select count(*) from pg_index where not indisvalid")

    await until(is_tidy)
    again = await client.post(f"{CHANGES}/{change['id']}/cancel")
    assert again.json()["data"]["state"] == "cancelled"


async def test_a_failure_is_told_in_postgresqls_words(
    house: House, ask: Ask, connect: Connect
) -> None:
    connection, sql = await lacking(ask, connect)
    await connection.execute("alter table children owner to postgres")
    change = (await begin(house, sql)).json()["data"]
    failed = await ended(house, change["id"])
    assert failed["state"] == "failed"
    assert "must be owner" in failed["error"]


async def test_a_change_of_a_worker_that_ended_stands_in_nobodys_way(
    house: House, ask: Ask, connect: Connect
) -> None:
    connection, sql = await lacking(ask, connect)
    lost = "00000000-0000-4000-8000-000000000001"
    await connection.execute(
        "insert into performance.index_change (id, sql, table_name, leased_until)"
        f" values ('{lost}', 'x', 'y', now() - interval '1 second')"
    )
    answer = await begin(house, sql)
    assert answer.status_code == 202, answer.text
    assert (await ended(house, answer.json()["data"]["id"]))["state"] == "done"
    old = await ask(f"indexes/changes/{lost}")
    assert (old["state"], old["error"]) == ("failed", "the worker that did it has ended")


async def test_only_who_may_write_may_have_it_done(house: House) -> None:
    for bearer, status in (("mia", 403), ("watcher", 403), (None, 401)):
        client = house.client(bearer)
        assert (await client.post(CHANGES, json={"sql": "x"})).status_code == status
    unknown = "00000000-0000-4000-8000-000000000009"
    for answer in (
        await house.client("alice").get(f"{CHANGES}/{unknown}"),
        await house.client("alice").post(f"{CHANGES}/{unknown}/cancel"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "INDEX_CHANGE_NOT_FOUND")


async def test_without_the_owners_connection_nothing_is_done(house: House) -> None:
    applier = Applier(house.database, None)
    house.mount(ChangeRoutes(house.kit, house.database, applier, 7).endpoints())
    answer = await begin(house, "x")
    assert (answer.status_code, answer.json()["code"]) == (409, "OWNER_NEEDED")


async def test_the_same_key_begins_it_once(house: House, ask: Ask, connect: Connect) -> None:
    _, sql = await lacking(ask, connect)
    client, headers = house.client("alice"), {"idempotency-key": "once"}
    first = await client.post(CHANGES, json={"sql": sql}, headers=headers)
    await ended(house, first.json()["data"]["id"])
    again = await client.post(CHANGES, json={"sql": sql}, headers=headers)
    assert again.json()["data"]["id"] == first.json()["data"]["id"]
    assert len(await ask("indexes/changes")) == 1
