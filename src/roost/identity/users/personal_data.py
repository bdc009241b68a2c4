"""Where a user's data is, table by table: what an export shows, and what an erasure does to it.

Found by looking at every room's tables, so that a new one is part of the export at once; a test
asks for its fate. What an erasure does is written in the database's function `forget_user`.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from roost.db.jsontext import array_text, object_text
from roost.db.metadata import metadata
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.web.structs import camel

Fate = Literal["deleted", "unnamed", "kept"]
FATES: Mapping[str, tuple[Fate, str]] = {
    "users": ("unnamed", "a row without a name stays, for others' work refers to it"),
    "identities": ("deleted", "how they logged in"),
    "provider_tokens": ("deleted", "what a provider gave for them"),
    "sessions": ("deleted", "their log-ins"),
    "login_links": ("deleted", "their log-ins"),
    "login_attempts": ("deleted", "their log-ins"),
    "access_tokens": ("deleted", "their credentials"),
    "memberships": ("deleted", "they belong to nothing any more"),
    "workspace_users": ("deleted", "they belong to nothing any more"),
    "workspaces": ("kept", "shared with others; the ones that were theirs alone are purged"),
    "invitations": ("unnamed", "that somebody was invited stays, the address goes"),
    "audit_events": ("unnamed", "what was done and when stays, from where goes"),
    "idempotency_keys": ("deleted", "answers to their requests"),
    "environments": ("kept", "the workspace works with them"),
    "environment_secrets": ("kept", "the workspace works with them"),
    "tasks": ("kept", "work in a shared workspace"),
    "messages": ("kept", "work in a shared workspace"),
    "executions": ("kept", "work in a shared workspace"),
    "steps": ("kept", "work in a shared workspace"),
    "migrations": ("deleted", "a move of their browser's data"),
    "migration_dumps": ("deleted", "their browser's data"),
    "migration_backups": ("deleted", "rows of theirs as they were"),
    "migration_keys": ("deleted", "their browser's data"),
    "migration_items": ("deleted", "their browser's data"),
    "documents": ("deleted", "their browser's data"),
    "kept_secrets": ("deleted", "their browser's data"),
}
"""What an erasure does to the rows of a user, and why."""
PAGE = 100
"""Rows read at a time: what an export needs of memory, however long it is."""
_NAMES_A_USER = re.compile(r"(.+_)?user_id|actor_id|assignee_id|owner_id|.+_by")
_CREDENTIAL = re.compile(r"hash|sealed|cipher|secret|password|fingerprint")
_USER_KEYS = {"users.id", "memberships.user_id"}
# The headers of a kept answer may set a cookie.
_LEFT_OUT = {("idempotency_keys", "headers")}


def columns_naming(table: Table) -> list[str]:
    """Give the columns that say which user a row is of, or by, or for."""
    if table.name == "users":
        return ["id"]
    return [
        column.name
        for column in table.columns
        if (isinstance(column.type, Uuid) and _NAMES_A_USER.fullmatch(column.name))
        or any(key.target_fullname in _USER_KEYS for key in column.foreign_keys)
    ]


def unclassified() -> list[str]:
    """Give the tables that name users, or hang on rows that go, and have no fate."""
    return [
        name
        for name, table in metadata.tables.items()
        if name not in FATES and theirs(table) is not None
    ]


def _parents(table: Table) -> Iterator[tuple[str, Table, str]]:
    """Find the tables whose rows go with their user and take rows of this one with them."""
    for constraint in table.foreign_key_constraints:
        parent = constraint.referred_table
        fate, _ = FATES.get(parent.name, ("kept", ""))
        if fate == "deleted" and "id" in parent.columns:
            for element in constraint.elements:
                if element.column.name == "id":
                    yield element.parent.name, parent, "id"


def theirs(table: Table) -> ColumnElement[bool] | None:
    """Say which rows are the asking user's; None when no row of the table can be."""
    names = columns_naming(table)
    if names:
        return or_(*(table.c[name] == USER_ID for name in names))
    conditions = []
    for column, parent, key in _parents(table):
        of_parent = theirs(parent)
        if of_parent is not None:
            found = select(parent.c[key]).where(of_parent)
            conditions.append(table.c[column].in_(found))
    return or_(*conditions) if conditions else None


def exported_tables(*, of_workspace: bool) -> list[Table]:
    """Give the tables that an export reads: those with a tenant, or those of the user alone."""
    return [
        table
        for table in metadata.sorted_tables
        if ("workspace_id" in table.columns) is of_workspace
        and table.name != "workspaces"
        and theirs(table) is not None
    ]


@cache
def export_page(table: Table) -> Statement:
    """Give the statement that reads a page of the user's rows, after the key `after`.

    Its `items` is a JSON array; `keys` has one key for each.
    """
    condition = theirs(table)
    assert condition is not None  # noqa: S101 -- exported_tables gives no other
    key = list(table.primary_key)[-1]
    rows = select(object_text(_shown(table)).label("item"), cast(key, Text).label("key")).where(
        condition, key > bindparam("after", type_=Uuid)
    )
    if "workspace_id" in table.columns:
        rows = rows.where(table.c.workspace_id == TENANT_ID)
    page = rows.order_by(key).limit(literal_column(str(PAGE))).subquery("page")
    answer = select(
        array_text(page.c.item).label("items"),
        func.coalesce(func.array_agg(page.c.key), literal_column("'{}'::text[]")).label("keys"),
    ).select_from(page)
    return tenant_read(f"select {table.name}.export", answer)


def _shown(table: Table) -> dict[str, Any]:
    """Give the columns of an export: no credential, nothing binary, nothing derived."""
    fields: dict[str, Any] = {}
    for column in table.columns:
        if (
            isinstance(column.type, LargeBinary)
            or column.computed is not None
            or _CREDENTIAL.search(column.name)
            or (table.name, column.name) in _LEFT_OUT
        ):
            continue
        fields[camel(column.name)] = column
    return fields
