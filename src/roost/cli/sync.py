"""`roost sync serve`: shapes over any PostgreSQL, in the protocol of ElectricSQL."""

import asyncio
import os
from typing import Annotated

import asyncpg
import typer

from roost.cli.context import CommandError
from roost.cli.listen import Listen, run_server
from roost.cli.sync_worker import SyncHandover
from roost.db.dsn import DatabaseConfig, read_url
from roost.db.pooling import require_fitting_pooler
from roost.db.target import connect
from roost.journal.install import grant_sql, install_sql, uninstall_sql
from roost.sync import install as shapes
from roost.sync.options import SyncOptions

app = typer.Typer(
    help="Live shapes of any PostgreSQL's tables.", no_args_is_help=True, add_completion=False
)
_Url = Annotated[
    str,
    typer.Option("--database-url", help="The PostgreSQL to follow.", envvar="DATABASE_URL"),
]


# The newest parts of both: who may not make them can use what their owner has made.
_IS_THERE = (
    "select to_regprocedure('journal.since(bigint,uuid)') is not null"
    " and to_regclass('sync.chunk') is not null"
)
_IS_ANOTHERS = (
    "select nspowner <> current_user::regrole from pg_namespace where nspname = 'journal'"
)


@app.command("serve")
def serve(  # noqa: PLR0913, PLR0917 -- each is an option of the command
    database_url: _Url,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0: any.", min=0, max=65535)] = 3000,
    workers: Annotated[int, typer.Option(help="How many processes serve.", min=1, max=64)] = 1,
    chunk_bytes: Annotated[
        int, typer.Option(help="Bytes from which on a part of a log is full.", min=1)
    ] = SyncOptions.chunk_bytes,
    max_age: Annotated[
        int, typer.Option(help="Seconds for which caches keep parts of a log.", min=0)
    ] = SyncOptions.max_age,
    stale_age: Annotated[
        int, typer.Option(help="Seconds for which they may give stale ones.", min=0)
    ] = SyncOptions.stale_age,
    max_cost: Annotated[
        float,
        typer.Option(help="What a `where` may cost by the planner's estimate; 0: any.", min=0),
    ] = SyncOptions.max_cost,
    *,
    allow_delete: Annotated[
        bool, typer.Option("--allow-delete", help="Let clients drop shapes; for development.")
    ] = False,
) -> None:
    """Serve `/v1/shape` for the tables of a database.

    A table is put under a journal when it is first asked for: triggers, no replication slot. With
    ROOST_SYNC_SECRET set, requests must carry it as `secret`.
    """
    url, pgbouncer = read_url(database_url)
    config = DatabaseConfig(url, pgbouncer=pgbouncer)
    options = SyncOptions(
        chunk_bytes=chunk_bytes,
        max_age=max_age,
        stale_age=stale_age,
        max_cost=max_cost,
        allow_delete=allow_delete,
        look_every=0.0,
    )
    listen = Listen(host, port, workers)
    sock = listen.bind()
    asyncio.run(_install(config))
    handover = SyncHandover(config, options, os.environ.get("ROOST_SYNC_SECRET") or None)
    run_server(handover, listen, sock, 5.0, f"Roost sync is ready at {listen.url(sock)}")


async def _install(config: DatabaseConfig) -> None:
    """Make the journal and the tables of shapes, where that is not done yet."""
    await require_fitting_pooler(config)
    connection = await connect(config)
    try:
        # Whoever runs the statements owns the journal from then on: nobody else can write to it.
        if await connection.fetchval(_IS_ANOTHERS) and await connection.fetchval(_IS_THERE):
            return
        await connection.execute(install_sql())
        await connection.execute(shapes.install_sql())
    except asyncpg.InsufficientPrivilegeError as error:
        if await connection.fetchval(_IS_THERE):
            return
        message = (
            f"the schemas journal and sync can't be made ({error}): let a role that may create "
            "schemas run what `roost sync sql` prints, and name this role with --grant-to"
        )
        raise CommandError(message) from error
    finally:
        await connection.close()


@app.command("sql")
def sql(
    grant_to: Annotated[
        str | None, typer.Option(help="The role that `roost sync serve` logs in as.")
    ] = None,
    *,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="How to remove it all.")] = False,
) -> None:
    """Print the SQL that `roost sync serve` needs, for somebody who may run it."""
    statements = [install_sql(), shapes.install_sql()]
    if grant_to is not None:
        statements += [grant_sql(grant_to, window=True), shapes.grant_sql(grant_to)]
    if uninstall:
        statements = [uninstall_sql(), shapes.uninstall_sql()]
    print("\n".join(f"{statement.rstrip().rstrip(';')};" for statement in statements))  # noqa: T201 -- the command's answer
