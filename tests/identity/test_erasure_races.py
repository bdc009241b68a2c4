"""Erasures that meet others at work, or break off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from uuid_utils.compat import uuid7

from roost.db.pool import Silent, Transaction
from roost.db.roles import APP_ROLE
from roost.db.tenancy import SET_CONTEXT, Context
from roost.identity.audit.trail import Trail
from roost.identity.users.erasure import erase_user
from tests.identity.conftest import Somebody, World, until
from tests.identity.test_erasure import all_seeing as all_seeing  # noqa: PLC0414 -- a fixture
from tests.identity.test_erasure import erase, everything, holding, join
from tests.identity.test_erasure import rows as rows  # noqa: PLC0414 -- a fixture
from tests.support.schema import as_role


async def test_an_erasure_that_breaks_off_has_changed_nothing(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    before = await everything(all_seeing)
    context = Context(None, rows["users"])

    async def work(transaction: Transaction) -> None:
        await erase_user(transaction, rows["users"], context, Trail(None, rows["users"]))
        await transaction.connection.execute("select pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(Exception, match=r"terminat|lost|closed"):
        await world.database.write(context, work)
    assert await everything(all_seeing) == before


@asynccontextmanager
async def acting(url: str, context: Context) -> AsyncIterator[Any]:
    """Give a connection of the pool's role in a transaction with this context."""
    connection = await asyncpg.connect(as_role(url, APP_ROLE))
    try:
        async with connection.transaction():
            await connection.fetchrow(SET_CONTEXT.sql, *SET_CONTEXT.arguments(context.values()))
            yield connection
    finally:
        await connection.close()


async def test_the_function_acts_on_nobody_but_who_acts(
    fresh_roost_database: str, ann: Somebody, bob: Somebody, all_seeing: Any
) -> None:
    before = await everything(all_seeing)
    for context in (
        Context(),
        Context(ann.workspace_id),
        Context(ann.workspace_id, bob.id, actor_id=ann.id),
    ):
        async with acting(fresh_roost_database, context) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.fetchval("select erase_user()")
    for call in (f"forget_user('{bob.id}')", "journal.redact('public.users', 'id', '{x}')"):
        async with acting(fresh_roost_database, Context(ann.workspace_id, ann.id)) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.fetchval(f"select {call}")
    assert await everything(all_seeing) == before


DOCUMENT = (
    "insert into documents (workspace_id, id, user_id, kind, key, content)"
    " values ($1, $2, $3, 'draft', 'marker', 'marker')"
)


async def test_what_was_being_written_goes_with_the_rest(
    world: World, fresh_roost_database: str, ann: Somebody, all_seeing: Any
) -> None:
    context = Context(ann.workspace_id, ann.id)
    async with acting(fresh_roost_database, context) as writer:
        await writer.execute(DOCUMENT, ann.workspace_id, uuid7(), ann.id)
        erasing = asyncio.create_task(erase(world, ann.id))
        await until(lambda: waiting(all_seeing, 1))
    await erasing
    assert await holding(all_seeing, "marker") == set()


async def waiting(all_seeing: Any, how_many: int) -> bool:
    found = await all_seeing.fetchval(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    return bool(found == how_many)


SESSION = (
    "insert into sessions (id, user_id, token_hash, user_agent, expires_at)"
    " values ($2, $3, 'marker', 'marker', now() + $1 * interval '1 second')"
)


EVENT = (
    "insert into audit_events (workspace_id, id, actor_id, action, address)"
    " values ($1, $2, $3, 'logout', 'marker')"
)


@pytest.mark.parametrize("statement", [DOCUMENT, EVENT, SESSION])
async def test_what_comes_too_late_is_refused(
    fresh_roost_database: str, ann: Somebody, bob: Somebody, all_seeing: Any, statement: str
) -> None:
    await join(all_seeing, bob.workspace_id, ann.id, "member")
    first = 1 if statement is SESSION else bob.workspace_id

    async def write() -> None:
        async with acting(fresh_roost_database, Context(bob.workspace_id, ann.id)) as late:
            await late.execute(statement, first, uuid7(), ann.id)

    async with acting(fresh_roost_database, Context(None, ann.id)) as connection:
        transaction = Transaction(connection, Silent())
        await erase_user(transaction, ann.id, Context(None, ann.id), Trail(None, ann.id))
        writing = asyncio.create_task(write())
        await until(lambda: waiting(all_seeing, 1))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await writing
    assert await holding(all_seeing, "marker") == set()


async def test_a_profile_that_is_saved_at_the_same_moment_stays_empty(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, all_seeing: Any
) -> None:
    for turn in range(8):
        who = await world.somebody(f"turn{turn}@example.test")
        await join(all_seeing, ann.workspace_id, who.id, "member")
        change = identity_app.patch(
            f"/api/v1/users/{who.id}", json={"name": "marker"}, headers=who.headers
        )
        goodbye = identity_app.post(
            f"/api/v1/users/{who.id}/erase", json={"confirm": who.email}, headers=who.headers
        )
        changed, erased = await asyncio.gather(change, goodbye)
        assert erased.status_code == 204, erased.text
        assert changed.status_code in {200, 401, 404}, changed.text
        assert await holding(all_seeing, "marker") == set()
        assert await holding(all_seeing, who.email) == set()
