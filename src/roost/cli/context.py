"""What every sub-command needs: its options, the database, and how failure is told."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import asyncpg
import typer

from roost.db.embedded import EmbeddedError, default_data_dir
from roost.db.faults import DatabaseError
from roost.db.sealing import SecretKeyError
from roost.db.target import Target, TargetOptions, open_target, prepare
from roost.errors import ProblemError
from roost.identity.administration import OperatorError
from roost.schema_tools import SCHEMA_TOOLS
from roost.settings import Settings, SettingsError
from roost.telemetry import TelemetrySettingError

T = TypeVar("T")
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="The data directory.", envvar="ROOST_DATA_DIR", show_default=False
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, for machines.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url", help="The PostgreSQL to use.", envvar="DATABASE_URL", show_envvar=True
    ),
]


class CommandError(Exception):
    """A command failed; the message says why and what to do."""


EXPECTED = (
    CommandError,
    SettingsError,
    TelemetrySettingError,
    SecretKeyError,
    OperatorError,
    EmbeddedError,
    DatabaseError,
    ProblemError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)
"""What may go wrong without a mistake of ours: told in a line, never as a traceback."""


def report_failures(app: typer.Typer) -> int:
    """Run the command line; failures become one line on standard error."""
    try:
        app()
    except SystemExit as stop:  # how Typer ends every call, wrong ones with 2
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except EXPECTED as error:
        print(f"roost: {describe(error)}", file=sys.stderr)  # noqa: T201 -- the command line speaks here
        return 1
    return 0


def describe(error: BaseException) -> str:
    """Say what went wrong, and the hint that goes with it."""
    if isinstance(error, ProblemError):
        return error.detail + (f"\n{error.hint}" if error.hint else "")
    return str(error) or type(error).__name__


def read_settings(data_dir: Path | None, database_url: str | None) -> tuple[Settings, Path]:
    """Read the settings; the options of the command line go before the environment."""
    environment = {**os.environ, "DATABASE_URL": database_url} if database_url else os.environ
    settings = Settings.from_environment(environment)
    place = data_dir or settings.data_dir or default_data_dir()
    return replace(settings, data_dir=place), place


def target_options(settings: Settings, data_dir: Path) -> TargetOptions:
    """Say which database the settings mean."""
    return TargetOptions(
        data_dir=data_dir,
        database_url=settings.database_url,
        owner_url=settings.database_owner_url,
        bin_dir=settings.postgres_bin,
        max_connections=settings.max_connections,
        statement_timeout=settings.statement_timeout,
        require_tls=settings.production,
    )


@contextmanager
def opened(settings: Settings, data_dir: Path) -> Iterator[Target]:
    """Start or attach to the database; it is let go at the end."""
    with open_target(target_options(settings, data_dir)) as target:
        yield target


async def ready(target: Target) -> Target:
    """Bring roles and schema up to date."""
    return await prepare(target, SCHEMA_TOOLS)


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of the tables, in a database that is open."""

    target: Target

    def do(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do some work on a connection of the owner's, with the schema up to date."""
        return asyncio.run(self._do(work))

    async def _do(self, work: Callable[[Any], Awaitable[T]]) -> T:
        prepared = await ready(self.target)
        connection = await prepared.connect_as_owner()
        try:
            return await work(connection)
        finally:
            await connection.close()


@contextmanager
def owner(data_dir: Path | None, database_url: str | None) -> Iterator[Owner]:
    """Open the database for several pieces of the owner's work."""
    with opened(*read_settings(data_dir, database_url)) as target:
        yield Owner(target)


def with_owner(
    data_dir: Path | None,
    database_url: str | None,
    work: Callable[[Any], Awaitable[T]],
) -> T:
    """Do one piece of work as the owner."""
    with owner(data_dir, database_url) as operator:
        return operator.do(work)


def say(text: str) -> None:
    """Tell a person something, where it does not mix with a machine's answer."""
    print(text, file=sys.stderr)  # noqa: T201 -- the command line speaks here


def answer(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Give the command's answer on standard output."""
    print(json.dumps(document) if as_json else text)  # noqa: T201 -- likewise
