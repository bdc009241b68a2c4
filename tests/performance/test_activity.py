"""What connections do: chains of locks, transactions left open, and what is said of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.performance.checks import server
from roost.performance.counting import OFF
from roost.performance.locks import held_up
from tests.performance.conftest import Ask, Connect

DEADLINE = 30.0


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """Look again until there is something."""
    async with asyncio.timeout(DEADLINE):
        while not (found := await look()):  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.02)
        return found


def check(health: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in health["checks"] if each["name"] == name]
    return found  # type: ignore[no-any-return]


async def test_a_healthy_database_raises_no_alarm(ask: Ask) -> None:
    health = await ask("health")
    raised = [each for each in health["checks"] if each["status"] in {"warn", "critical"}]
    # But for what is true of the tests' server: each database that is made asks for checkpoints.
    assert {each["name"] for each in raised} - {"checkpoints"} == {"settings"}
    settings = check(health, "settings")
    assert "fsync is off" in settings["detail"]
    assert "alter system set fsync = on;" in settings["fix"]
    assert health["status"] == "critical"
    assert sum(health["counts"].values()) == len(health["checks"])
    assert check(health, "connections")["value"] > 0
    assert all(each["detail"] for each in health["checks"])


async def test_a_chain_of_locks_is_shown_from_its_root(ask: Ask, connect: Connect) -> None:
    holder, second, third = await connect(), await connect(), await connect()
    await holder.execute("create table things (id int primary key); insert into things values (1)")
    await holder.execute("begin; update things set id = 1 where id = 1 /* root */")
    pids = [await each.fetchval("select pg_backend_pid()") for each in (holder, second, third)]
    await second.execute("begin")
    waits = [asyncio.create_task(second.execute("lock table things in exclusive mode"))]

    async def both() -> Any:
        found = await ask("locks")
        return found if len(found["waiting"]) >= len(waits) else None

    await until(both)
    waits.append(asyncio.create_task(third.execute("delete from things where id = 777")))
    found = await until(both)
    (root,) = found["roots"]
    assert (root["pid"], root["holdsUp"], root["state"]) == (pids[0], 2, "idle in transaction")
    assert root["toEnd"] == f"select pg_terminate_backend({pids[0]});"
    waiting = {each["pid"]: each for each in found["waiting"]}
    assert waiting[pids[1]]["blockedBy"] == [pids[0]]
    assert waiting[pids[2]]["blockedBy"] == [pids[1]]
    assert waiting[pids[2]]["statement"] == "delete from things where id = $1"
    assert waiting[pids[1]]["statement"] == "LOCK …"
    assert waiting[pids[1]]["relation"] == "things"
    await holder.execute(root["toEnd"].replace(str(pids[0]), "0"))
    await holder.execute("rollback")
    await waits[0]
    await second.execute("rollback")
    await waits[1]
    assert (await ask("locks")) == {"roots": [], "waiting": []}


async def test_who_is_idle_in_a_transaction_is_listed_without_what_they_wrote(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute("set application_name = 'forgetful'")
    await connection.execute("begin")
    await connection.fetchval("select 'hunter2'")
    found = await ask("connections")
    assert found["showsAll"] is True
    (idle,) = [each for each in found["items"] if each["application"] == "forgetful"]
    assert (idle["state"], idle["statement"]) == ("idle in transaction", "select $1")
    assert idle["transactionSeconds"] > 0
    # Whoever is just connecting has no state yet.
    assert all(each["stateSeconds"] >= 0 for each in found["items"] if each["state"])
    assert sum(each["count"] for each in found["byState"]) == found["total"]
    assert found["pool"]["limit"] >= found["pool"]["size"] >= 1


async def test_a_transaction_left_open_for_long_is_warned_of(ask: Ask, connect: Connect) -> None:
    connection = await connect()
    await connection.execute("begin")
    health = await ask("health")
    assert check(health, "idleInTransaction")["items"]


async def test_a_sequence_near_its_end_is_critical(ask: Ask, connect: Connect) -> None:
    connection = await connect()
    await connection.execute(
        "create table things (id integer generated always as identity, n bigint);"
        "grant select on sequence things_id_seq to roost_doctor;"
        "select setval('things_id_seq', 2000000000)"
    )
    found = check(await ask("health"), "sequences")
    assert found["status"] == "critical"
    assert found["items"][0]["sequence"] == "things_id_seq"


async def test_a_slot_that_nobody_uses_is_named(ask: Ask, connect: Connect) -> None:
    connection = await connect()
    await connection.execute("select pg_create_physical_replication_slot('roost_test_held', true)")
    try:
        found = check(await ask("health"), "replicationSlots")
    finally:
        await connection.execute("select pg_drop_replication_slot('roost_test_held')")
    assert "roost_test_held" in [each["slot"] for each in found["items"]]
    assert found["status"] in {"ok", "warn", "critical"}


async def test_extensions_that_are_missed_are_named_with_what_makes_them(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute("drop extension pg_stat_statements")
    known = {each["name"]: each for each in await ask("extensions")}
    assert known["pg_stat_statements"]["status"] == "available"
    assert known["pg_stat_statements"]["missed"]
    found = check(await ask("health"), "statementStatistics")
    assert found["status"] == "skipped"
    await connection.execute(known["pg_stat_statements"]["sql"])
    assert check(await ask("health"), "statementStatistics")["status"] == "ok"


@pytest.mark.parametrize(
    ("timed", "requested", "hours", "status"),
    [
        (0, 19, 2.0, "skipped"),  # however large their share
        (0, 30, 0.9, "skipped"),
        (0, 30, None, "skipped"),
        (5, 40, 24 * 30, "ok"),  # a backup a day
        (100, 20, 10, "ok"),
        (40, 60, 10, "warn"),
        (2, 60, 10, "critical"),
    ],
)
def test_checkpoints_are_judged_when_there_are_many_and_they_come_often(
    timed: int, requested: int, hours: float | None, status: str
) -> None:
    (judged,) = [each for each in server.CHECKS if each.name == "checkpoints"]
    found = judged.judge([{"timed": timed, "requested": requested, "hours": hours}])
    assert found.status == status
    assert (found.fix is None) == (status in {"ok", "skipped"})


async def test_few_checkpoints_are_said_to_be_so(ask: Ask, connect: Connect) -> None:
    connection = await connect()
    kept = "checkpointer" if connection.get_server_version().major >= 17 else "bgwriter"
    await connection.execute("select pg_stat_reset_shared($1)", kept)
    found = check(await ask("health"), "checkpoints")
    assert found["status"] == "skipped"
    assert found["detail"].startswith("Only ")


async def test_statistics_that_are_turned_off_are_warned_of(ask: Ask, connect: Connect) -> None:
    connection = await connect()
    name = await connection.fetchval("select quote_ident(current_database())")
    await connection.execute(f"alter database {name} set pg_stat_statements.track = 'none'")
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where usename = 'roost_doctor' and datname = current_database()"
    )
    found = check(await ask("health"), "statementStatistics")
    assert (found["status"], found["detail"]) == ("warn", OFF.reason)
    assert (await ask("queries"))["window"]["reason"] == str(OFF)


async def test_tables_tell_their_size_and_their_dead_rows(ask: Ask, connect: Connect) -> None:
    connection = await connect()
    await connection.execute(
        "create table things (id int primary key, t text)"
        " with (autovacuum_enabled = off, autovacuum_vacuum_threshold = 7,"
        " autovacuum_vacuum_scale_factor = 0);"
        "insert into things select n, repeat('x', 100) from generate_series(1, 20000) n;"
        "delete from things where id % 4 > 0; analyze things"
    )

    async def counted() -> Any:
        (found,) = [each for each in await ask("tables") if each["name"] == "things"]
        return found if found["deadRows"] == 15_000 else None

    found = await until(counted)
    assert (found["rows"], found["deadShare"], found["vacuum"]) == (5_000, 0.75, "off")
    assert found["vacuumAt"] == 7
    assert found["bytes"] == found["tableBytes"] + found["indexBytes"] + found["toastBytes"] or (
        found["bytes"] > found["tableBytes"]
    )
    dead = check(await ask("health"), "deadRows")
    assert (dead["status"], dead["items"][0]["table"]) == ("critical", "things")


WAITS = st.dictionaries(
    st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=4), max_size=9
)


@given(WAITS, st.integers(1, 9))
def test_who_is_held_up_is_who_waits_by_way_of_others_and_circles_end(
    waits: dict[int, list[int]], pid: int
) -> None:
    found = held_up(pid, waits)
    assert pid not in found
    assert {waiter for waiter, blockers in waits.items() if pid in blockers} - {pid} <= found
    for waiter in found:
        assert set(waits[waiter]) & (found | {pid})
