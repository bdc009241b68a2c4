"""A workspace with somebody in each role, with credentials of every kind, live and dead."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from roost.identity.access import credentials
from tests.db.rows import TENANT_TABLES, names, plant, row_of
from tests.isolation.operations import NoExampleError, Operation
from tests.isolation.served import Served

ROLES = ("viewer", "member", "admin", "owner")
Headers = dict[str, str]
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@dataclass
class Cast:
    """The people of one workspace, by role; `deactivated` is an owner whose account is closed."""

    connection: Any
    workspace: UUID
    marker: str
    users: dict[str, UUID] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def hire(self, name: str, role: str) -> UUID:
        """Make a member."""
        user = self.users[name] = uuid4()
        made = names() | {"users": user, "workspaces": self.workspace}
        await plant(self.connection, "users", row_of("users", made, self.marker))
        if name == "owner":
            await plant(self.connection, "workspaces", row_of("workspaces", made, self.marker))
        row = row_of("memberships", made) | {"role": role}
        await plant(self.connection, "memberships", row)
        return user

    async def token(self, user: UUID, scope: str = "*", **fields: object) -> Headers:
        """Make a token; gives the headers that present it."""
        secret = credentials.new_access_token()
        made = names() | {"users": user, "workspaces": self.workspace}
        row = row_of("access_tokens", made, self.marker)
        row |= {
            "token_hash": credentials.digest(secret),
            "hint": credentials.hint(secret),
            "scopes": [scope],
            "revoked_at": None,
            "last_used_at": NOW,
            **fields,
        }
        await plant(self.connection, "access_tokens", row)
        return {"authorization": f"Bearer {secret}"}

    async def session(self, user: UUID, **fields: object) -> Headers:
        """Make a session; gives the headers that present it."""
        secret = credentials.new_opaque_secret()
        row = row_of("sessions", names() | {"users": user}, self.marker)
        row |= {"token_hash": credentials.digest(secret), "last_seen_at": NOW, **fields}
        await plant(self.connection, "sessions", row)
        return {"cookie": f"roost_session={secret}"}

    async def make(self, table: str, user: UUID, **fields: object) -> UUID:
        """Make a row of a tenant's table, and what it refers to."""
        made = names() | {"users": user, "workspaces": self.workspace}
        for parent in PARENTS.get(table, ()):
            await plant(self.connection, parent, row_of(parent, made, self.marker))
        await plant(self.connection, table, row_of(table, made, self.marker) | fields)
        return made[table]

    async def rows(self) -> dict[str, list[str]]:
        """Read all that the workspace has, but for when its credentials were last used."""
        found: dict[str, list[str]] = {}
        for table, row in await self.connection.fetch(EVERYTHING, self.workspace):
            found.setdefault(table, []).append(row)
        return found


EVERYTHING = (
    " union all ".join(
        f"select '{table}', (to_jsonb(t) - 'last_used_at')::text from {table} t"
        " where t.workspace_id = $1"
        for table in TENANT_TABLES
    )
    + " union all select 'workspaces', w::text from workspaces w where w.id = $1"
    " union all select 'users', u::text from users u join memberships m on m.user_id = u.id"
    " where m.workspace_id = $1 order by 1, 2"
)
PARENTS = {
    "tasks": ("environments",),
    "messages": ("environments", "tasks"),
    "environment_secrets": ("environments",),
    "executions": ("environments", "tasks"),
    "steps": ("environments", "tasks", "executions"),
}


async def make_cast(connection: Any, marker: str) -> Cast:
    """Make a workspace and its people."""
    cast = Cast(connection, uuid4(), marker)
    async with connection.transaction():
        for role in reversed(ROLES):
            await cast.hire(role, role)
        closed = await cast.hire("deactivated", "owner")
        await connection.execute("update users set is_active = false where id = $1", closed)
    return cast


Places = Mapping[str, str]


async def places(operation: Operation, cast: Cast, actor: str, served: Served) -> Places:
    """Make what an operation's path names, fresh, for the one who asks; gives the names' values."""
    user = cast.users[actor]
    found = {}
    for name in operation.places:
        head = operation.path.partition("{" + name + "}")[0].rstrip("/").rpartition("/")[2]
        maker = PLACES.get(f"{head}/{name}")
        if maker is None:
            message = (
                f"tests/isolation/cast.py knows nothing to put into {operation.path} for {name}: "
                f"add {head}/{name} to PLACES"
            )
            raise NoExampleError(message)
        found[name] = str(await maker(cast, user, served, operation))
    found["{member}"] = str(cast.users["member"])
    found["{email}"] = f"{cast.marker}-{user}@example.test"
    # The beginning, which every workspace has.
    found |= {"?asOf": "0", "?from": "0"}
    if "{task}" in str(operation.body):
        found["{task}"] = str(await cast.make("tasks", user))
    if "with" in operation.required:
        found["?with"] = found["id"]
    if "token" in operation.required:
        found["?token"] = await _link(cast, user)
    return found


Maker = Callable[[Cast, UUID, Served, Operation], Any]
"""Makes something for a user of the cast, and gives what names it."""


async def _migration(cast: Cast, user: UUID, served: Served, _operation: Operation) -> str:
    headers = await cast.token(user)
    body = {"keys": {"theme": "dark", "name": cast.marker}, "config": {"dryRun": True}}
    answer = await served.ask("POST", "/api/v1/migration", headers, body)
    if answer.status == 403:  # of a viewer, who may ask for one all the same
        return await _migration(cast, cast.users["owner"], served, _operation)
    assert answer.status == 201, answer.text
    return str(msgspec.json.decode(answer.body)["data"]["id"])


async def _query(cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> int:
    # The server's, not a tenant's: everybody who may ask is told of the same.
    await cast.connection.execute(
        "insert into performance.statement (query_id, text) values (7, 'select 7')"
        " on conflict do nothing"
    )
    return 7


async def _report(cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> UUID:
    report = uuid4()
    empty: dict[str, object] = {
        name: [] for name in ("summary", "health", "indexes", "missing", "tables", "queries",
                              "slowQueries", "degrading")
    }  # fmt: skip
    await cast.connection.execute(
        "insert into performance.report (id, document) values ($1, $2)",
        report,
        msgspec.json.encode(empty | {"bloatMeasured": False}).decode(),
    )
    return report


async def _index_change(cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> UUID:
    change = uuid4()
    await cast.connection.execute(
        "insert into performance.index_change (id, sql, table_name, state, leased_until)"
        " values ($1, 'select', 'tasks', 'done', now())",
        change,
    )
    return change


async def _benchmark(cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> UUID:
    # The server's too; one that has ended, so that nobody has to wait for it.
    run = uuid4()
    await cast.connection.execute(
        "insert into performance.benchmark_run (id, suites, repetitions, max_seconds, worker,"
        " state, lease_until, results) values ($1, '{crud}', 3, 5, 'x', 'completed', now(), $2)",
        run,
        '[{"suite": "crud", "name": "read", "operations": 1, "opsPerSecond": 1, "meanMs": 1,'
        ' "p50Ms": 1, "p95Ms": 1, "p99Ms": 1, "roundMediansMs": [1], "figuresMs": [1]}]',
    )
    return run


async def _alert_rule(cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> UUID:
    # The server's too, as all that has to do with alerts.
    made = uuid4()
    await cast.connection.execute(
        "insert into performance.alert_rule (id, name, metric, comparison, threshold,"
        " clear_threshold, for_seconds, cooldown_seconds, severity, is_enabled)"
        " values ($1, 'x', 'deadlocks', 'above', 1, 1, 0, 0, 'info', false)",
        made,
    )
    return made


async def _alert_channel(cast: Cast, user: UUID, served: Served, _operation: Operation) -> str:
    del user
    headers = await cast.token(cast.users["owner"])
    body = {"name": "x", "kind": "log"}
    answer = await served.ask("POST", "/api/v1/performance/alerts/channels", headers, body)
    assert answer.status == 201, answer.text
    return str(msgspec.json.decode(answer.body)["data"]["id"])


async def _alert(cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> UUID:
    made = uuid4()
    await cast.connection.execute(
        "insert into performance.alert_event (id, rule_id, rule_name, severity, metric,"
        " comparison, threshold, state, value, worst, opened_at, told_at)"
        " values ($1, $2, 'x', 'info', 'deadlocks', 'above', 1, 'firing', 2, 2, now(), now())",
        made,
        uuid4(),
    )
    return made


async def _execution(cast: Cast, user: UUID, _served: Served, operation: Operation) -> UUID:
    # Live and the caller's, with a checkpoint; or ended, for what needs that.
    is_ended = operation.id.endswith("rollback")
    run = await cast.make(
        "executions",
        user,
        status="completed" if is_ended else "running",
        lease_expires_at=None if is_ended else NOW + 24 * HOUR,
    )
    made = names() | {"users": user, "workspaces": cast.workspace, "executions": run}
    step = row_of("steps", made, cast.marker) | {"is_checkpoint": True}
    await plant(cast.connection, "steps", step)
    return run


async def _first(_cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> int:
    return 1


async def _link(cast: Cast, user: UUID) -> str:
    secret = credentials.new_opaque_secret()
    row = row_of("login_links", names() | {"users": user}, cast.marker)
    row |= {"token_hash": credentials.digest(secret)}
    await plant(cast.connection, "login_links", row)
    return secret


async def _invited(cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> str:
    secret = credentials.new_opaque_secret()
    await cast.make(
        "invitations",
        cast.users["owner"],  # who still may invite
        token_hash=credentials.digest(secret),
        email=None,
        accepted_by=None,
        expires_at=NOW + HOUR,
    )
    return secret


async def _colleague(cast: Cast, user: UUID, _served: Served, operation: Operation) -> UUID:
    # Whoever may not remove others may leave.
    if operation.method == "DELETE" and user in {cast.users["viewer"], cast.users["member"]}:
        return user
    return await cast.hire(f"colleague-{len(cast.users)}", "member")


async def _restorable(cast: Cast, _user: UUID, _served: Served, operation: Operation) -> UUID:
    if operation.id.endswith("restore"):
        await cast.connection.execute(
            "update workspaces set deleted_at = now() where id = $1", cast.workspace
        )
    return cast.workspace


def _row(table: str, **fields: object) -> Maker:
    async def make(cast: Cast, user: UUID, _served: Served, _operation: Operation) -> UUID:
        return await cast.make(table, user, **fields)

    return make


async def _session(cast: Cast, user: UUID, _served: Served, _operation: Operation) -> UUID:
    row = row_of("sessions", names() | {"users": user}, cast.marker)
    await plant(cast.connection, "sessions", row)
    return UUID(str(row["id"]))


async def _identity(cast: Cast, user: UUID, _served: Served, _operation: Operation) -> UUID:
    # Two: the last one may not go.
    for _ in range(2):
        row = row_of("identities", names() | {"users": user}, cast.marker)
        await plant(cast.connection, "identities", row)
    return UUID(str(row["id"]))


async def _self(_cast: Cast, user: UUID, _served: Served, _operation: Operation) -> UUID:
    return user


async def _name(_cast: Cast, _user: UUID, _served: Served, _operation: Operation) -> str:
    return "NAME"


PLACES: dict[str, Maker] = {
    # the part before a place in a path, and the place's name -> what makes something to name there
    "queries/id": _query,
    "analyze/id": _report,
    "changes/id": _index_change,
    "benchmarks/id": _benchmark,
    "rules/id": _alert_rule,
    "channels/id": _alert_channel,
    "alerts/id": _alert,
    "tasks/id": _row("tasks"),
    "environments/id": _row("environments"),
    "executions/id": _execution,
    "steps/number": _first,
    "secrets/name": _name,
    "auth/provider": _name,
    "link/provider": _name,
    "migrate/module": _name,
    "identities/identity_id": _identity,
    "identities/id": _identity,
    "tokens/id": _row("access_tokens", revoked_at=None),
    "migration/id": _migration,
    "documents/id": _row("documents"),
    "users/id": _self,
    "sessions/session_id": _session,
    "workspaces/id": _restorable,
    "members/user_id": _colleague,
    "invitations/invitation_id": _row("invitations", accepted_by=None),
    "invitations/token": _invited,
    "invitations/link": _invited,
}
