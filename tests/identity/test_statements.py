"""The statements that set their own context give the same rows however they are planned."""

import itertools
from typing import Any

from sqlalchemy import select

from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, Context, tenant_read
from roost.identity.access import credentials
from roost.identity.access.principals import TOKEN_PRINCIPAL
from roost.identity.queries import USER_ITEM
from roost.identity.tables import memberships
from tests.identity.conftest import Somebody, World

SWITCHES = ("nestloop", "hashjoin", "mergejoin", "indexscan", "bitmapscan", "seqscan", "material")
_PLAIN = tenant_read(
    "select memberships",
    select(memberships.c.role).where(memberships.c.workspace_id == TENANT_ID),
)


async def test_no_plan_runs_before_its_context_is_set(
    world: World, ann: Somebody, bob: Somebody
) -> None:
    # Statistics let the planner see that the tables are tiny, and any join as good as another.
    await world.owner.execute("analyze users, memberships, workspaces, access_tokens")
    tenant = Context(ann.workspace_id, ann.id).values()
    cases: list[tuple[Statement, dict[str, Any]]] = [
        (_PLAIN, tenant),
        (USER_ITEM, {**tenant, "user": ann.id}),
        (
            TOKEN_PRINCIPAL,
            {"credential": credentials.digest(ann.token).hex(), "wanted": ""},
        ),
    ]
    async with world.database.connection() as connection:
        for combination in itertools.product(("on", "off"), repeat=len(SWITCHES)):
            settings = zip(SWITCHES, combination, strict=True)
            async with connection.transaction():
                for name, value in settings:
                    await connection.execute(f"set local enable_{name} = {value}")
                for statement, values in cases:
                    # A savepoint, so that no case sees the context of the one before.
                    save = connection.transaction()
                    await save.start()
                    rows = await connection.fetch(statement.sql, *statement.arguments(values))
                    await save.rollback()
                    assert len(rows) == 1, (statement.name, combination)
                    assert str(bob.id) not in str(rows)
