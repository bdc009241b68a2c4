"""`roost serve`: the server."""

import asyncio
from typing import Annotated

import typer

from roost.cli.context import DatabaseUrl, DataDir, opened, read_settings, ready
from roost.cli.listen import Listen, run_server
from roost.cli.worker import Handover
from roost.db.target import Target
from roost.identity import operator
from roost.identity.operator import LINK_PATH
from roost.settings import Settings


def serve(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port; 0: one the system chooses.", min=0, max=65535)
    ] = 8787,
    workers: Annotated[int, typer.Option(help="How many processes serve.", min=1, max=64)] = 1,
) -> None:
    """Serve Roost; without DATABASE_URL, on a PostgreSQL of its own in the data directory."""
    settings, place = read_settings(data_dir, database_url)
    listen = Listen(host, port, workers)
    sock = listen.bind()
    with opened(settings, place) as target:
        prepared, secret = asyncio.run(_prepare(target))
        url = settings.public_url or listen.url(sock)
        run_server(
            Handover(prepared.pool, place),
            listen,
            sock,
            settings.shutdown_seconds,
            _greeting(url, secret, settings, listen),
        )


async def _prepare(target: Target) -> tuple[Target, str | None]:
    """Bring the database up to date, and make the first user when there is none."""
    prepared = await ready(target)
    connection = await prepared.connect_as_owner()
    try:
        return prepared, await operator.first_run(connection)
    finally:
        await connection.close()


def _greeting(url: str, secret: str | None, settings: Settings, listen: Listen) -> str:
    lines = [f"Roost is ready at {url}"]
    if secret is not None:
        plain = url.startswith("http://") and not listen.is_loopback
        if settings.production and plain:
            lines.append("Set ROOST_PUBLIC_URL to its https address, then: roost login-link")
        else:
            lines.append(f"Log in once with {url}{LINK_PATH}?token={secret}")
    return "\n".join(lines)
