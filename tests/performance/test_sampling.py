"""The sampler: what it writes down of pg_stat_statements, on a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from roost.db.pool import Database, Transaction
from roost.db.roles import APP_ROLE, DOCTOR_ROLE
from roost.db.tenancy import Context
from roost.performance import figures
from roost.performance.duties import Duty
from roost.performance.sampling import Look, look
from tests.support.schema import as_role, pool_config


class Bench:
    """The doctor's connections, and a superuser's who makes work for the server."""

    def __init__(self, doctor: Database, admin: Any) -> None:
        self.doctor = doctor
        self.admin = admin

    async def look(self, heaviest: int = 100) -> Look:
        return await self.doctor.write(Context(), lambda t: look(t, heaviest=heaviest))

    async def work(self, name: str, times: int, pause: float = 0.0) -> None:
        await self.admin.execute(f"create table if not exists {name} (id int)")
        for number in range(times):
            await self.admin.execute(f"select {number}, count(*), pg_sleep({pause}) from {name}")

    async def written(self, name: str) -> list[tuple[int, int]]:
        rows = await self.admin.fetch(
            "select d.calls, d.rows from performance.delta d"
            " join performance.statement s using (query_id)"
            " where s.text like $1 order by d.at",
            f"select % from {name}",
        )
        return [tuple(row) for row in rows]

    async def forget(self) -> None:
        """Have the server forget its counts of this database."""
        await self.admin.execute(
            "select pg_stat_statements_reset(0, oid, 0) from pg_database"
            " where datname = current_database()"
        )

    async def pass_an_hour(self) -> None:
        await self.admin.execute("update performance.sample set at = at - interval '1 hour'")


@pytest.fixture
async def bench(fresh_roost_database: str) -> AsyncIterator[Bench]:
    config = pool_config(fresh_roost_database)
    doctor = await Database.connect(
        type(config)(as_role(fresh_roost_database, DOCTOR_ROLE), max_connections=2)
    )
    admin = await asyncpg.connect(fresh_roost_database)
    yield Bench(doctor, admin)
    await admin.close()
    await doctor.close()


async def test_a_look_writes_what_was_counted_since_the_look_before(bench: Bench) -> None:
    await bench.work("early", 5)
    await bench.look()
    await bench.work("early", 3)
    await bench.look()
    await bench.look()
    await bench.work("early", 2)
    await bench.look()
    assert await bench.written("early") == [(3, 3), (2, 2)]


async def test_the_first_look_only_remembers(bench: Bench) -> None:
    await bench.work("early", 5)
    found = await bench.look()
    assert found.statements > 0
    assert found.written == 0
    assert await bench.written("early") == []


async def test_a_statement_that_is_new_is_written_with_all_its_calls(bench: Bench) -> None:
    await bench.look()
    await bench.work("fresh", 4)
    await bench.look()
    assert await bench.written("fresh") == [(4, 4)]


async def test_counts_set_to_zero_in_between_are_recognised(bench: Bench) -> None:
    await bench.work("again", 5)
    await bench.look()
    await bench.forget()
    await bench.admin.execute(
        "update performance.sample set stats_reset = stats_reset - interval '1 s'"
    )
    await bench.work("again", 7)  # more than before: only the time of the reset tells
    found = await bench.look()
    assert found.was_reset
    assert await bench.written("again") == [(7, 7)]
    await bench.work("again", 1)
    assert not (await bench.look()).was_reset
    assert await bench.written("again") == [(7, 7), (1, 1)]


@pytest.mark.parametrize(("before", "after"), [(5, 2), (2, 5)])
async def test_a_statement_that_the_server_forgot_is_counted_from_zero(
    bench: Bench, before: int, after: int
) -> None:
    """With more calls than before, only the moment since when it is counted tells: from 17 on."""
    await bench.work("again", before)
    await bench.look()
    await bench.forget()
    await bench.work("again", after)
    await bench.look()
    assert await bench.written("again") == [(after, after)]


async def test_what_light_statements_did_is_written_later_and_whole(bench: Bench) -> None:
    await bench.work("light", 1)
    await bench.look()
    for _ in range(3):
        await bench.work("light", 2)
        await bench.work("heavy", 1, pause=0.5)
        assert (await bench.look(heaviest=1)).written == 1
    assert await bench.written("light") == []
    assert await bench.written("heavy") == [(1, 1)] * 3
    await bench.pass_an_hour()
    await bench.look(heaviest=1)
    assert await bench.written("light") == [(6, 6)]


async def test_no_literal_is_written_down(bench: Bench) -> None:
    await bench.look()
    await bench.admin.execute("select 'hunter2', 1 /* hunter2 */ from pg_am")
    await bench.admin.execute("create role hunter2_role password 'hunter2'; drop role hunter2_role")
    await bench.look()
    rows = await bench.admin.fetch("select text, name from performance.statement")
    assert any("from pg_am" in row["text"] for row in rows)
    assert not any("hunter2" in f"{row['text']}{row['name']}" for row in rows)


async def test_the_names_of_statements_are_read_from_their_texts(bench: Bench) -> None:
    await bench.look()
    await bench.look()
    names = await bench.admin.fetch("select name from performance.statement where name is not null")
    assert "select performance.last_sample" in {row["name"] for row in names}


async def test_of_several_at_once_one_does_the_duty(bench: Bench) -> None:
    done: list[int] = []

    async def work(_transaction: Any) -> int:
        done.append(1)
        return 1

    duties = [Duty(bench.doctor, "test", 3600.0) for _ in range(8)]
    found = await asyncio.gather(*(duty.turn(work) for duty in duties))
    assert (len(done), sorted(each or 0 for each in found)) == (1, [0] * 7 + [1])


async def test_a_duty_that_failed_is_due_at_once(bench: Bench) -> None:
    duty = Duty(bench.doctor, "test", 3600.0)

    async def fail(_transaction: Any) -> None:
        raise RuntimeError

    async def work(_transaction: Any) -> str:
        return "done"

    with pytest.raises(RuntimeError):
        await duty.turn(fail)
    assert await duty.turn(work) == "done"
    assert await duty.turn(work) is None


async def test_a_role_whose_counts_are_forgotten_makes_nobodys_calls_count_twice(
    bench: Bench, fresh_roost_database: str
) -> None:
    await bench.work("shared", 5)
    await bench.admin.execute("grant select on shared to roost_app")
    other = await asyncpg.connect(as_role(fresh_roost_database, APP_ROLE))
    for number in range(4):
        await other.execute(f"select {number}, count(*), pg_sleep(0) from shared")
    await other.close()
    await bench.look()
    await bench.admin.execute(
        "select pg_stat_statements_reset(r.oid, d.oid, 0) from pg_roles r, pg_database d"
        " where r.rolname = 'roost_app' and d.datname = current_database()"
    )
    await bench.work("shared", 3)
    await bench.look()
    assert await bench.written("shared") == [(3, 3)]


async def test_what_cannot_be_read_is_told_and_takes_nothing_else_along(bench: Bench) -> None:
    await bench.admin.execute("revoke select on pg_stat_statements_info from public")

    async def work(transaction: Transaction) -> Look:
        await figures.store_of_database(transaction)
        return await look(transaction)

    found = await bench.doctor.write(Context(), work)
    assert found.reason is not None
    assert "permission denied" in found.reason
    assert await bench.admin.fetchval("select count(*) from performance.gauge") > 5
