"""A part of a shape, read once: rows that a client asks for beside the log."""

import random
from typing import Any

import asyncpg

from roost.sync.clause.printing import ClauseError, Scope, no_table
from roost.sync.clause.reading import beside, read_order, read_where
from roost.sync.definition import Condition, Definition, accepted
from roost.sync.identifiers import quoted
from roost.sync.messages import SnapshotId, encode
from roost.sync.offsets import lsn_of
from roost.sync.refusal import RefusalError, must_refetch, refused
from roost.sync.request import Subset
from roost.sync.rows import condition_sql, message_sql, parameters_of
from roost.sync.shape import Shape
from roost.sync.source import Source

_MARKS = 1 << 31
_AHEAD = 2
"""Ticks that may pass until what the snapshot sees has come in the log."""


async def read_subset(shape: Shape, subset: Subset, source: Source, tick: int) -> bytes:
    """Read the rows in a snapshot of their own; `tick` is the newest that the shape knows.

    RefusalError for what cannot be asked for, and when the table has changed.
    """
    definition = shape.definition
    mark = random.randrange(_MARKS)  # noqa: S311 -- a name, no secret
    try:
        async with source.reading(
            definition.workspace_id, definition.user_id, repeatable=True, shown=True
        ) as connection:
            condition = await _condition(connection, definition, subset, source.max_cost)
            statement = _statement(definition, subset, condition, mark)
            facts = await connection.fetchrow(
                "select pg_current_snapshot()::text as snapshot,"
                " coalesce((select max(id) from journal.tick), 0) as tick"
            )
            values = condition.values if condition else []
            rows = await connection.fetch(statement, parameters_of(definition), values)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise must_refetch() from None
    except asyncpg.DataError as error:
        raise _wrong("where", str(error)) from None
    metadata = SnapshotId.of(facts["snapshot"]).fields() | {
        "snapshot_mark": mark,
        "database_lsn": str(lsn_of(max(facts["tick"], tick) + _AHEAD, 0)),
    }
    data = b",".join(row[0].encode() for row in rows)
    return b'{"metadata":' + encode(metadata) + b',"data":[' + data + b"]}"


async def _condition(
    connection: Any,  # noqa: ANN401 -- asyncpg's
    definition: Definition,
    subset: Subset,
    max_cost: float,
) -> Condition | None:
    if subset.where is None:
        return None
    try:
        text, scope = subset.where, _scope(definition)
        clause = await beside(text, lambda: read_where(text, scope, subset.params, no_table))
    except ClauseError as error:
        raise _wrong("where", error.message) from None
    relation = definition.relation
    return await accepted(
        connection, relation, clause, lambda text: _wrong("where", text), max_cost
    )


def _statement(
    definition: Definition, subset: Subset, condition: Condition | None, mark: int
) -> str:
    relation = definition.relation
    table = quoted(relation.name)
    # Both sides in parentheses: one with `or` must not let the other out.
    where = f"{condition_sql(definition, '$1')} and $1::text[] is not null"
    where += f" and ({condition.sql('$2') if condition else 'true'}) and $2::text[] is not null"
    order = limits = ""
    if subset.order_by is not None:
        try:
            order = f" order by {read_order(subset.order_by, _scope(definition))}"
        except ClauseError as error:
            raise _wrong("order_by", error.message) from None
    if subset.limit is not None:
        limits += f" limit {subset.limit}"
    if subset.offset is not None:
        limits += f" offset {subset.offset}"
    message = message_sql(definition, f"'{mark}'")
    return f"select {message} from {relation.sql} as {table} where {where}{order}{limits}"  # noqa: S608 -- printed


def _scope(definition: Definition) -> Scope:
    relation = definition.relation
    return Scope((relation.schema, relation.name), frozenset(definition.columns))


def _wrong(field: str, message: str) -> RefusalError:
    return refused({"subset": {field: message.split("\n", 1)[0]}})
