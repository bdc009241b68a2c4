"""A row of a table that lives as long as a connection, as two ways write it in JSON."""

import json
from typing import Any

import asyncpg
from hypothesis import strategies as st
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from roost.db.statements import Statement

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped in the library
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)


async def written(
    database: str, table: Table, statement: Statement, row: dict[str, Any], zone: str = "UTC"
) -> tuple[str, str]:
    """Give what the statement makes of the row, and what PostgreSQL's own `row_to_json` does.

    `table` has the prefix TEMPORARY; a column `document` is JSON.
    """
    connection = await asyncpg.connect(database, server_settings={"timezone": zone})
    try:
        await connection.execute(str(CreateTable(table).compile(dialect=_DIALECT)))
        document = None if row["document"] is None else json.dumps(row["document"])
        values = {**row, "document": document}
        places = ", ".join(f"${n}" for n in range(1, len(table.c) + 1))
        await connection.execute(
            f"insert into {table.name} values ({places})",
            *(values[column.name] for column in table.c),
        )
        ours = await connection.fetchval(statement.sql)
        theirs = await connection.fetchval(f"select row_to_json(s)::text from {table.name} s")
        return ours, theirs
    finally:
        await connection.close()
