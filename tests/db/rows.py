"""A row of every tenant table, for two tenants who must not meet."""

import importlib.util
import pkgutil
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import Column

import roost
from roost.db.metadata import metadata

for _room in pkgutil.iter_modules(roost.__path__, "roost."):
    if _room.ispkg and importlib.util.find_spec(f"{_room.name}.tables"):
        importlib.import_module(f"{_room.name}.tables")

TENANT_TABLES = tuple(
    table.name for table in metadata.sorted_tables if "workspace_id" in table.columns
)
"""In an order in which references can be made."""


async def fill(superuser_url: str) -> dict[str, UUID]:
    """Make a workspace with one row in each tenant table; gives the id in each table."""
    connection = await asyncpg.connect(superuser_url)
    try:
        async with connection.transaction():
            return await _fill(connection)
    finally:
        await connection.close()


async def _fill(connection: Any) -> dict[str, UUID]:
    user, workspace = uuid4(), uuid4()
    made = {"users": user, "workspaces": workspace}
    await connection.execute(
        "insert into users (id, email) values ($1, $2)", user, f"{user}@example.test"
    )
    await connection.execute(
        "insert into workspaces (id, slug, name, created_by) values ($1, $2, 'w', $3)",
        workspace,
        f"w-{workspace}",
        user,
    )
    for name in TENANT_TABLES:
        made[name] = uuid4()
        values = row_of(name, made)
        columns = ", ".join(f'"{column}"' for column in values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await connection.execute(
            f'insert into "{name}" ({columns}) values ({places})', *values.values()
        )
    return made


def row_of(name: str, made: dict[str, UUID]) -> dict[str, object]:
    """Make up a row: what has no default, and every reference."""
    values: dict[str, object] = {}
    for column in metadata.tables[name].columns:
        target = _REFERENCES.get(column.name)
        if column.name == "id":
            values["id"] = made[name]
        elif target is not None:
            if target in made:
                values[column.name] = made[target]
        elif column.computed is None and column.server_default is None and not column.nullable:
            values[column.name] = _example(name, column, made[name])
    return values


def _example(table: str, column: Column[Any], row: UUID) -> object:
    kind = column.type.python_type
    return row.bytes if kind is bytes else _VALUES.get((table, column.name)) or _EXAMPLES[kind]


_REFERENCES = {
    "workspace_id": "workspaces",
    "user_id": "users",
    "task_id": "tasks",
    "environment_id": "environments",
    "migration_id": "migrations",
    "assignee_id": "users",
    "created_by": "users",
}
_VALUES: dict[tuple[str, str], object] = {
    ("memberships", "role"): "owner",
    ("messages", "role"): "user",
}
_EXAMPLES: dict[type, object] = {str: "x", int: 1, object: "{}", list: []}
