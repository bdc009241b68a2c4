"""What a shape is: a table's rows that match, some of its columns, and how changes are told."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from roost.sync.catalog import Relation
from roost.sync.clause.allowed import MOMENTS
from roost.sync.clause.printing import ClauseError, FindTable, Scope, TableName
from roost.sync.clause.reading import Clause, read_where
from roost.sync.identifiers import quoted
from roost.sync.refusal import invalid
from roost.sync.request import ShapeRequest

_WRONG: Final = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.ProgramLimitExceededError,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A clause that PostgreSQL has accepted: each of its parameters has a type."""

    clause: Clause
    types: tuple[str, ...] = ()

    @property
    def values(self) -> list[str]:
        """The parameters' texts, to be bound as one array."""
        return list(self.clause.parameters)

    def sql(self, array: str, table: Callable[[TableName], str] | None = None) -> str:
        """Write it, with the parameters taken out of the text array that `array` stands for.

        `table` says what stands for the tables that its sub-queries read.
        """
        return self.clause.sql(
            lambda n: f"cast(({array}::text[])[{n}] as {self.types[n - 1]})", table
        )


@dataclass(frozen=True, slots=True)
class Definition:
    """One shape. Equal ones share a log; `identity` is what they are equal by."""

    relation: Relation
    columns: tuple[str, ...]
    condition: Condition | None = None
    dependencies: tuple[Relation, ...] = ()
    full: bool = False
    changes_only: bool = False
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    life: str = ""
    """Which life of the database its ticks are of."""
    identity: bytes = field(init=False)
    """32 bytes that tell it from any other definition, and from itself before a DDL."""

    def __post_init__(self) -> None:
        """Work its identity out, once."""
        condition = self.condition
        facts = (
            self.relation.oid,
            self.relation.signature,
            self.columns,
            [(each.oid, each.signature) for each in self.dependencies],
            condition and (condition.clause.text, condition.clause.parameters, condition.types),
            self.full,
            self.changes_only,
            self.workspace_id,
            self.user_id,
            self.life,
        )
        identity = hashlib.sha256(msgspec.json.encode(facts)).digest()
        object.__setattr__(self, "identity", identity)


def chosen_columns(
    relation: Relation, wanted: Sequence[str] | None, published: frozenset[str]
) -> tuple[str, ...]:
    """The columns of a shape, in the table's order; the key's are always among them."""
    names = [each.name for each in relation.columns if each.name in published]
    if wanted is None:
        return tuple(names)
    if unknown := [name for name in wanted if name not in names]:
        listed = ", ".join(unknown)
        raise invalid("columns", f"The following columns are not found on the table: {listed}")
    if relation.has_key and (missing := [name for name in relation.key if name not in wanted]):
        listed = ", ".join(missing)
        message = "The list of columns must include all primary key columns, missing: "
        raise invalid("columns", message + listed)
    return tuple(name for name in names if name in set(wanted))


def read_condition(
    request: ShapeRequest, relation: Relation, published: frozenset[str], find_table: FindTable
) -> Clause | None:
    """Read the request's `where`; a RefusalError names the part that is wrong."""
    if request.where is None:
        return None
    scope = Scope((relation.schema, relation.name), published)
    try:
        return read_where(request.where, scope, request.params, find_table)
    except ClauseError as error:
        raise invalid("where", error.message) from None


async def accepted(
    connection: Any,  # noqa: ANN401 -- asyncpg's
    relation: Relation,
    clause: Clause,
    refuse: Callable[[str], Exception],
    max_cost: float = 0.0,
) -> Condition:
    """Let PostgreSQL say that a clause is a condition, and of which types its parameters are.

    Nothing is run. `max_cost` is what it may cost by the planner's estimate; 0 for anything.
    Raises what `refuse` makes of PostgreSQL's message.
    """
    table = f"{relation.sql} as {quoted(relation.name)}"
    text = clause.sql(lambda n: f"${n}")
    try:
        prepared = await connection.prepare(f"select {text} from {table}")  # noqa: S608 -- printed from a tree
    except _WRONG as error:
        raise refuse(_told(error)) from None
    [result] = prepared.get_attributes()
    if result.type.name != "bool":
        message = "WHERE clause must return a boolean"
        raise refuse(message)
    kinds = prepared.get_parameters()
    for kind, value in zip(kinds, clause.parameters, strict=True):
        _require_fixed(kind.name, value, refuse)
    condition = Condition(clause, tuple(_type_sql(kind) for kind in kinds))
    if max_cost:
        await _require_cheap(connection, table, condition, refuse, max_cost)
    return condition


async def _require_cheap(
    connection: Any,  # noqa: ANN401 -- asyncpg's
    table: str,
    condition: Condition,
    refuse: Callable[[str], Exception],
    max_cost: float,
) -> None:
    """Refuse what would run into the statement timeout, before it takes the time."""
    where = f"{condition.sql('$1')} and $1::text[] is not null"
    statement = f"explain (format json) select 1 from {table} where {where}"  # noqa: S608 -- printed from a tree
    try:
        plan = await connection.fetchval(statement, condition.values)
    except _WRONG as error:
        raise refuse(_told(error)) from None
    cost = msgspec.json.decode(plan)[0]["Plan"]["Total Cost"]
    if cost > max_cost:
        message = (
            f"the condition is too costly: {cost:.0f} by the planner's estimate,"
            f" {max_cost:.0f} at most"
        )
        raise refuse(message)


def _type_sql(kind: Any) -> str:  # noqa: ANN401 -- asyncpg's
    name = kind.name.removesuffix("[]")
    return f"{quoted(kind.schema)}.{quoted(name)}{kind.name[len(name) :]}"


def _require_fixed(kind: str, value: str, refuse: Callable[[str], Exception]) -> None:
    """Refuse `now` and `today` as moments: a shape's rows may not change with the clock alone."""
    if kind.removesuffix("[]") in MOMENTS and any(
        word in value.lower() for word in ("now", "today", "tomorrow", "yesterday")
    ):
        message = f"{value[:100]!r} is another moment each time: give a fixed one"
        raise refuse(message)


def _told(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
