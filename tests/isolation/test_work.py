"""A route does the same work in the database for another tenant's id as for one of nobody."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from tests.isolation.cast import make_cast, places
from tests.isolation.operations import operations
from tests.isolation.served import Served, serving_in_process
from tests.isolation.tenants import MINE, THEIRS

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTEMPTS = 4
"""What the server does beside requests may fall into one comparison, but not into each."""
WORK = """
select s.query, s.calls, s.shared_blks_hit + s.shared_blks_read as blocks
from pg_stat_statements s join pg_roles r on r.oid = s.userid
where r.rolname = 'roost_app' and s.dbid = (select oid from pg_database
    where datname = current_database()) and s.query not like '%journal.%'
    and s.query not like '%pg_current_snapshot%' and s.query not like '%expire_executions%'
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(isolated_database: str) -> AsyncIterator[Served]:
    """The application on a database of the module's own."""
    async with serving_in_process(isolated_database) as found:
        yield found


async def _work(connection: Any, ask: Callable[[], Any]) -> dict[str, tuple[int, int]]:
    """Give each statement's calls and blocks of a few requests."""
    before = {row["query"]: row for row in await connection.fetch(WORK)}
    for _ in range(3):
        await ask()
    found = {}
    for row in await connection.fetch(WORK):
        old = before.get(row["query"])
        calls = row["calls"] - (old["calls"] if old else 0)
        if calls:
            found[row["query"]] = (calls, row["blocks"] - (old["blocks"] if old else 0))
    return found


async def test_a_route_does_for_anothers_id_what_it_does_for_nobodys(
    served: Served, isolated_database: str, counted: Callable[[str, int], None]
) -> None:
    connection = await asyncpg.connect(isolated_database)
    mine = await make_cast(connection, MINE)
    headers = await mine.token(mine.users["owner"])
    wrong, tried = [], 0
    for operation in operations(served.document):
        by_secret = {"token", "link"} & {*operation.places}
        if not operation.permission or not operation.names_rows or by_secret:
            continue
        theirs = await make_cast(connection, THEIRS)
        given = await places(operation, theirs, "owner", served)
        nobodys = {name: str(uuid4()) if "id" in name else given[name] for name in operation.places}

        def asking(values: Any, operation: Any = operation) -> Callable[[], Any]:
            path = operation.path
            for name in operation.places:
                path = path.replace("{" + name + "}", values[name])
            return lambda: served.ask(operation.method, path, headers, operation.body)

        for values in (given, nobodys):  # what is cold is warm the second time
            await _work(connection, asking(values))
        for _ in range(ATTEMPTS):
            first = await _work(connection, asking(given))
            second = await _work(connection, asking(nobodys))
            if first == second:
                break
        tried += 1
        wrong += [
            f"{operation.id}: {first.get(query)} {second.get(query)} {query[:3000]}"
            for query in first.keys() | second.keys()
            if first.get(query) != second.get(query)
        ]
    await connection.close()
    assert not wrong, "\n".join(wrong)
    counted("routes that do the same work for another tenant's id and for nobody's", tried)
