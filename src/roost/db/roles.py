"""The roles: an owner for schema revisions, the pool's, which can do no harm, and the doctor's.

The pool's role `roost_app` owns nothing and can't bypass row-level security. Connections either
log in as a role of that kind, or take it on at their start. `roost_doctor` reads what PostgreSQL
counts and what connections do, and no row of any table but its own; to the audit trail it can add.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg

from roost.db.faults import RoleError

_log = logging.getLogger("roost.db")
APP_ROLE = "roost_app"
OWNER_ROLE = "roost_owner"
DOCTOR_ROLE = "roost_doctor"


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What the role of a connection may do."""

    name: str
    is_superuser: bool
    bypasses_rls: bool
    owns_tables: bool

    @property
    def is_safe(self) -> bool:
        """Whether row-level security binds it and it can't alter Roost's tables."""
        return not (self.is_superuser or self.bypasses_rls or self.owns_tables)


_FACTS = """
select r.rolname, r.rolsuper, r.rolbypassrls,
       exists (select from pg_class c
               where c.relnamespace = to_regnamespace('public') and c.relkind in ('r', 'p')
                 and c.relname in ('tasks', 'environments', 'users')
                 and pg_has_role(r.oid, c.relowner, 'usage'))
from pg_roles r where r.rolname = current_user
"""


async def role_facts(connection: Any) -> RoleFacts:  # noqa: ANN401 -- asyncpg's proxies
    """Ask PostgreSQL what the connection's present role may do."""
    row = await connection.fetchrow(_FACTS)
    return RoleFacts(*row)


# Before PostgreSQL 16 every member could take a role on.
_MAY_TAKE_ON = """
select pg_has_role(current_user, $1, case
    when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end)
"""


async def _ensure_role(connection: Any, role: str) -> None:  # noqa: ANN401 -- asyncpg's proxies
    """Make the role when it is missing, and the connection's own a member of it."""
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
        # Another process may be quicker.
        with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            await connection.execute(f"create role {role} nologin")
    if not await connection.fetchval(_MAY_TAKE_ON, role):
        await connection.execute(f"grant {role} to current_user")


async def ensure_app_role(connection: Any) -> None:  # noqa: ANN401 -- asyncpg's proxies
    """Make `roost_app` when it is missing; RoleError with the SQL for somebody who may.

    The connection's role becomes a member, so that it can take the role on.
    """
    user = await connection.fetchval("select quote_ident(current_user)")
    try:
        await _ensure_role(connection, APP_ROLE)
    except asyncpg.InsufficientPrivilegeError as error:
        message = (
            f"the role {user} may not make the role {APP_ROLE}. Let an administrator run:\n"
            f"  create role {APP_ROLE} nologin;\n"
            f"  grant {APP_ROLE} to {user};"
        )
        raise RoleError(message) from error


async def ensure_doctor_role(connection: Any) -> bool:  # noqa: ANN401 -- asyncpg's proxies
    """Make `roost_doctor` when it is missing; False where the connection's role may not.

    That role becomes a member, so that it can take the other on.
    """
    try:
        await _ensure_role(connection, DOCTOR_ROLE)
        # The second lets pgstattuple tell how full an index is, and nothing of what is in it.
        for right in ("pg_read_all_stats", "pg_stat_scan_tables"):
            if not await connection.fetchval(
                "select pg_has_role($1, $2, 'member')", DOCTOR_ROLE, right
            ):
                await connection.execute(f"grant {right} to {DOCTOR_ROLE}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def let_doctor_work(connection: Any, role: str = DOCTOR_ROLE) -> None:  # noqa: ANN401 -- asyncpg's proxies
    """Let the doctor see how far sequences are, keep what it sees and tell who had it do what.

    For the owner to do; `role` is the pool's where there is no doctor's: then the pool remembers.
    """
    for right in (
        "usage on schema performance",
        "select, insert, update, delete on all tables in schema performance",
        "usage, select on all sequences in schema performance",
        "execute on all functions in schema performance",
        "select on all sequences in schema public, journal, sync",
        # What administrators have it do is told with the deed; it reads none of it.
        "insert on table public.audit_events",
    ):
        try:
            await connection.execute(f"grant {right} to {role}")
        except asyncpg.InsufficientPrivilegeError as error:
            _log.warning("%s could not be given the right to %s: %s", role, right, error)


async def require_safe_role(connection: Any) -> None:  # noqa: ANN401 -- asyncpg's proxies
    """Raise RoleError when row-level security would not bind the pool's connections."""
    facts = await role_facts(connection)
    if facts.is_safe:
        return
    reason = (
        "is a superuser"
        if facts.is_superuser
        else "bypasses row-level security"
        if facts.bypasses_rls
        else "owns Roost's tables"
    )
    message = (
        f"connections would act as {facts.name!r}, which {reason}, so tenants would not be kept "
        f"apart. Use a role of its own for DATABASE_URL and the owner's for DATABASE_OWNER_URL:\n"
        f"  create role roost_login login password '…' in role {APP_ROLE};"
    )
    raise RoleError(message)
