"""Tables of every awkward kind, and writers that do everything one can do to them."""

import asyncio
import random
import uuid
from collections.abc import Sequence

import asyncpg

TABLES = """
create table plain (id int primary key, workspace_id uuid, n int not null, v text);
create table keyed (a int, b text, n int, primary key (a, b));
create table child (id int primary key, parent int references plain on delete cascade
    on update cascade, big text);
create table meddled (id int primary key, n int not null);
create function meddle() returns trigger language plpgsql as $$ begin
    if tg_op <> 'DELETE' and new.id % 3 = 0 and pg_trigger_depth() < 3 then
        update meddled set n = n + 1 where id between new.id + 1 and new.id + 2;
    end if;
    return null;
end $$;
create trigger meddle after insert or update on meddled for each row execute function meddle();
"""
WORKSPACES = [uuid.UUID(int=n) for n in range(3)]
KEYS = 60
EXPECTED = (
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.LockNotAvailableError,
)
# Each with the names of its parameters.
STATEMENTS = {
    "insert into plain values ($1, $2, $3, $4) on conflict (id) do update"
    " set n = plain.n + 1, v = excluded.v": "key workspace n text",
    "insert into plain values ($1, $2, $3, $4) on conflict do nothing": "key workspace n text",
    "update plain set n = n + 1 where id between $1 and $1 + 5": "key",
    "update plain set n = n % 3, v = $2 where id = any($1::int[])": "keys text",
    "update plain set workspace_id = $2 where id = $1": "key workspace",
    "update plain set id = $2 where id = $1": "key other",
    "delete from plain where id = $1": "key",
    "insert into keyed values ($1 % 7, coalesce($2, ''), $3)"
    " on conflict (a, b) do update set n = 0": "key text n",
    "update keyed set b = b || '+' where a = $1 % 7 and length(b) < 60": "key",
    "delete from keyed where a = $1 % 7": "key",
    "insert into child select $1, (select id from plain where id >= $2 limit 1),"
    " repeat('big ', 2000) on conflict (id) do update set parent = excluded.parent": "key other",
    "update child set big = big || '.' where id = $1": "key",
    "delete from child where id = $1": "key",
    "insert into meddled select g, $2 from generate_series($1::int, $1 + 8) g"
    " on conflict (id) do update set n = 0": "key n",
    "update meddled set n = n + $2 where id between $1 and $1 + 8": "key n",
    "delete from meddled where id between $1 and $1 + 2": "key",
}


class Writer:
    """Transactions of every kind, one after the other."""

    def __init__(self, connection: asyncpg.Connection, seed: int) -> None:
        self.connection = connection
        self.random = random.Random(seed)

    def statement(self) -> tuple[str, Sequence[object]]:
        key, other, n = (self.random.randrange(KEYS) for _ in range(3))
        values = {
            "key": key,
            "other": other,
            "keys": [key, other],
            "n": n,
            "text": self.random.choice(["", "a b", 'q"\\', None, "x" * n]),
            "workspace": self.random.choice(WORKSPACES),
        }
        sql, names = self.random.choice(list(STATEMENTS.items()))
        return sql, [values[name] for name in names.split()]

    async def savepoint(self, depth: int) -> None:
        block = self.connection.transaction()
        await block.start()
        try:
            await self.some(depth + 1)
        except EXPECTED:
            await block.rollback()
            return
        if self.random.random() < 0.4:
            await block.rollback()
        else:
            await block.commit()

    async def some(self, depth: int = 0) -> None:
        for _ in range(self.random.randint(1, 5)):
            if depth < 2 and self.random.random() < 0.2:
                await self.savepoint(depth)
            else:
                sql, arguments = self.statement()
                await self.connection.execute(sql, *arguments)

    async def transaction(self, pause: float) -> None:
        block = self.connection.transaction()
        await block.start()
        try:
            await self.some()
            if self.random.random() < 0.05:
                await asyncio.sleep(self.random.random() * pause)
                await self.some()
        except EXPECTED:
            await block.rollback()
            return
        if self.random.random() < 0.15:
            await block.rollback()
        else:
            await block.commit()


async def hold_long(connection: asyncpg.Connection, pause: float) -> None:
    """Keep a transaction open for long, and write at both its ends."""
    async with connection.transaction():
        await connection.execute("insert into keyed values (100, gen_random_uuid()::text, 0)")
        await asyncio.sleep(pause)
        await connection.execute("update keyed set n = n + 1 where a = 100")
