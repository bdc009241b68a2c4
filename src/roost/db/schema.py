"""Schema revisions: Alembic's scripts, run one transaction each, by one process at a time.

The scripts live in `revisions/`. What a script needs from rooms above (the journal's triggers)
is handed in by the caller as `tools`.
"""

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from roost.db.faults import SchemaError

_log = logging.getLogger("roost.db")
_REVISIONS = Path(__file__).parent / "revisions"
LOCK = 7_266_837_381
"""The advisory lock's number; any constant that nobody else uses."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The database's revision (None: empty), and the newest this code knows."""

    current: str | None
    newest: str
    known: bool

    @property
    def upgraded(self) -> bool:
        """Whether the database is at the newest revision."""
        return self.current == self.newest


def _config(tools: Mapping[str, object]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_REVISIONS))
    config.attributes.update(tools)
    return config


def _scripts(config: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(config)


async def schema_state(connection: Any) -> SchemaState:  # noqa: ANN401 -- asyncpg's proxies
    """Read which revision the database has."""
    scripts = _scripts(_config({}))
    newest = scripts.get_current_head() or ""
    table = await connection.fetchval("select to_regclass('public.alembic_version')::text")
    current = (
        await connection.fetchval("select version_num from public.alembic_version")
        if table
        else None
    )
    return SchemaState(current, newest, current is None or _is_known(scripts, current))


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False


def require_known(state: SchemaState) -> None:
    """Raise SchemaError when the database is newer than this code."""
    if not state.known:
        message = (
            f"the database is at schema revision {state.current}, which this version of Roost "
            f"does not know (its newest is {state.newest}): install the newer Roost"
        )
        raise SchemaError(message)


async def upgrade(
    url: str,
    tools: Mapping[str, object],
    *,
    lock_timeout: float = 5.0,
    statement_timeout: float = 600.0,
) -> list[str]:
    """Bring the schema up to date as the owner; gives the revisions that were run.

    Times in seconds. Waits for another process that is upgrading. SchemaError when the database
    is newer than the code, or when a lock could not be had.
    """
    connection = await asyncpg.connect(url, timeout=10.0, statement_cache_size=0)
    try:
        await connection.execute(f"select pg_advisory_lock({LOCK})")
        state = await schema_state(connection)
        require_known(state)
        done = []
        for revision, sql in _steps(state, tools):
            await _run(connection, revision, sql, lock_timeout, statement_timeout)
            done.append(revision)
        return done
    finally:
        await connection.close(timeout=10.0)


async def _run(
    connection: Any,  # noqa: ANN401 -- asyncpg's proxies
    revision: str,
    sql: str,
    lock_timeout: float,
    statement_timeout: float,
) -> None:
    try:
        async with connection.transaction():
            await connection.execute(
                f"set local lock_timeout = {int(lock_timeout * 1000)};"
                f"set local statement_timeout = {int(statement_timeout * 1000)}"
            )
            await connection.execute(sql)
    except asyncpg.LockNotAvailableError as error:
        message = (
            f"schema revision {revision} could not lock a table within {lock_timeout:g} s: end "
            f"the long transactions and start again; nothing was changed"
        )
        raise SchemaError(message) from error
    _log.info("schema revision %s is in place", revision)


def _steps(state: SchemaState, tools: Mapping[str, object]) -> list[tuple[str, str]]:
    """Render each revision that is missing, oldest first, as SQL."""
    config = _config(tools)
    scripts = _scripts(config)
    missing = [
        script.revision
        for script in scripts.iterate_revisions(state.newest, state.current or "base")
        if script.revision != state.current
    ]
    missing.reverse()
    steps = []
    previous = state.current
    for revision in missing:
        steps.append((revision, _render(config, scripts, previous, revision)))
        previous = revision
    return steps


def _render(config: Config, scripts: ScriptDirectory, previous: str | None, revision: str) -> str:
    script = io.StringIO()

    def revisions(_current: object, _context: object) -> Any:  # noqa: ANN401 -- Alembic's own
        return scripts._upgrade_revs(revision, previous or "base")  # noqa: SLF001 -- as its commands do

    with EnvironmentContext(
        config,
        scripts,
        fn=revisions,
        as_sql=True,
        starting_rev=previous or "base",
        destination_rev=revision,
    ) as environment:
        environment.configure(
            dialect_name="postgresql",
            output_buffer=script,
            version_table_schema="public",
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
        )
        environment.run_migrations()
    return script.getvalue()
