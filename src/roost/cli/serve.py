"""`roost serve`: the server."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from roost.cli.context import DatabaseUrl, DataDir, opened, read_settings, ready, say
from roost.cli.listen import Listen, run_server
from roost.cli.unread import unread_variables
from roost.cli.watchdog import watched
from roost.cli.worker import Handover
from roost.db.roles import role_facts
from roost.db.sealing import open_secret_box
from roost.db.target import Target
from roost.identity import administration
from roost.identity.administration import LINK_PATH
from roost.redis import connect
from roost.settings import Settings
from roost.telemetry.options import TelemetryOptions

METRICS_DIRECTORY = "ROOST_METRICS_DIR"


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
    TelemetryOptions.from_environment(os.environ, "")  # a mistake there should be told at once
    connect(settings.redis_url)  # likewise
    for name, advice in unread_variables(os.environ, settings).items():
        say(f"warning: nothing reads {name}. {advice}")
    listen = Listen(host, port, workers, settings.trusted_proxies)
    sock = listen.bind()
    with opened(settings, place) as target:
        open_secret_box(settings.secret_keys, place)  # likewise
        prepared, secret = asyncio.run(_prepare(target))
        url = settings.public_url or listen.url(sock)
        with _metrics_directory(workers), watched(target):
            run_server(
                Handover(prepared.pool, place, workers == 1, prepared.doctor, prepared.owner),
                listen,
                sock,
                settings.shutdown_seconds,
                _greeting(url, secret, settings, listen),
            )


@contextmanager
def _metrics_directory(workers: int) -> Iterator[None]:
    """Give several workers a place where they add up what they have counted."""
    if workers == 1 or os.environ.get(METRICS_DIRECTORY):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="roost-metrics-") as directory:
        os.environ[METRICS_DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[METRICS_DIRECTORY]


async def _prepare(target: Target) -> tuple[Target, str | None]:
    """Bring the database up to date, and make the first user when there is none."""
    prepared = await ready(target)
    connection = await prepared.connect_as_owner()
    try:
        facts = await role_facts(connection)
        if not (facts.owns_tables or facts.is_superuser):
            # All users are hidden from it: it can't know whether this is the first run.
            return prepared, None
        return prepared, await administration.first_run(connection)
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
