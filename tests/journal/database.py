"""A database with the journal in it, and the two roles that use it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from roost.journal.entry import Entry, Layout, load_layouts
from roost.journal.install import grant_sql, install_sql
from roost.journal.ticks import BEGINNING, latest_tick, make_tick, window

OWNER = "journal_tests_owner"
APP = "journal_tests_app"

# Roles belong to the server, which tests that run at the same time share.
_ROLES = "".join(
    f"""
    do $$ begin
        create role {role};
    exception when duplicate_object or unique_violation then null;
    end $$;
    """
    for role in (OWNER, APP)
)


class Journaled:
    """A fresh database whose schema `journal` belongs to OWNER; `owner` is a connection of its."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack
        self.owner: asyncpg.Connection
        self.layouts: dict[int, Layout] = {}
        self._seen = BEGINNING

    @classmethod
    @asynccontextmanager
    async def fresh(cls, url: str) -> AsyncIterator["Journaled"]:
        async with AsyncExitStack() as stack:
            database = cls(url, stack)
            superuser = await database.connect()
            await superuser.execute(_ROLES)
            name = await superuser.fetchval("select current_database()")
            await superuser.execute(
                f'grant create, temporary on database "{name}" to {OWNER};'
                f"grant usage, create on schema public to {OWNER};"
                f"grant usage on schema public to {APP}"
            )
            database.owner = await database.connect(OWNER)
            await database.owner.execute(install_sql())
            await database.owner.execute(grant_sql(APP))
            yield database

    async def connect(self, role: str | None = None) -> asyncpg.Connection:
        """Connect as the superuser or as `role`; closed with the database."""
        connection = await asyncpg.connect(self.url)
        self._stack.push_async_callback(self._close, connection)
        await connection.execute("set timezone = 'UTC'")
        if role is not None:
            await connection.execute(f"set session authorization {role}")
        return connection

    @staticmethod
    async def _close(connection: asyncpg.Connection) -> None:
        connection.terminate()

    async def table(self, definition: str, name: str = "t", **options: Any) -> None:
        """Make a table as the owner and journal it, with `attach`'s options."""
        await self.owner.execute(f"create table {name} ({definition})")
        await self.attach(name, **options)

    async def attach(self, name: str, **options: Any) -> None:
        """Run `journal.attach`."""
        names = ", ".join(f"{option} => ${at}" for at, option in enumerate(options, 2))
        await self.owner.execute(f"grant select, insert, update, delete on {name} to {APP}")
        call = f"select journal.attach($1::text::regclass{names and ', ' + names})"
        await self.owner.fetchval(call, name, *options.values())

    async def new_entries(self) -> list[Entry]:
        """Make a tick and read what happened since the last call."""
        connection = await asyncpg.connect(self.url)
        try:
            await make_tick(connection)
            newest = await latest_tick(connection)
            entries = await window(connection, self._seen, newest, layouts=self.layouts)
        finally:
            await connection.close()
        self._seen = newest
        return entries

    async def changes(self) -> list[tuple[str, str | None, str | None, str | None]]:
        """What happened since the last call: op, key, old, new."""
        return [(e.op, e.row_id, e.old, e.new) for e in await self.new_entries()]

    async def values(self, entry: Entry) -> dict[str, str | None]:
        """Read an entry's new image by the names of its layout."""
        layouts = await load_layouts(self.owner, [entry.layout])
        assert entry.new is not None
        return layouts[entry.layout].values(entry.new)
