"""The plan that PostgreSQL would follow, asked for without running anything."""

from typing import Any, Final

import asyncpg
import msgspec
from pglast import parse_sql
from pglast.ast import DeleteStmt, InsertStmt, MergeStmt, SelectStmt, UpdateStmt
from pglast.parser import ParseError

from roost.db.faults import DatabaseError
from roost.db.pool import Database

_PLANNED: Final = (SelectStmt, InsertStmt, UpdateStmt, DeleteStmt, MergeStmt)
LIMIT_MS: Final = 2_000
_CAREFULLY: Final = (
    f"set local statement_timeout = {LIMIT_MS}; set local plan_cache_mode = force_generic_plan"
)

_PARAMETERS: Final = (
    "select cardinality(parameter_types) from pg_prepared_statements where name = 'roost_plan'"
)


class Plan(msgspec.Struct, rename="camel"):
    """PostgreSQL's plan for any parameters, or why there is none."""

    plan: Any = None
    reason: str | None = None

    @property
    def cost(self) -> float | None:
        """What PostgreSQL thinks that it costs, in the planner's units."""
        return None if self.plan is None else float(self.plan["Total Cost"])


async def plan_of(database: Database, text: str) -> Plan:
    """Ask for a statement's plan with the pool's role; `text` may have `$n` for values."""
    try:
        async with database.connection() as connection:
            return await plan_on(connection, text)
    except (asyncpg.InterfaceError, DatabaseError) as error:
        return Plan(reason=f"PostgreSQL gives none: {error}")


async def plan_on(connection: Any, text: str) -> Plan:  # noqa: ANN401 -- asyncpg's proxies
    """Ask for a plan on a connection, in a transaction that is rolled back."""
    if not is_planned(text):
        return Plan(reason="Only SELECT, INSERT, UPDATE, DELETE and MERGE have a plan.")
    block = connection.transaction(readonly=True)
    await block.start()
    try:
        await connection.execute(_CAREFULLY)
        said = await _explained(connection, text)
    except asyncpg.PostgresError as error:
        return Plan(reason=f"PostgreSQL gives none: {error.args[0]}")
    finally:
        await block.rollback()
    return Plan(plan=msgspec.json.decode(said)[0]["Plan"])


async def _explained(connection: Any, text: str) -> str:  # noqa: ANN401 -- asyncpg's proxies
    """Prepare it and explain that: the one way to be told a plan for `$n` over asyncpg."""
    await connection.execute(f"prepare roost_plan as {text}")
    try:
        # A savepoint: what is prepared outlives its transaction, and is to go whatever happens.
        async with connection.transaction():
            number = await connection.fetchval(_PARAMETERS)
            values = f"({', '.join(['null'] * number)})" if number else ""
            said = await connection.fetchval(f"explain (format json) execute roost_plan{values}")
    finally:
        await connection.execute("deallocate roost_plan")
    return str(said)


def is_planned(text: str) -> bool:
    """Whether it is one statement, of a kind that has a plan."""
    try:
        parsed = parse_sql(text)
    except (ParseError, UnicodeError):
        return False
    return len(parsed) == 1 and isinstance(parsed[0].stmt, _PLANNED)
