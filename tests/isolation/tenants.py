"""Two tenants with a row in every table, and the callers who try to reach them by SQL."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from roost.db.roles import APP_ROLE, OWNER_ROLE
from roost.db.tenancy import SET_CONTEXT, Context
from tests.db.rows import TABLES, fill, key_of
from tests.support.schema import as_role

MINE, THEIRS = "amaranth", "bergamot"
"""What the texts of each tenant's rows begin with."""
ACTORS = ("nobody", "member", "colleague", "holder", "owner role")
CREDENTIALS = {
    # a table whose rows a credential opens -> the column that it is compared with, and for what
    "access_tokens": ("token_hash", {"select"}),
    "sessions": ("token_hash", {"select", "update"}),
    "login_links": ("token_hash", {"select", "update"}),
    "login_attempts": ("state_hash", {"select", "update"}),
    "identities": ("subject_hash", {"select"}),
    "invitations": ("token_hash", {"select"}),
}
OF_THE_CATALOGUE = """
select n.nspname || '.' || c.relname as name, c.relkind = 'p' or c.relispartition as parted,
    has_table_privilege($1, c.oid, 'select') as readable,
    c.relrowsecurity and c.relforcerowsecurity as forced
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'journal') and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
order by 1
"""


@dataclass
class Tenants:
    """The pool's role, the owner's, and the superuser who sees all."""

    app: Any
    owner: Any
    all_seeing: Any
    mine: dict[str, UUID]
    theirs: dict[str, UUID]
    colleague: UUID

    def context(self, actor: str, table: str = "") -> Context:
        """Give what an actor sets: `holder` presents the credential of their row there."""
        workspace = self.mine["workspaces"]
        if actor == "member":
            return Context(workspace, self.mine["users"])
        if actor == "colleague":
            return Context(workspace, self.colleague)
        if actor == "holder":
            return Context(workspace, self.mine["users"], credential=self.theirs[table].hex)
        return Context()

    @asynccontextmanager
    async def acting(
        self, actor: str, table: str = "", *, keep: bool = False
    ) -> AsyncIterator[Any]:
        """Give a connection in a transaction of the actor's, which is undone unless kept."""
        connection = self.owner if actor == "owner role" else self.app
        transaction = connection.transaction()
        await transaction.start()
        try:
            values = self.context(actor, table).values()
            await connection.fetchrow(SET_CONTEXT.sql, *SET_CONTEXT.arguments(values))
            yield connection
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.commit() if keep else transaction.rollback())

    async def tables(self) -> list[Any]:
        """Read every table of the database, as the catalogue has it."""
        found = await self.all_seeing.fetch(OF_THE_CATALOGUE, APP_ROLE)
        return list(found)

    async def their_rows(self) -> dict[str, list[str]]:
        """Read all that the second tenant has; the journal's rows as well."""
        found = {
            table: [
                row[0]
                for row in await self.all_seeing.fetch(
                    f'select t::text from "{table}" t where "{key_of(table)}" = $1',
                    self.theirs[table],
                )
            ]
            for table in TABLES
        }
        found["journal"] = [
            row[0]
            for row in await self.all_seeing.fetch(
                "select j::text from journal.journal j where workspace_id = $1 order by seq",
                self.theirs["workspaces"],
            )
        ]
        return found

    def shows(self, text: str) -> str | None:
        """Give what in a text is the second tenant's: a marker, or the key of a row."""
        places = "|".join([THEIRS, *(key for uuid in self.theirs.values() for key in forms(uuid))])
        found = re.search(places, text)
        return found and found.group()


def forms(key: UUID) -> tuple[str, str]:
    """Give the ways in which texts write a key."""
    return str(key), key.hex


@asynccontextmanager
async def two_tenants(superuser_url: str) -> AsyncIterator[Tenants]:
    """Fill the database for both, and connect."""
    app = await asyncpg.connect(as_role(superuser_url, APP_ROLE))
    owner = await asyncpg.connect(as_role(superuser_url, OWNER_ROLE))
    all_seeing = await asyncpg.connect(superuser_url)
    mine, theirs = await fill(superuser_url, MINE), await fill(superuser_url, THEIRS)
    colleague = uuid4()
    await all_seeing.execute(
        "insert into users (id, email) values ($1::uuid, 'colleague-' || $1::uuid)", colleague
    )
    await all_seeing.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $2, 'member')",
        mine["workspaces"],
        colleague,
    )
    await all_seeing.execute("analyze")
    try:
        yield Tenants(app, owner, all_seeing, mine, theirs, colleague)
    finally:
        for connection in (app, owner, all_seeing):
            await connection.close()
