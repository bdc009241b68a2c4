"""The statement that carries its tenant: the one place that builds such statements.

A read is one round trip. The tenant is set by the statement itself, for its own implicit
transaction, and the rows hang off that by LATERAL, so the setting runs before the scan. With no
tenant set no row is visible: it fails closed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    LargeBinary,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql.selectable import LateralFromClause

from roost.db.statements import Statement, compiled

WORKSPACE = "roost.workspace_id"
USER = "roost.user_id"
CREDENTIAL = "roost.credential"
ACTOR = "roost.actor_id"
CAUSE = "roost.cause"


@dataclass(frozen=True, slots=True)
class Context:
    """Who does a thing, where and why; it travels in the statement and into the journal.

    `cause` is a request id, a migration's id or the like, at most 100 characters. `actor_id` is
    who does it, where that is not the user for whom the policies let rows through.
    """

    workspace_id: UUID | None = None
    user_id: UUID | None = None
    credential: str | None = None
    cause: str | None = None
    actor_id: UUID | None = None

    def values(self) -> dict[str, object]:
        """Give the bind values that a tenant statement takes."""
        return {
            "workspace_id": str(self.workspace_id) if self.workspace_id else "",
            "user_id": str(self.user_id) if self.user_id else "",
            "credential": self.credential or "",
            "cause": self.cause or "",
            "actor_id": str(self.actor_id or self.user_id or ""),
        }


def _set(name: str, value: ColumnElement[str]) -> ColumnElement[str]:
    return func.set_config(literal_column(f"'{name}'"), value, true())


def _bound(name: str) -> ColumnElement[str]:
    return bindparam(name, type_=Text, required=True)


# Written as plain names, not as columns of the CTE: SQLAlchemy would add the CTE to the FROM of
# every sub-select that uses them, where a join could run before the setting does.
TENANT_ID: ColumnElement[UUID] = cast(literal_column("tenant.workspace_id"), Uuid)
"""The tenant of the statement around; for use within `tenant_read` and `tenant_write` only."""
USER_ID: ColumnElement[UUID] = cast(func.nullif(literal_column("tenant.user_id"), ""), Uuid)
"""The asking user of the statement around."""

CREDENTIAL_HASH: ColumnElement[bytes] = func.decode(
    literal_column("presented.value", Text), literal_column("'hex'", Text), type_=LargeBinary
)
"""The SHA-256 of the credential presented; for use within `credential_read` only."""


def set_local(name: str, found: str) -> ColumnElement[str]:
    """Set a setting to a column of the credential found, within `credential_read`."""
    return _set(name, cast(literal_column(f"found.{found}"), Text))


def tenant_cte(settings: Mapping[str, str] | None = None) -> CTE:
    """Make the CTE that sets tenant and user, and any further `settings` (name to constant)."""
    columns = [
        _set(WORKSPACE, _bound("workspace_id")).label("workspace_id"),
        _set(USER, _bound("user_id")).label("user_id"),
    ]
    for number, (name, value) in enumerate((settings or {}).items()):
        columns.append(_set(name, literal_column(f"'{value}'")).label(f"setting_{number}"))
    return select(*columns).cte("tenant").prefix_with("MATERIALIZED")


def fenced(body: Select[*tuple[Any, ...]], name: str) -> LateralFromClause:
    """Make a LATERAL sub-select that runs once for each row before it, and never earlier.

    PostgreSQL would pull a plain one up and be free to join the other way round: OFFSET forbids it.
    """
    if body._offset_clause is None:  # noqa: SLF001 -- there is no public way to ask
        body = body.offset(literal_column("0"))
    return body.lateral(name)


def credential_read(
    name: str,
    credential: Select[*tuple[Any, ...]],
    context: Select[*tuple[Any, ...]],
    body: Select[*tuple[Any, ...]],
) -> Statement:
    """Compile the read that finds out who asks, in one round trip.

    Each step sees what the one before has set: `credential` finds the row of `CREDENTIAL_HASH`,
    `context` sets what that tells with `set_local` and is known as `tenant` to `body`. All columns
    of `credential` (as `credential_<name>`) and of `body` come back.
    """
    start = (
        select(_set(CREDENTIAL, _bound("credential")).label("value"))
        .cte("presented")
        .prefix_with("MATERIALIZED")
    )
    found = fenced(credential, "found")
    steps = start.join(found, true()).join(fenced(context, "tenant"), true())
    answer = fenced(body, "answer")
    columns = [column.label(f"credential_{column.name}") for column in found.c]
    rows = select(*columns, *answer.c).select_from(steps.join(answer, true()))
    return compiled(name, rows)


def tenant_read(
    name: str,
    body: Select[*tuple[Any, ...]],
    settings: Mapping[str, str] | None = None,
    ctes: Sequence[CTE] = (),
) -> Statement:
    """Compile a read of one tenant; `body` selects its rows by `TENANT_ID`.

    The body becomes a LATERAL sub-select. One that does not use the tenant is refused: it would
    be free to run first, and see nothing. `ctes` go before it, each after those that it reads; one
    with the name of a table takes its place.
    """
    tenant = tenant_cte(settings)
    rows = fenced(body, "answer")

    def check(sql: str) -> None:
        if "tenant.workspace_id" not in sql and "tenant.user_id" not in sql:
            message = f"the statement {name!r} does not use its tenant"
            raise ValueError(message)

    statement = select(*rows.c).select_from(tenant.join(rows, true()))
    if ctes:
        statement = statement.add_cte(tenant, *ctes)
    return compiled(name, statement, check)


def change_cte() -> CTE:
    """Make the CTE of a change in one statement: the tenant, and who does it why.

    The rows that are written must come from a join with it, by `TENANT_ID`, so that it runs first.
    """
    columns = [
        _set(WORKSPACE, _bound("workspace_id")).label("workspace_id"),
        _set(USER, _bound("user_id")).label("user_id"),
        _set(ACTOR, _bound("actor_id")).label("actor_id"),
        _set(CAUSE, _bound("cause")).label("cause"),
    ]
    return select(*columns).cte("tenant").prefix_with("MATERIALIZED")


TRANSACTION_ID: ColumnElement[str] = cast(func.pg_current_xact_id(), Text)
"""The id of the transaction around, in decimal."""
SET_CONTEXT = compiled(
    "select context",
    select(
        _set(WORKSPACE, _bound("workspace_id")),
        _set(USER, _bound("user_id")),
        _set(ACTOR, _bound("actor_id")),
        _set(CREDENTIAL, _bound("credential")),
        _set(CAUSE, _bound("cause")),
        TRANSACTION_ID.label("xid"),
    ),
)
"""Sets a transaction's whole context and gives its id; runs first in every write."""
