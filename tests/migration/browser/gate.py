"""A place in a migration where it waits until a test lets it go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg

from tests.migration.browser.home import in_a_thread


@dataclass
class Gate:
    """Closed until it is opened."""

    url: str
    name: str

    def open(self) -> None:
        """Let what waits go on."""
        execute(self.url, f"delete from public.{self.name}")


@contextmanager
def closed_gate(database: str, title: str, change: str = "insert") -> Iterator[Gate]:
    """Hold up the transaction that writes (or deletes) the task of that title, before it does."""
    row = "old" if change == "delete" else "new"
    name = f"gate_{uuid4().hex}"
    execute(
        database,
        f"create table public.{name} (is_closed boolean);"
        f"insert into public.{name} values (true); grant select on public.{name} to public;"
        f"create function public.{name}() returns trigger language plpgsql as $$ begin "
        f"while exists (select from public.{name}) loop perform pg_sleep(0.02); end loop; "
        f"return {row}; end $$;"
        f"create trigger {name} before {change} on tasks for each row "
        f"when ({row}.title = '{title}') execute function public.{name}()",
    )
    gate = Gate(database, name)
    try:
        yield gate
    finally:
        gate.open()
        execute(database, f"drop function public.{name} cascade; drop table public.{name}")


def execute(url: str, sql: str) -> None:
    """Run statements."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    in_a_thread(run())
