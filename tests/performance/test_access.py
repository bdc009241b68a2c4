"""Who may ask the doctor."""

from contextlib import AsyncExitStack
from uuid import uuid4

import asyncpg
import pytest

from roost.db.roles import DOCTOR_ROLE
from roost.performance.routes import PerformanceRoutes
from tests.performance.conftest import Ask
from tests.support.house import House
from tests.support.schema import as_role


async def test_every_question_is_for_administrators_only(house: House) -> None:
    for endpoint in PerformanceRoutes(house.kit).endpoints():
        path = endpoint.path.replace("{id:str}", str(uuid4()))
        found = 404 if path != endpoint.path else 201 if endpoint.method == "POST" else 200
        for bearer, status in (("alice", found), ("mia", 403), ("reader", 403), (None, 401)):
            answer = await house.client(bearer).request(endpoint.method, path)
            assert answer.status_code == status, (endpoint.path, bearer, answer.text)


@pytest.mark.parametrize("question", ["health", "indexes", "tables", "locks", "connections"])
async def test_an_unknown_parameter_is_refused_by_name(house: House, question: str) -> None:
    answer = await house.client("alice").get(f"/api/v1/performance/{question}?depth=3")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "depth"


async def test_the_doctor_s_role_reads_no_row_of_any_table(fresh_roost_database: str) -> None:
    connection = await asyncpg.connect(as_role(fresh_roost_database, DOCTOR_ROLE))
    try:
        readable = await connection.fetch(
            "select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname in ('public', 'journal', 'sync') and c.relkind in ('r', 'p')"
            " and (has_any_column_privilege(c.oid, 'select, update')"
            "      or has_table_privilege(c.oid, 'delete, truncate')"
            "      or has_any_column_privilege(c.oid, 'insert')"
            "         and c.oid <> 'audit_events'::regclass)"
        )
        assert readable == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from audit_events")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from tasks")
        assert not await connection.fetchval(
            "select pg_has_role(current_user, 'roost_app', 'member')"
        )
    finally:
        await connection.close()


async def test_the_doctor_answers_when_the_pool_is_run_dry(house: House, ask: Ask) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(house.database.config.max_connections):
            await stack.enter_async_context(house.database.connection())
        pool = (await ask("connections"))["pool"]
        assert (pool["used"], pool["utilisation"]) == (pool["limit"], 1.0)
