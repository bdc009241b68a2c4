"""`roost db`: schema revisions."""

import asyncio
from typing import Any

import typer

from roost.cli.context import (
    AsJson,
    CommandError,
    DatabaseUrl,
    DataDir,
    answer,
    opened,
    read_settings,
    with_owner,
)
from roost.db import schema
from roost.db.target import Target

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def database() -> None:
    """Schema revisions."""


@app.command("upgrade")
def upgrade(
    *, as_json: AsJson = False, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Bring the schema up to date."""

    async def state(connection: Any) -> schema.SchemaState:  # noqa: ANN401 -- asyncpg's connection
        return await schema.schema_state(connection)

    found = with_owner(data_dir, database_url, state)
    answer({"revision": found.current}, f"at revision {found.current}", as_json=as_json)


@app.command("check")
def check(
    *, as_json: AsJson = False, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Say whether the schema is what this version needs; changes nothing."""
    settings, place = read_settings(data_dir, database_url)

    async def look(target: Target) -> schema.SchemaState:
        connection = await target.connect_as_owner()
        try:
            return await schema.schema_state(connection)
        finally:
            await connection.close()

    with opened(settings, place) as target:
        found = asyncio.run(look(target))
    schema.require_known(found)
    document = {"revision": found.current, "newest": found.newest, "upToDate": found.upgraded}
    if not found.upgraded:
        message = f"at revision {found.current}, newest is {found.newest}: run `roost db upgrade`"
        answer(document, "not up to date", as_json=as_json)
        raise CommandError(message)
    answer(document, f"up to date, at revision {found.current}", as_json=as_json)
