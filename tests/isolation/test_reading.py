"""Every way SQL has of reading a table shows a tenant its own rows only, errors and notices too."""

import io
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from tests.db.rows import TABLES, key_of
from tests.isolation.tenants import MINE, THEIRS, Tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEAK = """
create function pg_temp.leak(given text) returns boolean language plpgsql cost 0.0000001 as $$
begin
  raise notice 'seen: %', given;
  return true;
end $$
"""
READS = {
    # {0} is the table, {1} its key, $1 the key of the other tenant's row
    "plain": "select t::text from {0} t where {1} = $1",
    "all": "select t::text from {0} t where $1::uuid is not null",
    "for update": "select t::text from {0} t where {1} = $1 for update",
    "for no key update": "select t::text from {0} t where {1} = $1 for no key update",
    "for share": "select t::text from {0} t where {1} = $1 for share",
    "for key share": "select t::text from {0} t where {1} = $1 for key share",
    "cte": "with x as materialized (select * from {0}) select x::text from x where {1} = $1",
    "inlined cte": "with x as not materialized (select * from {0}) "
    "select x::text from x where {1} = $1",
    "recursive": "with recursive x(k) as (select {1} from {0} union select t.{1} from {0} t, x "
    "where t.{1} <> x.k) select k::text from x where k = $1",
    "scalar subquery": "select (select t::text from {0} t where {1} = $1)",
    "exists": "select 'found' where exists (select from {0} where {1} = $1)",
    "in": "select 'found' where $1 in (select {1} from {0})",
    "lateral": "select x::text from (values ($1::uuid)) v(k), "
    "lateral (select * from {0} where {1} = v.k) x",
    "full join": "select t::text from {0} t full join (values ($1::uuid)) v(k) on v.k = t.{1} "
    "where v.k = $1",
    "aggregate": "select nullif(count(*), 0)::text from {0} where {1} = $1",
    "filter": "select nullif(count(*) filter (where {1} = $1), 0)::text from {0}",
    "strings": "select string_agg(t::text, '') from {0} t where $1::uuid is not null",
    "json": "select json_agg(t)::text from {0} t where $1::uuid is not null",
    "window": "select t::text || row_number() over () from {0} t where $1::uuid is not null",
    "union": "select {1}::text from {0} where {1} = $1 union all select t::text from {0} t",
    "tablesample": "select t::text from {0} t tablesample bernoulli (100) "
    "where $1::uuid is not null",
    "system sample": "select t::text from {0} t tablesample system (100) "
    "where $1::uuid is not null",
    "by place": "select t::text from {0} t where ctid >= '(0,0)' and $1::uuid is not null",
    "system columns": "select xmin::text from {0} where {1} = $1",
    "division": "select t::text from {0} t where $1::uuid is not null "
    "and 1 / (case when t::text like '%' || '" + THEIRS + "' || '%' then 0 else 1 end) = 1",
    "cast": "select t::text from {0} t where $1::uuid is not null "
    "and case when t::text like '%" + THEIRS + "%' then t::text::int else 1 end = 1",
    "division by key": "select 'x' from {0} where 1 / (case when {1} = $1 then 0 else 1 end) = 0",
    "notice": "select t::text from {0} t where pg_temp.leak(t::text) and $1::uuid is not null",
    "notice of one": "select t::text from {0} t where {1} = $1 and pg_temp.leak(t::text)",
    "regular expression": "select t::text from {0} t where $1::uuid is not null and t::text ~ "
    "(case when t::text like '%" + THEIRS + "%' then '(' else '.' end)",
    "sorted by an error": "select t::text from {0} t where $1::uuid is not null "
    "order by 1 / (case when t::text like '%" + THEIRS + "%' then 0 else 1 end)",
    "grouped": "select count(*)::text from {0} where {1} = $1 group by {1}",
    "explained": "explain (analyze, costs off, timing off, summary off, buffers off) "
    "select * from {0} where {1} = $1",
}
UNUSABLE = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)
"""Of a right that the role has for no row; of no column to sort by."""


async def _read(connection: Any, sql: str, key: object) -> tuple[str, list[str]]:
    """Run it in a savepoint; gives all that it says, and its notices."""
    said: list[str] = []
    listener: Callable[..., None] = lambda _connection, notice: said.append(str(notice))  # noqa: E731
    connection.add_log_listener(listener)
    try:
        async with connection.transaction():
            if sql.startswith("explain"):
                # A plan quotes the question; what counts is that it found nothing.
                plan = (await connection.fetch(sql.replace("$1", f"'{key}'")))[0][0]
                return "" if "actual rows=0" in plan else f"{THEIRS} in {plan}", said
            return " ".join(str(row[0]) for row in await connection.fetch(sql, key) if row[0]), said
    except UNUSABLE as error:
        return str(error), said
    finally:
        connection.remove_log_listener(listener)


@pytest.mark.parametrize("actor", ["nobody", "member", "colleague"])
async def test_no_way_of_reading_shows_another_tenants_row(
    tenants: Tenants, actor: str, counted: Callable[[str, int], None]
) -> None:
    wrong, tried = [], 0
    async with tenants.acting(actor) as connection:
        await connection.execute(LEAK)
        for table in TABLES:
            for name, sql in READS.items():
                text = sql.format(f'"{table}"', f'"{key_of(table)}"')
                answer, notices = await _read(connection, text, tenants.theirs[table])
                tried += 1
                single = name in {"exists", "in", "aggregate", "filter", "grouped", "plain"}
                shown = tenants.shows(answer + " ".join(notices)) or (
                    single and answer and "permission denied" not in answer and answer
                )
                if shown:
                    wrong.append(f"{actor}, {table}, {name}: {shown}")
    assert not wrong, "\n".join(wrong)
    counted("readings of tables as SQL can write them", tried)


@pytest.mark.parametrize("actor", ["nobody", "member", "colleague"])
async def test_an_answers_own_rows_are_there_so_that_the_readings_prove_something(
    tenants: Tenants, actor: str
) -> None:
    async with tenants.acting(actor) as connection:
        rows = await connection.fetch("select t::text from tasks t where pg_sleep(0) is not null")
    assert [MINE in row[0] for row in rows] == ([] if actor == "nobody" else [True])


@pytest.mark.parametrize("actor", ["nobody", "member"])
async def test_copy_cursors_and_views_show_no_more(tenants: Tenants, actor: str) -> None:
    async with tenants.acting(actor) as connection:
        for table in TABLES:
            for copy in (f'copy "{table}" to stdout', f'copy (select * from "{table}") to stdout'):
                output = io.BytesIO()
                if "(" in copy:
                    await connection.copy_from_query(f'select * from "{table}"', output=output)
                else:
                    await connection.copy_from_table(table, output=output)
                assert tenants.shows(output.getvalue().decode()) is None, copy
            await connection.execute(f'declare c scroll cursor for select t::text from "{table}" t')
            rows = await connection.fetch("fetch all c")
            rows += await connection.fetch("fetch absolute 1 c")
            await connection.execute("close c")
            await connection.execute(f'create temp view v as select * from "{table}"')
            rows += await connection.fetch("select v::text from v")
            await connection.execute("drop view v")
            await connection.execute(f'prepare p as select t::text from "{table}" t')
            rows += await connection.fetch("execute p")
            await connection.execute("deallocate p")
            await connection.execute(f'create temp table kept as select * from "{table}"')
            rows += await connection.fetch("select kept::text from kept")
            await connection.execute("drop table kept")
            text = " ".join(row[0] for row in rows)
            assert tenants.shows(text) is None, table
            assert actor == "member" or not text


async def test_what_a_transaction_reads_with_another_tenants_plan_is_its_own(
    tenants: Tenants,
) -> None:
    """A prepared statement is planned once; the tenant is looked up at each execution."""
    statement = await tenants.app.prepare("select workspace_id from tasks")
    for _ in range(8):
        for tenant in (tenants.mine, tenants.theirs):
            async with tenants.app.transaction():
                await tenants.app.fetchval(
                    "select set_config('roost.workspace_id', $1, true)", str(tenant["workspaces"])
                )
                assert [row[0] for row in await statement.fetch()] == [tenant["workspaces"]]
        assert await statement.fetch() == []


async def test_statistics_of_values_are_not_shown(tenants: Tenants) -> None:
    """What ANALYZE has gathered holds values of all tenants."""
    for actor in ("nobody", "member"):
        async with tenants.acting(actor) as connection:
            for view in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
                rows = await connection.fetch(
                    f"select tablename from {view} where schemaname in ('public', 'journal')"
                    " and tablename = any ($1)",
                    [*TABLES, "journal"],
                )
                assert rows == [], view
            for table in ("pg_statistic", "pg_statistic_ext_data", "pg_authid"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.fetchval(f"select count(*) from {table}")
    known = await tenants.all_seeing.fetchval(
        "select count(*) from pg_stats where tablename = 'tasks'"
    )
    assert known > 0


async def test_what_other_roles_run_is_not_shown(tenants: Tenants) -> None:
    await tenants.all_seeing.fetchval(f"select '{THEIRS}' as secret_of_another_role")
    for view, column in (("pg_stat_activity", "query"), ("pg_stat_statements", "query")):
        rows = await tenants.app.fetch(f"select {column} as text from {view}")
        assert not any("secret_of_another_role" in (row["text"] or "") for row in rows), view


CONFLICTS = {
    "tasks": "(workspace_id, id)",
    "environments": "(workspace_id, id)",
    "memberships": "(workspace_id, user_id)",
}


async def test_on_conflict_and_merge_reach_no_other_tenants_row(tenants: Tenants) -> None:
    before = await tenants.their_rows()
    mine, theirs = tenants.mine["workspaces"], tenants.theirs
    name = "insert into workspaces (id, slug, name, created_by) values ($1, $2, 'w', $3)"
    slug = await tenants.all_seeing.fetchval(
        "select slug from workspaces where id = $1", theirs["workspaces"]
    )
    for action in (
        "do update set name = 'taken' returning name",
        "do update set name = excluded.name",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenants.acting("member") as connection:
                await connection.fetch(
                    f"{name} on conflict (slug) {action}", mine, slug, tenants.mine["users"]
                )
    async with tenants.acting("member") as connection:
        # The same id in another workspace is another row: no conflict, and nothing told.
        done = await connection.execute(
            "insert into tasks (workspace_id, id, title) values ($1, $2, 't')"
            " on conflict (workspace_id, id) do update set title = 'taken'",
            mine,
            theirs["tasks"],
        )
        assert done == "INSERT 0 1"
        merged = await connection.execute(
            "merge into tasks t using (values ($1::uuid)) v(id) on t.id = v.id and"
            " t.workspace_id <> $2 when matched then update set title = 'taken'",
            theirs["tasks"],
            mine,
        )
        assert merged == "MERGE 0"
        for sql in (
            "update tasks t set title = '' from users u where t.workspace_id <> $1 returning title",
            "delete from tasks t using workspaces w where t.workspace_id <> $1 returning t.title",
            "with x as (delete from messages where workspace_id <> $1 returning *) select * from x",
        ):
            assert await connection.fetch(sql, mine) == []
    assert await tenants.their_rows() == before
