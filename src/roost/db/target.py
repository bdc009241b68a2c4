"""Which database it is: the embedded server or a URL, made ready, with both its roles."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

from roost.db import roles, schema
from roost.db.dsn import DatabaseConfig, connection_arguments, read_url
from roost.db.embedded import EmbeddedServer, Endpoint
from roost.db.faults import RoleError, SchemaError, UnavailableError
from roost.db.pgbouncer import PooledConnection

DATABASE = "roost"
DOCTOR_CONNECTIONS = 2
"""Connections that the doctor has of its own, to answer when the pool is run dry."""
WANTED_EXTENSIONS = ("pg_trgm", "vector", "pg_stat_statements", "pgstattuple")
"""Used when they are there; nothing needs them."""
CannotConnect = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    ValueError,
    LookupError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What decides the target; `pool` holds everything but the URL and the role."""

    data_dir: Path
    database_url: str | None = None
    owner_url: str | None = None
    bin_dir: Path | None = None
    max_connections: int = 20
    statement_timeout: float = 30.0
    require_tls: bool = False


class Target:
    """A database that is ready to be used: how the pool, the owner and the doctor connect.

    `doctor` is None where there is no such role: it sees what the pool's role sees.
    """

    def __init__(
        self,
        pool: DatabaseConfig,
        owner: DatabaseConfig,
        server: EmbeddedServer | None,
        doctor: DatabaseConfig | None = None,
    ) -> None:
        self.pool = pool
        self.owner = owner
        self.doctor = doctor
        self._server = server

    @property
    def embedded(self) -> bool:
        """Whether it is the embedded server."""
        return self._server is not None

    async def connect_as_owner(self) -> Any:  # noqa: ANN401 -- asyncpg's connection
        """Connect as the owner; raises UnavailableError."""
        return await connect(self.owner)

    def revive(self) -> None:
        """Start the embedded server again if nobody keeps it; EmbeddedError when that fails.

        Blocks until the server accepts connections.
        """
        if self._server is not None:
            self._server.start()

    def close(self) -> None:
        """Let go of the embedded server."""
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go."""
        self.close()


async def connect(config: DatabaseConfig) -> Any:  # noqa: ANN401 -- asyncpg's connection
    """Open one connection; UnavailableError says what PostgreSQL or the network said."""
    try:
        connection = await asyncpg.connect(**connection_arguments(config))
    except CannotConnect as error:
        message = f"the database cannot be reached: {str(error) or type(error).__name__}"
        if "unsupported startup parameter" in message:
            message += ". Behind PgBouncer, add pgbouncer=true to its URL"
        raise UnavailableError(message) from error
    return PooledConnection(connection) if config.pgbouncer else connection


def open_target(options: TargetOptions) -> Target:
    """Start or attach to the embedded server, or read the URL. Nothing is changed yet.

    Runs in the process's main thread.
    """
    if options.database_url is None:
        server = EmbeddedServer(options.data_dir, bin_dir=options.bin_dir)
        endpoint = server.start()
        pool, owner = _embedded_configs(options, endpoint)
        doctor = replace(
            pool,
            url=endpoint.url(user=roles.DOCTOR_ROLE, database=DATABASE),
            max_connections=DOCTOR_CONNECTIONS,
        )
        return Target(pool, owner, server, doctor)
    url, pgbouncer = read_url(options.database_url)
    pool = DatabaseConfig(
        url,
        options.max_connections,
        options.statement_timeout,
        require_tls=options.require_tls,
        pgbouncer=pgbouncer,
    )
    owner_url, owner_pgbouncer = (
        read_url(options.owner_url) if options.owner_url else (url, pgbouncer)
    )
    owner = replace(pool, url=owner_url, pgbouncer=owner_pgbouncer, statement_timeout=0)
    return Target(pool, owner, None)


def _embedded_configs(
    options: TargetOptions, endpoint: Endpoint
) -> tuple[DatabaseConfig, DatabaseConfig]:
    pool = DatabaseConfig(
        endpoint.url(user=roles.APP_ROLE, database=DATABASE),
        options.max_connections,
        options.statement_timeout,
    )
    owner_url = endpoint.url(user=roles.OWNER_ROLE, database=DATABASE)
    return pool, replace(pool, url=owner_url, statement_timeout=0)


async def prepare(target: Target, tools: Mapping[str, object]) -> Target:
    """Make roles, database, extensions and schema; gives the target with the pool's role.

    Raises RoleError, SchemaError or UnavailableError, each saying what to do.
    """
    if target.embedded:
        await _make_embedded_database(target)
    owner = await target.connect_as_owner()
    try:
        pool, doctor = target.pool, target.doctor
        if not target.embedded:
            pool = await _choose_role(owner, target)
            doctor = await _choose_doctor(owner, target)
            await make_extensions(owner)
        may_revise = not await _is_only_a_client(owner)
        state = await schema.schema_state(owner)
        schema.require_known(state)
    finally:
        await owner.close()
    if not state.upgraded:
        if not may_revise:
            message = (
                f"the schema is at revision {state.current}, and {state.newest} is needed, but "
                "the role owns no tables: set DATABASE_OWNER_URL, or let the owner run "
                "`roost db upgrade`"
            )
            raise SchemaError(message)
        await schema.upgrade(target.owner, tools)
    if may_revise:
        owner = await target.connect_as_owner()
        try:
            if doctor is not None:
                await roles.let_doctor_work(owner, roles.DOCTOR_ROLE)
            if not target.embedded:
                # Whoever serves with a log-in of its own has no doctor's role to take on.
                await roles.let_doctor_work(owner, roles.APP_ROLE)
        finally:
            await owner.close()
    connection = await connect(pool)
    try:
        await roles.require_safe_role(connection)
    finally:
        await connection.close()
    return Target(pool, target.owner, target._server, doctor)  # noqa: SLF001 -- its own kind


async def _choose_role(owner: Any, target: Target) -> DatabaseConfig:  # noqa: ANN401 -- asyncpg's connection
    """Decide whether connections must take on `roost_app`, and see that they can."""
    await roles.ensure_app_role(owner)
    if target.pool.url != target.owner.url:
        await _admit(owner, target.pool)
        return target.pool
    if target.pool.pgbouncer:
        await roles.require_safe_role(owner)
        return target.pool
    return replace(target.pool, role=roles.APP_ROLE)


async def _choose_doctor(owner: Any, target: Target) -> DatabaseConfig | None:  # noqa: ANN401 -- asyncpg's connection
    """Decide whether there can be connections that take on `roost_doctor`."""
    if target.pool.url != target.owner.url or target.pool.pgbouncer:
        return None
    if not await roles.ensure_doctor_role(owner):
        return None
    return replace(target.pool, role=roles.DOCTOR_ROLE, max_connections=DOCTOR_CONNECTIONS)


async def _admit(owner: Any, pool: DatabaseConfig) -> None:  # noqa: ANN401 -- asyncpg's connection
    """Let the pool's log-in have what `roost_app` has."""
    connection = await connect(pool)
    try:
        name = await connection.fetchval("select current_user")
    finally:
        await connection.close()
    if name == roles.APP_ROLE:
        return
    member = await owner.fetchval("select pg_has_role($1, $2, 'usage')", name, roles.APP_ROLE)
    if not member:
        quoted = '"' + name.replace('"', '""') + '"'
        try:
            await owner.execute(f"grant {roles.APP_ROLE} to {quoted}")
        except asyncpg.InsufficientPrivilegeError as error:
            message = f"let an administrator run:  grant {roles.APP_ROLE} to {quoted};"
            raise RoleError(message) from error


async def _is_only_a_client(connection: Any) -> bool:  # noqa: ANN401 -- asyncpg's connection
    """Whether the role can't make tables here."""
    allowed = await connection.fetchval(
        "select has_schema_privilege(current_user, 'public', 'create')"
        " or has_database_privilege(current_user, current_database(), 'create')"
    )
    return not allowed


async def _make_embedded_database(target: Target) -> None:
    """Make both roles and the database, as the embedded server's superuser."""
    owner_url = target.owner.url
    for_super = owner_url.replace(f"//{roles.OWNER_ROLE}@/{DATABASE}", "//postgres@/{}")
    connection = await connect(replace(target.owner, url=for_super.format("postgres")))
    try:
        await connection.execute(f"select pg_advisory_lock({schema.LOCK})")
        known = {row[0] for row in await connection.fetch("select rolname from pg_roles")}
        for role in (roles.OWNER_ROLE, roles.APP_ROLE, roles.DOCTOR_ROLE):
            if role not in known:
                await connection.execute(f"create role {role} login")
        await connection.execute(f"grant {roles.APP_ROLE} to {roles.OWNER_ROLE}")
        await roles.ensure_doctor_role(connection)
        exists = await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE)
        if not exists:
            await connection.execute(f"create database {DATABASE} owner {roles.OWNER_ROLE}")
    finally:
        await connection.close()
    connection = await connect(replace(target.owner, url=for_super.format(DATABASE)))
    try:
        await make_extensions(connection)
    finally:
        await connection.close()


async def make_extensions(connection: Any) -> None:  # noqa: ANN401 -- asyncpg's connection
    """Create the wanted extensions that are available and allowed; the others are done without."""
    rows = await connection.fetch(
        "select name from pg_available_extensions"
        " where name = any($1) and installed_version is null",
        list(WANTED_EXTENSIONS),
    )
    for row in rows:
        try:
            await connection.execute(f"create extension if not exists {row['name']}")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.UniqueViolationError):
            continue  # `roost doctor` names it


async def extensions(connection: Any) -> frozenset[str]:  # noqa: ANN401 -- asyncpg's connection
    """Give the names of the extensions that the database has."""
    return frozenset(row[0] for row in await connection.fetch("select extname from pg_extension"))
