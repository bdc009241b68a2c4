"""What each room brings: its routes, and what of it can be followed and put back."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Table

from roost import __version__
from roost.db.sealing import SecretBox
from roost.environments.past import ENVIRONMENT_KIND
from roost.environments.routes import EnvironmentRoutes
from roost.environments.tables import environments
from roost.executions.routes import ExecutionRoutes
from roost.executions.tables import executions, steps
from roost.history.kinds import Reference
from roost.history.routes import HistoryRoutes
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.login.provider_login import ProviderLogin
from roost.identity.routes import IdentityRoutes
from roost.identity.tables import workspace_users
from roost.mcp.routes import McpRoutes
from roost.migration.assets import AssetRoutes
from roost.migration.background import Background
from roost.migration.connect import ConnectPages
from roost.migration.pages import MigrationPages
from roost.migration.routes import MigrationRoutes
from roost.migration.tables import migrations as migration_rows
from roost.performance.doctor import Doctor
from roost.sync.publication import Published
from roost.sync.routes import Respond, ShapeRoutes
from roost.tasks.past import MESSAGE_KIND, TASK_KIND
from roost.tasks.routes import TaskRoutes
from roost.tasks.tables import messages, tasks
from roost.web import openapi
from roost.web.cors import Origins
from roost.web.endpoint import Endpoint
from roost.web.kit import Kit
from roost.web.pages import page_endpoints
from roost.web.probes import Probes
from roost.web.rate import Limits


def _published(table: Table, permission: str, owner: str | None = None, *but: str) -> Published:
    columns = frozenset(column.name for column in table.c) - {*but}
    return Published(columns, permission, owner)


PUBLISHED: Mapping[str, Published] = {
    "tasks": _published(tasks, "tasks:read", None, "search"),
    "messages": _published(messages, "tasks:read"),
    "environments": _published(environments, "environments:read"),
    "executions": _published(executions, "executions:read"),
    "steps": _published(steps, "executions:read"),
    "migrations": _published(migration_rows, "migration:read", "user_id"),
    "users": replace(_published(workspace_users, "users:read"), stored_as="workspace_users"),
}
"""The tables that clients may follow, and the columns that they see."""

KINDS = (
    ENVIRONMENT_KIND,
    # What agents have done on a task could not be put back.
    replace(TASK_KIND, kept_by=Reference("task_id", executions)),
    MESSAGE_KIND,
)
"""What a workspace's restore puts back, each kind after those that it names."""


def served_endpoints(  # noqa: PLR0913 -- each room needs what it needs
    kit: Kit,
    authenticator: DatabaseAuthenticator,
    secrets: SecretBox,
    probes: Probes,
    *,
    production: bool = False,
    alike: bool = False,
    public_url: str | None = None,
    dump_limit: int = 64 * 1024 * 1024,
    limits: Limits | None = None,
    logins: ProviderLogin | None = None,
    origins: Origins | None = None,
    background: Background | None = None,
    shapes: Respond | None = None,
    doctor: Doctor | None = None,
    mcp: McpRoutes | None = None,
) -> list[Endpoint]:
    """Give every route that is served, the pages that describe them included."""
    limits, origins = limits or Limits(), origins or Origins()
    endpoints: list[Endpoint] = [
        *IdentityRoutes(kit, authenticator, production, public_url, limits, logins).endpoints(),
        *EnvironmentRoutes(kit, secrets).endpoints(),
        *TaskRoutes(kit, alike=alike).endpoints(),
        *ExecutionRoutes(kit, secrets).endpoints(),
        *HistoryRoutes(kit, KINDS).endpoints(),
        *MigrationRoutes(kit, secrets, dump_limit, background).endpoints(),
        *MigrationPages(kit, authenticator).endpoints(),
        *ConnectPages(kit, authenticator, origins, limits).endpoints(),
        *AssetRoutes().endpoints(),
        *(doctor or Doctor(kit.database, secrets)).endpoints(kit),
        *ShapeRoutes(shapes, PUBLISHED).endpoints(),
        *(mcp or McpRoutes()).endpoints(),
        *probes.endpoints(),
    ]
    return [*endpoints, *page_endpoints(lambda: openapi.document(endpoints, __version__))]
