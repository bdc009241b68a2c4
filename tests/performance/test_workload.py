"""Indexes from the workload: what is missing on a large table, what is bloated, what if."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from roost.db.pool import Database
from roost.db.roles import APP_ROLE, DOCTOR_ROLE
from roost.db.tenancy import Context
from roost.performance import missing, sampling, what_if
from roost.performance.routes import PerformanceRoutes
from tests.db.embedded.observe import DEBIAN_15, quick_server
from tests.performance.conftest import Ask, Connect
from tests.support.house import House
from tests.support.postgres import reachable_directory
from tests.support.schema import as_role, make_schema, pool_config

ROWS = 1_000_000
needs_hypopg = pytest.mark.skipif(
    not Path("/usr/share/postgresql/15/extension/hypopg.control").exists(),
    reason="needs Debian's postgresql-15-hypopg",
)


async def fill(connection: Any, rows: int) -> None:
    """Make a table that is looked up by a column that has no index."""
    await connection.execute(
        "create table orders (id bigint primary key, customer integer, kind integer, note text);"
        f"insert into orders select n, n % ({rows} / 5), n % 2, 'x'"
        f" from generate_series(1, {rows}) n;"
        "analyze orders; grant select on orders to roost_app"
    )


async def look_up(connection: Any, times: int) -> None:
    for number in range(times):
        await connection.fetch("select id, note from orders where customer = $1", number)
        if number % 10 == 0:
            await connection.fetch("select id from orders where kind = $1", 1)


class Looked:
    """The doctor's connections, by which it samples."""

    def __init__(self, doctor: Database) -> None:
        self.doctor = doctor

    async def sample(self) -> None:
        await self.doctor.write(Context(), sampling.look)


@pytest.fixture
async def looked(fresh_roost_database: str) -> AsyncIterator[Looked]:
    config = pool_config(fresh_roost_database)
    url = as_role(fresh_roost_database, DOCTOR_ROLE)
    doctor = await Database.connect(replace(config, url=url, max_connections=2))
    yield Looked(doctor)
    await doctor.close()


async def test_an_index_that_a_million_rows_lack_is_advised_and_helps(
    ask: Ask, connect: Connect, looked: Looked
) -> None:
    connection = await connect()
    await looked.sample()
    await fill(connection, ROWS)
    await look_up(connection, 20)
    await looked.sample()
    await connection.execute("select pg_stat_force_next_flush()")
    items = [item for item in (await ask("indexes"))["items"] if item["table"] == "orders"]
    (act,) = [item for item in items if item["verdict"] == "act"]
    assert (act["problem"], act["columns"]) == ("missing", ["customer"])
    assert act["evidence"]["calls"] == 20
    assert act["evidence"]["shareOfRowsGiven"] < 0.001
    assert act["evidence"]["rows"] == pytest.approx(ROWS, rel=0.01)
    assert act["sql"] == "create index concurrently on orders (customer);"
    # Half of the table is what `kind` gives, and twice is too seldom to say so.
    assert {item["verdict"] for item in items if item["columns"] == ["kind"]} == {
        "insufficientData"
    }
    await connection.execute(act["sql"])
    items = [item for item in (await ask("indexes"))["items"] if item["table"] == "orders"]
    assert [item for item in items if item["verdict"] == "act"] == []


async def test_roosts_own_statements_lack_no_index(ask: Ask, house: House, looked: Looked) -> None:
    await looked.sample()
    for _ in range(20):
        await ask("health")
    await looked.sample()
    assert not [item for item in (await ask("indexes"))["items"] if item["problem"] == "missing"]
    del house


async def test_an_index_that_is_mostly_empty_is_bloated_and_mended(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute(
        "create table events (id bigint primary key, at timestamptz);"
        "insert into events select n, now() from generate_series(1, 600000) n;"
        "delete from events where id % 20 <> 0"
    )
    await connection.execute("vacuum analyze events")
    found = [item for item in (await ask("indexes"))["items"] if item["problem"] == "bloated"]
    (item,) = found
    assert (item["index"], item["verdict"]) == ("events_pkey", "act")
    assert item["evidence"]["wastedBytes"] > 0.8 * item["evidence"]["bytes"]
    await connection.execute(item["sql"])
    assert not [i for i in (await ask("indexes"))["items"] if i["problem"] == "bloated"]


async def test_full_indexes_of_every_width_are_not_called_bloated(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute(
        "create table full_ones (a bigint, b integer, c uuid, d boolean, e timestamptz);"
        "insert into full_ones select n, n, gen_random_uuid(), n % 2 = 0, now()"
        " from generate_series(1, 300000) n;"
        "create index on full_ones (a); create index on full_ones (b);"
        "create index on full_ones (c); create index on full_ones (a, c, e);"
        "create index on full_ones (d, a);"
        "create index on full_ones (e)"
    )
    await connection.execute("vacuum analyze full_ones")
    # Those that grew row by row in no order are two thirds full, as B-trees are.
    await connection.execute("create table grown (id uuid primary key)")
    for _ in range(20):
        await connection.execute(
            "insert into grown select gen_random_uuid() from generate_series(1, 10000)"
        )
    await connection.execute("vacuum analyze grown")
    assert not [i for i in (await ask("indexes"))["items"] if i["problem"] == "bloated"]


async def test_a_report_is_made_stored_and_listed(
    house: House, ask: Ask, connect: Connect, looked: Looked
) -> None:
    connection = await connect()
    await looked.sample()
    await fill(connection, 50_000)
    await look_up(connection, 20)
    await looked.sample()
    client = house.client("alice")
    answer = await client.post("/api/v1/performance/analyze")
    assert answer.status_code == 201, answer.text
    made = answer.json()["data"]
    report = made["report"]
    assert report["bloatMeasured"] is True
    assert report["missing"][0]["columns"] == ["customer"]
    assert report["missing"][0]["whatIf"]["isAvailable"] is False
    assert "hypopg" in report["missing"][0]["whatIf"]["reason"]
    assert report["queries"]
    assert any("orders" in each or "critical" in each for each in report["summary"])
    assert (await ask(f"analyze/{made['id']}"))["report"] == report
    listed = await ask("analyze")
    assert [(each["id"], each["summary"]) for each in listed] == [(made["id"], report["summary"])]


async def test_who_may_only_read_makes_no_report(house: House) -> None:
    house.people.add("watcher", scopes=("performance:read",))
    for bearer, status in (("mia", 403), ("watcher", 403), (None, 401)):
        answer = await house.client(bearer).post("/api/v1/performance/analyze")
        assert answer.status_code == status
    missing_one = "00000000-0000-0000-0000-000000000000"
    answer = await house.client("alice").get(f"/api/v1/performance/analyze/{missing_one}")
    assert (answer.status_code, answer.json()["code"]) == (404, "REPORT_NOT_FOUND")


@needs_hypopg
async def test_what_if_tells_the_cost_before_and_after_and_makes_nothing() -> None:
    with reachable_directory() as directory:
        server = quick_server(directory / "data", DEBIAN_15)
        with server as endpoint:
            await _what_if(endpoint.url(database="postgres"))


async def _what_if(superuser_url: str) -> None:
    admin = await asyncpg.connect(superuser_url)
    for name in ("pg_trgm", "pg_stat_statements", "hypopg"):
        await admin.execute(f"create extension {name}")
    await make_schema(superuser_url)
    await fill(admin, 200_000)
    config = pool_config(superuser_url)
    pool = await Database.connect(config)
    doctor = await Database.connect(replace(config, url=as_role(superuser_url, DOCTOR_ROLE)))
    looked = Looked(doctor)
    await looked.sample()
    await look_up(admin, 30)
    await looked.sample()
    found = missing.distinct(await missing.candidates(doctor))
    (candidate,) = [each for each in found if each.columns == ("customer",)]
    (outcome,) = await what_if.try_out(pool, [candidate])
    assert outcome.is_available, outcome.reason
    (trial,) = outcome.trials
    assert trial.is_used
    assert trial.cost_after < trial.cost_before / 10
    assert outcome.saved is not None
    assert outcome.saved > 0.9
    made = "select count(*) from pg_index where indrelid = 'orders'::regclass"
    assert await admin.fetchval(made) == 1
    house = House(pool)
    house.people.add("alice")
    house.mount(PerformanceRoutes(house.kit, doctor).endpoints())
    answer = await house.client("alice").post("/api/v1/performance/analyze")
    assert answer.status_code == 201, answer.text
    tried = answer.json()["data"]["report"]["missing"]
    saved = {each["columns"][0]: each["whatIf"]["saved"] for each in tried}
    assert saved["customer"] > 0.9
    assert saved["kind"] < 0.5  # half of the table is asked for
    await admin.close()
    await doctor.close()
    await pool.close()
    assert APP_ROLE in config.url
