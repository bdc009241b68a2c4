"""Clauses as they come, read: a `where`, and an `order by` of plain columns."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pglast import ast, parse_sql
from pglast.parser import ParseError, scan
from pglast.visitors import Visitor

from roost.sync.clause.printing import (
    PLACE,
    TABLE,
    ClauseError,
    FindTable,
    Printer,
    Scope,
    TableName,
    Tree,
)
from roost.sync.identifiers import DEFAULT_SCHEMA, quoted

T = TypeVar("T")
_LONG: Final = 2_048
"""Characters from which on a clause takes milliseconds to read: 64 KB of it half a second."""
_WHERE: Final = "SELECT 1 WHERE "
_ORDER: Final = "SELECT 1 ORDER BY "
_FLAT: Final = frozenset(
    [
        *("IDENT", "UIDENT", "SCONST", "USCONST", "ICONST", "FCONST", "PARAM"),
        *("AND", "OR", "ASCII_44", "ASCII_46", "ASCII_41", "ASCII_93"),
        *("ASCII_60", "ASCII_61", "ASCII_62", "LESS_EQUALS", "GREATER_EQUALS", "NOT_EQUALS"),
    ]
)
"""Tokens of which any number makes a tree no deeper."""
_MOST_OPERATORS: Final = 1_000
"""A tree 30,000 deep overflows the stack of the parser, which ends the process."""
_MOST_COMMENTS: Final = 100
"""Nested ones take the parser time by the square of their number: seconds for 64 KB of them."""
_DIRECTIONS: Final = {
    "SORTBY_DEFAULT": "",
    "SORTBY_ASC": " asc",
    "SORTBY_DESC": " desc",
}
_NULLS: Final = {
    "SORTBY_NULLS_DEFAULT": "",
    "SORTBY_NULLS_FIRST": " nulls first",
    "SORTBY_NULLS_LAST": " nulls last",
}


async def beside(text: str | None, read: Callable[[], T]) -> T:
    """Give what `read` makes of a clause; where that is long, others have their turn meanwhile."""
    if text is not None and len(text) > _LONG:
        return await asyncio.to_thread(read)
    return read()


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition with places for `parameters`; `tables` are those that its sub-queries read."""

    text: str
    parameters: tuple[str, ...] = ()
    tables: tuple[TableName, ...] = ()

    def sql(
        self, place: Callable[[int], str], table: Callable[[TableName], str] | None = None
    ) -> str:
        """Write it: each value, numbered from 1, as `place` says, each table as `table` does."""
        table = table or _as_it_is
        parts = self.text.split(PLACE)
        for at in range(1, len(parts), 2):
            part = parts[at]
            if part.startswith(TABLE):
                parts[at] = table(self.tables[int(part.removeprefix(TABLE))])
            else:
                parts[at] = place(int(part))
        return "".join(parts)


def _as_it_is(table: TableName) -> str:
    return f"{quoted(table[0])}.{quoted(table[1])}"


def tables_in(text: str) -> list[TableName]:
    """The tables that a condition mentions; none when it cannot be read."""
    if "select" not in text.lower():
        return []
    try:
        found = _Tables()
        found(_only_select(_WHERE, text))
    except ClauseError:
        return []
    return list(dict.fromkeys(found.names))


class _Tables(Visitor):
    """Collects the tables of a statement."""

    def __init__(self) -> None:
        self.names: list[TableName] = []

    def visit_RangeVar(self, _ancestors: Tree, node: Tree) -> None:  # noqa: N802 -- pglast's
        """Note a table."""
        self.names.append((str(node.schemaname or DEFAULT_SCHEMA), str(node.relname)))


def both(first: Clause, second: Clause) -> Clause:
    """The rows for which both conditions hold; the first has no sub-queries."""
    shift = len(first.parameters)
    moved = second.sql(
        lambda n: f"{PLACE}{n + shift}{PLACE}",
        lambda table: f"{PLACE}{TABLE}{second.tables.index(table)}{PLACE}",
    )
    parameters = first.parameters + second.parameters
    return Clause(f"({first.text} and {moved})", parameters, second.tables)


def read_where(text: str, scope: Scope, values: Mapping[str, str], find_table: FindTable) -> Clause:
    """Read a condition on the rows of `scope`. ClauseError with the part that is wrong."""
    node = _only_select(_WHERE, text)
    if node.whereClause is None or _has_more(node, "whereClause"):
        message = "only a condition is allowed here"
        raise ClauseError(message)
    printer = Printer([scope], find_table, values)
    sql = _printed(printer, node.whereClause)
    return Clause(sql, tuple(printer.parameters), tuple(printer.tables))


def _printed(printer: Printer, node: Tree) -> str:
    try:
        return printer.expression(node)
    except RecursionError:
        message = "the clause is nested too deeply"
        raise ClauseError(message) from None
    except ClauseError as error:
        if error.location < 0:
            raise
        place = max(error.location - len(_WHERE), 0)
        message = f"At location {place}: {error.message}"
        raise ClauseError(message, place) from None


def read_order(text: str, scope: Scope) -> str:
    """Read the columns to order by. ClauseError for anything but columns and directions."""
    node = _only_select(_ORDER, text)
    if _has_more(node, "sortClause"):
        message = "only columns are allowed here"
        raise ClauseError(message)
    printed = []
    for each in node.sortClause:
        names = [part.sval for part in getattr(each.node, "fields", ()) if hasattr(part, "sval")]
        if not isinstance(each.node, ast.ColumnRef) or len(names) != 1 or each.useOp:
            message = "only columns may be ordered by, each with asc, desc, nulls first or last"
            raise ClauseError(message)
        if names[0] not in scope.columns:
            message = f"unknown reference {names[0]}"
            raise ClauseError(message)
        direction = _DIRECTIONS[each.sortby_dir.name] + _NULLS[each.sortby_nulls.name]
        printed.append(f"{quoted(scope.table[1])}.{quoted(names[0])}{direction}")
    return ", ".join(printed)


def _only_select(prefix: str, text: str) -> Tree:
    if text.count("/*") > _MOST_COMMENTS:
        message = f"the clause has more than {_MOST_COMMENTS} comments"
        raise ClauseError(message)
    try:
        if sum(each.name not in _FLAT for each in scan(prefix + text)) > _MOST_OPERATORS:
            message = f"the clause has more than {_MOST_OPERATORS} operators and parentheses"
            raise ClauseError(message)
        statements = parse_sql(prefix + text)
    except ParseError as error:
        message, *place = error.args
        where = f"At location {place[0]}: " if place and isinstance(place[0], int) else ""
        text = f"{where}{message}"
        raise ClauseError(text) from None
    except (RecursionError, UnicodeError, ValueError):
        message = "the clause cannot be read"
        raise ClauseError(message) from None
    if len(statements) != 1:
        message = 'unescaped ";" causing statement split'
        raise ClauseError(message)
    return statements[0].stmt


def _has_more(node: Tree, allowed: str) -> bool:
    """Whether the statement has any clause beside `allowed`, or is no plain select at all."""
    is_select: bool = type(node) is ast.SelectStmt
    if not is_select or node.op.name != "SETOP_NONE":
        return True
    settled = {"targetList", "op", "limitOption", allowed}
    return any(bool(getattr(node, name)) for name in set(node) - settled)
