"""Writers of tasks, messages and environments that do everything one can do to them."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from roost.db.faults import ContentionError
from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context

MEDDLE = """
create function meddle() returns trigger language plpgsql as $$ begin
    if pg_trigger_depth() < 3 and new.title like 'meddle%'
        and get_byte(uuid_send(new.id), 15) % 3 = 0
    then
        update tasks set position = coalesce(position, 0) + 1
        where workspace_id = new.workspace_id and title like 'meddle%';
    end if;
    return null;
end $$;
create trigger meddle after insert or update on tasks for each row execute function meddle();
"""
"""A trigger that changes rows of the statement it runs in: the journal has them in odd orders."""
STATEMENTS: dict[str, str] = {
    # each with the names of its parameters
    "insert into tasks (workspace_id, id, title, labels, description) values ($1, $2, $3, $4, $5)"
    " on conflict (workspace_id, id) do update set title = excluded.title":
        "workspace task title labels words",
    "update tasks set title = $3, version = version + 1 where workspace_id = $1 and id = $2":
        "workspace task title",
    "update tasks set metadata = jsonb_build_object('n', $2::text), labels = $3, updated_at = now()"
    " where workspace_id = $1": "workspace words labels",
    "update tasks set title = 'meddle ' || left(title, 5) where workspace_id = $1 and id = any($2)":
        "workspace tasks",
    "update tasks set environment_id = (select id from environments where workspace_id = $1"
    " order by id limit 1) where workspace_id = $1 and id = $2": "workspace task",
    "update tasks set archived_at = now(), description = $3 where workspace_id = $1 and id = $2":
        "workspace task words",
    "delete from tasks where workspace_id = $1 and id = $2": "workspace task",
    "insert into messages (workspace_id, id, task_id, position, role, text)"
    " select $1, gen_random_uuid(), $2, (select coalesce(max(position) + 1, 0) from messages"
    " where workspace_id = $1 and task_id = $2), 'user', $3"
    " where exists (select from tasks where workspace_id = $1 and id = $2 for update)":
        "workspace task words",
    "insert into environments (workspace_id, id, user_id, name, config) values ($1, $2, $1, $3,"
    " '{\"a\": 1.50}') on conflict (workspace_id, id) do update set name = excluded.name,"
    " is_active = not environments.is_active": "workspace environment title",
    "delete from environments where workspace_id = $1 and id = $2": "workspace environment",
    "insert into environment_secrets (workspace_id, id, environment_id, name, ciphertext)"
    " select $1, gen_random_uuid(), $2, $3, '\\x00' where exists (select from environments"
    " where workspace_id = $1 and id = $2) on conflict (workspace_id, environment_id, name)"
    " do update set updated_at = now()": "workspace environment label",
    "delete from environment_secrets where workspace_id = $1 and name = $2": "workspace label",
}  # fmt: skip
EXPECTED = (
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    ContentionError,
)
WORDS = ("", 'a "b"', "roof\\ and,(more)", "x" * 3000, "ünï\ncode")


class Writer:
    """One after the other, transactions of every kind, in a few workspaces."""

    def __init__(self, database: Database, workspaces: Sequence[UUID], seed: int) -> None:
        self.database = database
        self.workspaces = workspaces
        self.random = random.Random(seed)

    def _values(self, workspace: UUID) -> dict[str, Any]:
        # A few ids, so that the writers meet.
        def of(kind: int, count: int) -> UUID:
            return UUID(int=workspace.int ^ (kind << 64) ^ self.random.randrange(count))

        return {
            "workspace": workspace,
            "task": of(1, 12),
            "tasks": [of(1, 12) for _ in range(4)],
            "environment": of(2, 3),
            "title": self.random.choice(["one", "meddle two", "three", "roof"]),
            "labels": self.random.sample(["a", "b,c", 'd"e'], self.random.randrange(3)),
            "label": self.random.choice(["A", "B"]),
            "words": self.random.choice(WORDS),
        }

    async def transaction(self) -> None:
        """Do one; what goes wrong undoes it, or its savepoint."""
        workspace = self.random.choice(self.workspaces)

        async def work(transaction: Transaction) -> None:
            await self._some(transaction.connection, workspace, 0)
            if self.random.random() < 0.05:
                await asyncio.sleep(0.1)
                await self._some(transaction.connection, workspace, 0)
            if self.random.random() < 0.1:
                raise KeyError

        try:
            await self.database.write(Context(workspace), work)
        except (*EXPECTED, KeyError):
            pass

    async def _some(self, connection: Any, workspace: UUID, depth: int) -> None:
        for _ in range(self.random.randint(1, 4)):
            if depth < 2 and self.random.random() < 0.2:
                await self._savepoint(connection, workspace, depth)
            else:
                sql, names = self.random.choice(list(STATEMENTS.items()))
                values = self._values(workspace)
                await connection.execute(sql, *(values[name] for name in names.split()))

    async def _savepoint(self, connection: Any, workspace: UUID, depth: int) -> None:
        block = connection.transaction()
        await block.start()
        try:
            await self._some(connection, workspace, depth + 1)
        except EXPECTED:
            await block.rollback()
            return
        await (block.rollback() if self.random.random() < 0.4 else block.commit())


def new_workspaces(count: int) -> list[UUID]:
    """Make up so many."""
    return [uuid4() for _ in range(count)]


async def run(connection: Any, statement: Statement, workspace: UUID, values: Any) -> Any:
    """Run a tenant's read on a connection of one's own."""
    given = Context(workspace).values() | values
    return await connection.fetchrow(statement.sql, *statement.arguments(given))
