"""What the doctor tells of statements and requests over time, by HTTP, on a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.routes import PerformanceRoutes
from roost.performance.watching import Pace, Watch
from roost.telemetry.exchange import CURRENT, Exchange
from roost.telemetry.options import TelemetryOptions
from roost.telemetry.setup import Telemetry
from tests.performance.conftest import Ask, Connect
from tests.support.house import House
from tests.support.schema import as_role, pool_config

COUNT = Statement("select tasks.count", "select count(*) from tasks where title = $1", ("t",), {})
SLEEP = Statement("select tasks.sleep", "select pg_sleep($1::float8)", ("seconds",), {})


class Watched:
    """A server whose pool is observed, and the worker's part of the doctor's work, by hand."""

    def __init__(self, house: House, watch: Watch, telemetry: Telemetry) -> None:
        self.house = house
        self.watch = watch
        self.telemetry = telemetry

    async def run(self, statement: Statement, route: str | None = None, **values: object) -> None:
        """Run a statement, within a request of that route if there is one."""
        exchange = None
        if route is not None:
            method, path = route.split()
            exchange = Exchange((), None)
            exchange.scope = {"method": method, "path_template": path}
        token = CURRENT.set(exchange)
        try:
            await self.house.database.read(statement, Context(), **values)
        finally:
            CURRENT.reset(token)


@pytest.fixture
async def watched(fresh_roost_database: str) -> AsyncIterator[Watched]:
    telemetry = Telemetry(TelemetryOptions.from_environment({}, "1"), service_version="1")
    config = pool_config(fresh_roost_database)
    pool = await Database.connect(config, telemetry.observer)
    doctor = await Database.connect(
        replace(config, url=as_role(fresh_roost_database, DOCTOR_ROLE), max_connections=2)
    )
    house = House(pool)
    house.people.add("alice")
    house.mount(PerformanceRoutes(house.kit, doctor, totals=telemetry.totals).endpoints())
    pace = Pace(sample=0.0, activity=0.0, slow_ms=200)
    watch = Watch(doctor, pool, telemetry.tally, keep_days=15, pace=pace)
    await watch.sample()
    yield Watched(house, watch, telemetry)
    await doctor.close()
    await pool.close()


@pytest.fixture
def house(watched: Watched) -> House:
    return watched.house


def named(items: list[Any], name: str) -> Any:
    found = [each for each in items if each["name"] == name]
    assert len(found) == 1, [each["name"] for each in items]
    return found[0]


async def test_a_statement_is_listed_with_what_it_cost(watched: Watched, ask: Ask) -> None:
    for number in range(20):
        await watched.run(COUNT, "GET /api/v1/tasks", t=str(number))
    await watched.watch.sample()
    answer = await ask("queries?range=5m&limit=100")
    item = named(answer["items"], "select tasks.count")
    assert item["calls"] == 20
    assert item["rows"] == 20
    assert item["statement"] == "select count(*) from tasks where title = $1"
    assert item["meanMs"] == pytest.approx(item["totalMs"] / 20)
    assert 0 < item["share"] < 1
    assert item["latency"]["calls"] == 20
    assert 0 < item["latency"]["p50Ms"] <= item["latency"]["p95Ms"] <= item["latency"]["p99Ms"]
    assert sum(each["share"] for each in answer["items"]) == pytest.approx(1.0)
    assert answer["window"] == answer["window"] | {"samples": 1, "resets": 0, "reason": None}


async def test_the_list_is_sorted_and_searched_as_asked(watched: Watched, ask: Ask) -> None:
    for _ in range(30):
        await watched.run(COUNT, t="a")
    await watched.run(SLEEP, seconds=0.15)
    await watched.watch.sample()
    by_time = (await ask("queries?sort=totalTime"))["items"]
    by_calls = (await ask("queries?sort=calls"))["items"]
    assert by_time[0]["name"] == "select tasks.sleep"
    assert by_calls[0]["name"] == "select tasks.count"
    found = (await ask("queries?search=tasks.sl"))["items"]
    assert [each["name"] for each in found] == ["select tasks.sleep"]
    assert (await ask("queries?search=100%25_"))["items"] == []
    assert len((await ask("queries?limit=1"))["items"]) == 1


@pytest.mark.parametrize("query", ["range=2h", "sort=name", "limit=0", "limit=101", "depth=1"])
async def test_a_parameter_that_is_wrong_is_named(house: House, query: str) -> None:
    answer = await house.client("alice").get(f"/api/v1/performance/queries?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.split("=", maxsplit=1)[0]


async def test_one_statement_shows_its_callers_and_its_plan(watched: Watched, ask: Ask) -> None:
    for number in range(12):
        await watched.run(COUNT, "GET /api/v1/tasks" if number % 3 else "POST /api/v1/x", t="a")
    await watched.watch.sample()
    listed = named((await ask("queries?limit=100"))["items"], "select tasks.count")
    one = await ask(f"queries/{listed['id']}?range=1h")
    assert {each["route"]: each["latency"]["calls"] for each in one["callers"]} == {
        "GET /api/v1/tasks": 8,
        "POST /api/v1/x": 4,
    }
    assert (one["calls"], one["latency"]["calls"]) == (12, 12)
    assert [point["calls"] for point in one["series"]] == [12]
    assert one["plan"]["reason"] is None
    assert "tasks" in json.dumps(one["plan"]["plan"])
    assert one["trend"]["direction"] == "insufficientData"


@pytest.mark.parametrize("query_id", ["1", "x", "-1", "9" * 30, "9223372036854775808"])
async def test_a_statement_that_nobody_knows_is_not_found(house: House, query_id: str) -> None:
    answer = await house.client("alice").get(f"/api/v1/performance/queries/{query_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "QUERY_NOT_FOUND")


async def test_what_has_no_plan_says_so(watched: Watched, ask: Ask, connect: Connect) -> None:
    admin = await connect()
    await admin.execute("create table unseen (id int)")
    await admin.execute("select count(*) from unseen")
    await admin.execute("vacuum unseen")
    await watched.watch.sample()
    items = (await ask("queries?limit=100"))["items"]
    plans = {
        each["statement"]: (await ask(f"queries/{each['id']}"))["plan"]
        for each in items
        if each["statement"] in {"VACUUM …", "select count(*) from unseen"}
    }
    assert plans["VACUUM …"]["plan"] is None
    assert "SELECT" in plans["VACUUM …"]["reason"]
    assert "permission denied" in plans["select count(*) from unseen"]["reason"]


async def test_a_slow_statement_is_told_once_though_two_have_seen_it(
    watched: Watched, ask: Ask
) -> None:
    running = asyncio.create_task(watched.run(SLEEP, "GET /api/v1/tasks", seconds=1.5))
    answer: Any = {"items": []}
    while not answer["items"]:  # until the one who looks at the database has seen it
        await asyncio.sleep(0.1)
        await watched.watch.notice()
        answer = await ask("slow-queries?range=5m")
    assert answer["items"][0]["isRunning"]
    assert answer["items"][0]["seenBy"] == ["database"]
    await running
    await watched.watch.notice()
    found = await ask("slow-queries?range=5m&level=slow")
    assert found["counts"] == {"slow": 1, "watch": 0}
    (item,) = found["items"]
    assert item == item | {
        "level": "slow",
        "name": "select tasks.sleep",
        "route": "GET /api/v1/tasks",
        "isRunning": False,
        "seenBy": ["driver", "database"],
        "statement": "select pg_sleep($1::float8)",
    }
    assert item["durationMs"] >= 1500
    assert item["waits"]["Timeout: PgSleep"] >= 1
    assert item["plan"]["plan"]["Node Type"] == "Result"
    assert len(item["traceId"]) == 32


async def test_a_statement_worth_a_look_is_not_called_slow(watched: Watched, ask: Ask) -> None:
    await watched.run(SLEEP, seconds=0.15)
    await watched.run(COUNT, t="quick")
    await watched.watch.notice()
    found = await ask("slow-queries")
    assert [each["level"] for each in found["items"]] == ["watch"]
    assert (await ask("slow-queries?level=slow"))["items"] == []


async def test_somebody_elses_slow_statement_is_seen_without_its_literals(
    watched: Watched, ask: Ask, connect: Connect
) -> None:
    admin = await connect()
    running = asyncio.create_task(admin.execute("select pg_sleep(1.2), 'hunter2'"))
    answer: Any = {"items": []}
    while not answer["items"]:
        await asyncio.sleep(0.1)
        await watched.watch.notice()
        answer = await ask("slow-queries")
    await running
    assert answer["items"][0]["statement"] == "select pg_sleep($1), $2"
    assert answer["items"][0]["name"] is None


async def test_the_overview_tells_of_everything(watched: Watched, ask: Ask) -> None:
    for _ in range(5):
        await watched.run(COUNT, "GET /api/v1/tasks", t="a")
        watched.telemetry.tally.add("GET /api/v1/tasks", "", 2_000_000, failed=False)
    watched.telemetry.tally.add("GET /api/v1/tasks", "", 9_000_000, failed=True)
    await watched.watch.sample()
    answer = await ask("?range=5m")
    requests = answer["requests"]
    assert requests["latency"]["calls"] == 6
    assert requests["errorRate"] == pytest.approx(1 / 6)
    assert requests["latency"]["p50Ms"] == pytest.approx(2.0, rel=0.15)
    assert requests["routes"][0]["route"] == "GET /api/v1/tasks"
    assert answer["pool"]["now"]["limit"] == 8
    assert answer["pool"]["waitP99Ms"] is not None
    assert answer["pool"]["connectMs"] > 0
    assert answer["database"]["status"] in {"ok", "warn", "critical"}
    figures = {each["name"]: each["latest"] for each in answer["figures"]}
    assert figures["database.bytes"] > 1_000_000
    assert figures["connections.total"] >= 1
    assert answer["queries"]["items"]


async def test_a_query_that_has_become_slower_is_told_of(ask: Ask, connect: Connect) -> None:
    admin = await connect()
    await admin.execute("insert into performance.statement (query_id, text) values (7, 'select 7')")
    for name, start in ((7, 1.0), (8, 5.0)):
        await admin.execute(
            "insert into performance.delta (at, query_id, calls, total_ms, rows, blocks_hit,"
            " blocks_read, temp_blocks, wal_bytes)"
            " select now() - make_interval(mins => n), $1::bigint, 10,"
            " 10 * ($2::float8 + n % 5 * 0.1"
            " + case when $1::bigint = 7 and n < 25 then 2.0 else 0 end),"
            " 0, 0, 0, 0, 0 from generate_series(0, 55) n",
            name,
            start,
        )
    answer = await ask("trends?range=1h")
    found = {each["id"]: each for each in answer["trends"]}
    assert found["7"]["direction"] == "degrading"
    assert found["7"]["change"] > 1
    assert found["7"]["pValue"] < 0.01
    assert found["8"]["direction"] == "stable"
    assert answer["trends"][0]["id"] == "7"


END = "date_trunc('hour', now() - interval '2 minutes')"


async def write_hours(admin: Any, days: int) -> None:
    """Write the last full hour by the minute, and the same hour of earlier days as it is kept."""
    await admin.execute(
        "insert into performance.delta (at, query_id, calls, total_ms, rows, blocks_hit,"
        " blocks_read, temp_blocks, wal_bytes)"
        f" select {END} - make_interval(mins => n), q, 2, 2 * (9 + n % 7 * 0.1), 0, 0, 0, 0, 0"
        " from generate_series(8, 9) q, generate_series(1, 30) n"
    )
    # 9 took three milliseconds on each day, give or take a little; 8 anything up to twelve.
    await admin.execute(
        "insert into performance.delta_hour (at, query_id, calls, total_ms, rows, blocks_hit,"
        " blocks_read, temp_blocks, wal_bytes)"
        f" select {END} - make_interval(days => d), q, 10,"
        " 10 * case q when 9 then 3 + d % 3 * 0.1 else 2 + d % 4 * 3 end, 0, 0, 0, 0, 0"
        " from generate_series(8, 9) q, generate_series(1, $1::integer) d",
        days,
    )
    await admin.execute(
        "insert into performance.rolled"
        f" select {END} - make_interval(days => d) from generate_series(1, $1::integer) d",
        days,
    )


async def test_the_last_full_hour_is_held_against_the_same_hour_of_all_earlier_days(
    ask: Ask, connect: Connect
) -> None:
    await write_hours(await connect(), 9)
    answer = await ask("trends?range=1h")
    (found,) = answer["regressions"]
    assert found == found | {"id": "9", "direction": "degrading", "beforeMs": 3.1, "figures": 10}
    assert found["afterMs"] == pytest.approx(9.3, abs=0.1)
    assert found["pValue"] < 0.01
    assert (answer["daysCompared"], answer["reason"]) == (9, None)


async def test_other_hours_of_earlier_days_are_not_compared(ask: Ask, connect: Connect) -> None:
    admin = await connect()
    await write_hours(admin, 9)
    for table in ("delta_hour", "rolled"):
        await admin.execute(f"update performance.{table} set at = at - interval '3 hours'")
    answer = await ask("trends?range=1h")
    assert (answer["regressions"], answer["daysCompared"]) == ([], 0)


async def test_with_few_days_no_regression_is_told_and_it_is_said_why(
    ask: Ask, connect: Connect
) -> None:
    await write_hours(await connect(), 4)
    answer = await ask("trends?range=1h")
    assert (answer["regressions"], answer["daysCompared"]) == ([], 4)
    assert answer["reason"] == (
        "The last full hour is known of 4 earlier days; from 5 on it can be told what is more "
        "than chance."
    )


async def test_slow_statements_of_one_connection_are_told_apart(watched: Watched, ask: Ask) -> None:
    other = Statement("select tasks.doze", "select pg_sleep($1::float8), 1", ("seconds",), {})
    for statement in (SLEEP, other, SLEEP):
        await watched.run(statement, seconds=0.12)
    await watched.watch.notice()
    items = (await ask("slow-queries?range=5m"))["items"]
    assert sorted((each["name"], each["statement"]) for each in items) == [
        ("select tasks.doze", "select pg_sleep($1::float8), $2"),
        ("select tasks.sleep", "select pg_sleep($1::float8)"),
        ("select tasks.sleep", "select pg_sleep($1::float8)"),
    ]


async def test_peaks_of_a_day_are_not_evened_out(ask: Ask, connect: Connect) -> None:
    admin = await connect()
    await admin.execute(
        "insert into performance.gauge_hour values (now() - interval '3 h', 'pool.share', 0.1, 1)"
    )
    answer = await ask("?range=24h")
    assert answer["pool"]["peakUtilisation"] == 1


async def test_what_could_not_be_stored_is_stored_later(watched: Watched, ask: Ask) -> None:
    await watched.run(SLEEP, seconds=0.12)
    tally = watched.telemetry.tally
    slow = tally.take_slow()
    tally.put_back_others(slow, (), ())
    await watched.watch.notice()
    assert len((await ask("slow-queries?range=5m"))["items"]) == 1
