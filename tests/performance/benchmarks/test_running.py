"""Benchmarks on a real server: measured, bounded, one at a time, and nothing left of them."""

import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from roost.db.faults import UnavailableError
from roost.db.pool import Database
from roost.db.roles import APP_ROLE, OWNER_ROLE, let_doctor_work
from roost.db.tenancy import Context
from roost.performance.benchmarks import alone, ledger, running, scratch, service
from roost.performance.benchmarks.measuring import Times
from roost.performance.benchmarks.model import SUITES, Order
from roost.performance.benchmarks.service import Benchmarks
from tests.db.waiting import until
from tests.performance.benchmarks.conftest import API, SMALL, Hall
from tests.support.schema import as_role, pool_config

MEASURES = {
    "crud": {"insert", "read", "update", "delete"},
    "lists": {"page"},
    "search": {"words"},
    "aggregation": {"counts"},
    "concurrent": {"read", "write"},
    "sync": {"insertToSeen"},
    "migration": {"bulk"},
}


async def test_a_run_measures_every_suite_and_leaves_no_schema(hall: Hall) -> None:
    run_id = await hall.begin(repetitions=3, name="first")
    run = await hall.ended(run_id)
    assert (run["state"], run["error"], run["isCut"]) == ("completed", None, False)
    assert run["progress"] == {"done": 21, "total": 21, "current": None}
    found: dict[str, set[str]] = {}
    for measure in run["results"]:
        found.setdefault(measure["suite"], set()).add(measure["name"])
        assert 0 < measure["p50Ms"] <= measure["p95Ms"] <= measure["p99Ms"], measure
        assert measure["opsPerSecond"] > 0
        assert len(measure["roundMediansMs"]) == 2, "the first round does not count"
        assert len(measure["figuresMs"]) >= 8
    assert found == MEASURES
    assert run["environment"]["postgresql"]
    assert run["environment"]["shared_buffers"]
    assert await hall.schemas() == []


async def test_the_rows_that_are_read_are_there(hall: Hall) -> None:
    seen: dict[str, Any] = {}

    async def look(bench: Any) -> dict[str, Any]:
        tenant = bench.tenant()
        rows = await bench.one.fetch(bench.sql(alone.LIST), tenant, "pending")
        seen["page"] = (len(rows), rows[0]["total"], rows[0]["items"].count('"id"'))
        rows = await bench.one.fetch(bench.sql(alone._SEARCH), tenant, "amber")
        seen["found"] = rows[0]["total"]
        # Without a tenant there is nothing.
        seen["bare"] = await bench.one.fetchval(f"select count(*) from {bench.schema}.task")
        return {}

    hall.serve(Benchmarks(hall.doctor, SMALL, {"lists": look}))
    run = await hall.ended(await hall.begin(repetitions=3, suites=["lists"]))
    assert run["state"] == "completed", run["error"]
    assert seen["page"] == (1, 20, 20)
    assert seen["found"] > 0
    assert seen["bare"] == 0


async def test_only_what_was_asked_for_is_measured(hall: Hall) -> None:
    run = await hall.ended(await hall.begin(repetitions=3, suites=["search", "lists", "search"]))
    assert run["suites"] == ["lists", "search"]
    assert {each["suite"] for each in run["results"]} == {"lists", "search"}


async def test_a_second_one_is_refused_whoever_begins_it(endless: Hall) -> None:
    run_id = await endless.begin(suites=["sync"])
    answer = await endless.alice.post(API, json={})
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["id"]) == ("BENCHMARK_RUNNING", run_id)
    elsewhere = Benchmarks(endless.doctor, SMALL)
    taken = await ledger.take(elsewhere.database, Order(), None)
    assert str(taken) == run_id


async def test_of_many_at_once_one_begins(endless: Hall) -> None:
    answers = await asyncio.gather(*(endless.alice.post(API, json={}) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [202] + [409] * 5


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_one_that_is_cancelled_ends_soon_and_leaves_no_schema(
    endless: Hall, how: str
) -> None:
    run_id = await endless.begin(suites=["crud", "sync"])
    await endless.working(run_id)
    if how == "cancel":
        answer = await endless.alice.post(f"{API}/{run_id}/cancel")
        assert answer.status_code == 202, answer.text
        assert (await endless.ended(run_id, within=5))["state"] == "cancelled"
        again = await endless.alice.post(f"{API}/{run_id}/cancel")
        assert again.json()["data"]["state"] == "cancelled"
    else:
        answer = await endless.alice.delete(f"{API}/{run_id}")
        assert answer.status_code == 202

        async def gone() -> bool:
            return (await endless.alice.get(f"{API}/{run_id}")).status_code == 404

        await until(gone, 5)
    assert await endless.schemas() == []
    await endless.begin(suites=["sync"])


async def test_the_end_of_the_process_ends_it(endless: Hall) -> None:
    run_id = await endless.begin(suites=["sync"])
    await endless.working(run_id)
    await endless.benchmarks.close()
    assert (await endless.run(run_id))["state"] == "cancelled"
    assert await endless.schemas() == []


async def test_a_backend_that_is_ended_fails_it_and_leaves_no_schema(endless: Hall) -> None:
    run_id = await endless.begin(suites=["sync"])
    await endless.working(run_id)

    async def terminated() -> int:
        number = await endless.admin.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where query like 'select pg_sleep%' and datname = current_database()"
        )
        return int(number)

    await until(terminated)
    run = await endless.ended(run_id)
    assert run["state"] == "failed"
    assert "terminat" in run["error"] or "closed" in run["error"], run["error"]
    assert await endless.schemas() == []


async def test_a_statement_that_fails_fails_it_and_is_named(hall: Hall) -> None:
    async def wrong(bench: Any) -> Any:
        await bench.one.execute("set statement_timeout = 20")
        await bench.one.execute("select pg_sleep(5)")

    hall.serve(Benchmarks(hall.doctor, SMALL, {"lists": wrong}))
    run = await hall.ended(await hall.begin(suites=["lists"]))
    assert run["state"] == "failed"
    assert "statement timeout" in run["error"]
    assert (run["results"], await hall.schemas()) == ([], [])


async def test_a_fault_of_ours_fails_it_too(hall: Hall) -> None:
    async def wrong(_scratch: Any) -> Any:
        raise ZeroDivisionError

    hall.serve(Benchmarks(hall.doctor, SMALL, {"lists": wrong}))
    run = await hall.ended(await hall.begin(suites=["lists"]))
    assert run["state"] == "failed"
    assert await hall.schemas() == []


async def test_the_time_limit_is_kept(endless: Hall) -> None:
    began = time.monotonic()
    run_id = await endless.begin(suites=["sync"], maxSeconds=5)
    run = await endless.ended(run_id)
    assert time.monotonic() - began < 7
    assert (run["state"], run["isCut"], run["results"]) == ("failed", True, [])
    assert "5 s" in run["error"]
    assert await endless.schemas() == []


async def test_what_was_measured_before_the_limit_counts(hall: Hall) -> None:
    async def slow(_bench: Any) -> dict[str, Times]:
        await asyncio.sleep(0.4)
        return {"page": Times([400.0], 0.4)}

    hall.serve(Benchmarks(hall.doctor, SMALL, {"lists": slow}))
    run = await hall.ended(await hall.begin(suites=["lists"], repetitions=20, maxSeconds=5))
    assert run["state"] == "completed"
    assert run["isCut"]
    assert run["progress"]["done"] < 20
    assert 1 <= len(run["results"][0]["roundMediansMs"]) < 19
    assert await hall.schemas() == []


async def killed(hall: Hall) -> str:
    """Leave what a worker leaves that is killed while it measures."""
    held = await ledger.take(hall.doctor, Order(), None)
    assert isinstance(held, ledger.Held)
    assert await held.start({})
    await hall.doctor.change(scratch._MAKE, Context(), run=held.id)
    assert f"roost_bench_{held.id.hex}" in await hall.schemas()
    return str(held.id)


async def pass_the_lease(hall: Hall) -> None:
    await hall.admin.execute(
        "update performance.benchmark_run set lease_until = lease_until - interval '20 seconds'"
        " where state = 'running'"
    )


async def test_a_killed_worker_s_run_is_over_with_its_lease(hall: Hall) -> None:
    run_id = await killed(hall)
    assert (await hall.alice.post(API, json={})).status_code == 409
    await service.keep_up(hall.doctor)
    assert len(await hall.schemas()) == 1
    await pass_the_lease(hall)
    run = await hall.run(run_id)
    assert (run["state"], run["error"]) == ("failed", ledger.LOST)
    following = await hall.ended(await hall.begin(suites=["crud"]))
    assert following["state"] == "completed"
    assert await hall.schemas() == []
    assert (await hall.run(run_id))["state"] == "failed"


async def test_upkeep_removes_what_killed_workers_left_and_nothing_else(hall: Hall) -> None:
    for _ in range(3):
        await killed(hall)
        await pass_the_lease(hall)
        await ledger.bury(hall.doctor)
    await killed(hall)
    [alive] = await hall.admin.fetchrow(
        "select concat('roost_bench_', replace(id::text, '-', '')) from performance.benchmark_run"
        " where state = 'running'"
    )
    await hall.admin.execute("create schema roost_bench_mine")
    assert len(await hall.schemas()) == 5
    await asyncio.gather(*(service.keep_up(hall.doctor) for _ in range(3)))
    assert set(await hall.schemas()) == {alive, "roost_bench_mine"}


async def test_who_has_lost_the_lease_stops(endless: Hall) -> None:
    run_id = await endless.begin(suites=["sync"])
    await endless.working(run_id)
    await endless.admin.execute("update performance.benchmark_run set worker = 'another'")

    async def clean() -> bool:
        return not await endless.schemas()

    await until(clean, 5)


async def test_only_schemas_of_runs_are_made_and_dropped(hall: Hall) -> None:
    async with hall.doctor.connection() as connection:
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await connection.fetchval("select performance.make_scratch($1)", uuid4())
        for name in ("public", "journal", "roost_bench_1", f"x.roost_bench_{uuid4().hex}", None):
            for function in ("drop_scratch", "analyze_scratch"):
                with pytest.raises(asyncpg.InvalidParameterValueError):
                    await connection.fetchval(f"select performance.{function}($1)", name)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("create schema roost_bench_x")


@pytest.mark.parametrize("pgbouncer", [False, True])
async def test_the_pool_s_role_measures_where_there_is_no_doctor_s(
    hall: Hall,
    fresh_roost_database: str,
    pgbouncer: bool,  # noqa: FBT001 -- both kinds of connections
) -> None:
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    await let_doctor_work(owner, APP_ROLE)
    await owner.close()
    config = replace(pool_config(fresh_roost_database), pgbouncer=pgbouncer)
    pool = await Database.connect(config)
    try:
        hall.serve(Benchmarks(pool, SMALL))
        run = await hall.ended(await hall.begin(repetitions=3))
        assert (run["state"], run["error"]) == ("completed", None)
        assert {each["suite"] for each in run["results"]} == set(SUITES)
    finally:
        await pool.close()
    assert await hall.schemas() == []


async def test_a_database_that_is_away_at_the_end_leaves_the_rest_to_the_next(
    endless: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await endless.begin(suites=["sync"])
    await endless.working(run_id)

    async def away(*_arguments: object) -> None:
        raise UnavailableError

    monkeypatch.setattr(scratch, "drop", away)
    monkeypatch.setattr(running, "_TRIES", 1)
    await endless.benchmarks.close()
    monkeypatch.undo()
    assert (await endless.run(run_id))["state"] == "running"
    await pass_the_lease(endless)
    assert (await endless.run(run_id))["state"] == "failed"
    await service.keep_up(endless.doctor)
    assert await endless.schemas() == []


async def test_the_oldest_of_many_are_forgotten_and_the_baseline_is_not(hall: Hall) -> None:
    await hall.admin.execute(
        "insert into performance.benchmark_run (id, suites, repetitions, max_seconds, worker,"
        " state, lease_until, created_at, is_baseline) select gen_random_uuid(), '{crud}', 3, 5,"
        " 'x', 'completed', now(), now() - make_interval(days => n), n = 300"
        " from generate_series(1, 300) n"
    )
    await service.keep_up(hall.doctor)
    kept = "select count(*), bool_or(is_baseline) from performance.benchmark_run"
    assert tuple(await hall.admin.fetchrow(kept)) == (ledger.KEPT + 1, True)
