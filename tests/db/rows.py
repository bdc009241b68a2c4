"""A row of every table, for two tenants who must not meet."""

import importlib.util
import pkgutil
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import Column, Table

import roost
from roost.db.metadata import metadata

for _room in pkgutil.iter_modules(roost.__path__, "roost."):
    if _room.ispkg and importlib.util.find_spec(f"{_room.name}.tables"):
        importlib.import_module(f"{_room.name}.tables")

TABLES = ("users", *(table.name for table in metadata.sorted_tables if table.name != "users"))
"""All of them, in an order in which references can be made."""
TENANT_TABLES = tuple(
    table.name for table in metadata.sorted_tables if "workspace_id" in table.columns
)
"""In an order in which references can be made."""


OF_TRIGGERS = {"workspace_users": "users"}
"""Tables whose rows triggers make, each of another table's row with the same key."""


def key_of(table: str) -> str:
    """Name the column that tells the table's rows apart, among those of a tenant."""
    columns = metadata.tables[table].columns
    return "id" if "id" in columns else list(metadata.tables[table].primary_key)[-1].name


async def fill(superuser_url: str, marker: str = "") -> dict[str, UUID]:
    """Make a workspace with one row in each table; gives the key in each table.

    With a marker every free text begins with it, those that have a default included.
    """
    connection = await asyncpg.connect(superuser_url)
    try:
        async with connection.transaction():
            made = names()
            for table in TABLES:
                if table not in OF_TRIGGERS:
                    await plant(connection, table, row_of(table, made, marker))
            return made
    finally:
        await connection.close()


def names() -> dict[str, UUID]:
    """Make up the key of a row in each table."""
    made: dict[str, UUID] = {}
    for table in TABLES:
        key = key_of(table)
        if table in OF_TRIGGERS:
            made[table] = made[OF_TRIGGERS[table]]
        else:
            made[table] = uuid4() if key == "id" else made[_REFERENCES[key]]
    return made


async def plant(connection: Any, table: str, values: Mapping[str, object]) -> str:
    """Insert a row; gives the statement's status."""
    columns = ", ".join(f'"{column}"' for column in values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    sql = f'insert into "{table}" ({columns}) values ({places})'
    return str(await connection.execute(sql, *values.values()))


def row_of(table: str, made: Mapping[str, UUID], marker: str = "") -> dict[str, object]:
    """Make up a row: what has no default, and every reference."""
    values: dict[str, object] = {}
    for column in metadata.tables[table].columns:
        target = _REFERENCES.get(column.name)
        if column.name == key_of(table):
            values[column.name] = made[table]
        elif target is not None:
            values[column.name] = made[target]
        elif column.computed is None and _is_wanted(metadata.tables[table], column, marker):
            values[column.name] = _example(table, column, made[table], marker)
    return values


def _is_wanted(table: Table, column: Column[Any], marker: str) -> bool:
    if column.server_default is None and not column.nullable:
        return True
    if (table.name, column.name) in _VALUES:
        return True
    is_text = column.type.python_type is str
    return bool(marker) and is_text and (table.name, column.name) not in _KEPT


def _example(table: str, column: Column[Any], row: UUID, marker: str) -> object:
    kind = column.type.python_type
    if kind is bytes:
        return row.bytes
    if (table, column.name) in _VALUES:
        return _VALUES[table, column.name]
    if kind is str:
        text = f"{marker or 'x'}-{row}"
        return f"{text}@example.test" if column.name == "email" else text
    if kind not in _EXAMPLES:
        message = (
            f"tests/db/rows.py knows no value for {table}.{column.name}: add what it refers to to "
            "_REFERENCES, or an example to _VALUES or _EXAMPLES"
        )
        raise LookupError(message)
    return _EXAMPLES[kind]


_REFERENCES = {
    # a column of this name, in any table -> the table whose row it names
    "workspace_id": "workspaces",
    "user_id": "users",
    "task_id": "tasks",
    "environment_id": "environments",
    "execution_id": "executions",
    "claimed_by": "users",
    "migration_id": "migrations",
    "identity_id": "identities",
    "assignee_id": "users",
    "created_by": "users",
    "accepted_by": "users",
    "actor_id": "users",
    "linking_user_id": "users",
    "linking_session_id": "sessions",
    "credential_id": "access_tokens",
}
_VALUES: dict[tuple[str, str], object] = {
    ("memberships", "role"): "owner",
    ("messages", "role"): "user",
    ("invitations", "role"): "member",
    ("migrations", "state"): "planned",
    ("steps", "type"): "message",
}
_KEPT = {
    # texts that may only be some, and have a default that is
    ("users", "kind"),
    ("tasks", "status"),
    ("executions", "status"),
    ("tasks", "priority"),
    ("tasks", "mode"),
    ("audit_events", "outcome"),
}
_EXAMPLES: dict[type, object] = {
    int: 1,
    bool: True,
    object: "{}",
    list: [],
    datetime: datetime(2099, 1, 1, tzinfo=UTC),
}
