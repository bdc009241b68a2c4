"""Which columns a statement looks rows up by: read with PostgreSQL's own parser."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType
from pglast.parser import ParseError

_RANGES: Final = frozenset({"<", ">", "<=", ">="})
_EQUAL_KINDS: Final = (A_Expr_Kind.AEXPR_OP_ANY, A_Expr_Kind.AEXPR_IN)


class Lookup(msgspec.Struct, frozen=True):
    """The columns of one table that a statement compares: with `=` or `in`, and with `<` or `>`."""

    schema: str | None
    table: str
    equal: frozenset[str]
    ranges: frozenset[str]


@lru_cache(maxsize=1_000)
def lookups(text: str) -> tuple[Lookup, ...]:
    """Give a statement's, those of its parts too; none of what can't be read.

    What stands under `or`, or has a function around the column, helps no plain index.
    """
    try:
        parsed = parse_sql(text)
    except (ParseError, UnicodeError):
        return ()
    return tuple(found for each in parsed for found in _lookups(each.stmt, frozenset()))


class _Scope:
    """The tables that one part of a statement reads, by the names it gives them."""

    def __init__(self) -> None:
        self.tables: dict[str, tuple[str | None, str]] = {}
        self.others = 0
        self.conditions: list[Any] = []
        self.parts: list[Any] = []

    def add(self, item: Any, names: frozenset[str]) -> None:  # noqa: ANN401 -- a parse tree
        """Take what stands in a FROM clause; `names` are of common table expressions."""
        if isinstance(item, ast.RangeVar):
            if item.schemaname is None and item.relname in names:
                self.others += 1
                return
            table = str(item.relname)
            name = str(item.alias.aliasname) if item.alias else table
            self.tables[name] = (item.schemaname, table)
        elif isinstance(item, ast.JoinExpr):
            self.add(item.larg, names)
            self.add(item.rarg, names)
            self.conditions.append(item.quals)
        else:
            self.others += 1
            self.parts.append(item)

    def column(self, node: Any) -> tuple[str, str] | None:  # noqa: ANN401 -- a parse tree
        """Give a column's table, by its name here, and name."""
        if not isinstance(node, ast.ColumnRef):
            return None
        fields = node.fields or ()
        names = [str(each.sval) for each in fields if isinstance(each, ast.String)]
        if len(names) != len(fields):
            return None
        if len(names) == 1 and len(self.tables) == 1 and not self.others:
            return next(iter(self.tables)), names[0]
        if len(names) == 2 and names[0] in self.tables:  # noqa: PLR2004 -- table and column
            return names[0], names[1]
        return None


def _lookups(statement: Any, names: frozenset[str]) -> Iterator[Lookup]:  # noqa: ANN401 -- a parse tree
    if not isinstance(statement, (ast.SelectStmt, ast.UpdateStmt, ast.DeleteStmt, ast.InsertStmt)):
        for part in _inner(statement):
            yield from _lookups(part, names)
        return
    if statement.withClause is not None:
        ctes = statement.withClause.ctes or ()
        names |= {cte.ctename for cte in ctes}
        for cte in ctes:
            yield from _lookups(cte.ctequery, names)
    scope = _Scope()
    for item in _sources(statement):
        scope.add(item, names)
    scope.conditions.append(getattr(statement, "whereClause", None))
    yield from _in_scope(scope)
    for part in _inner(statement):
        yield from _lookups(part, names)


def _sources(statement: Any) -> list[Any]:  # noqa: ANN401 -- a parse tree
    if isinstance(statement, ast.SelectStmt):
        return list(statement.fromClause or ())
    if isinstance(statement, ast.UpdateStmt):
        return [statement.relation, *(statement.fromClause or ())]
    if isinstance(statement, ast.DeleteStmt):
        return [statement.relation, *(statement.usingClause or ())]
    return []


def _in_scope(scope: _Scope) -> Iterator[Lookup]:
    equal: dict[str, set[str]] = {}
    ranges: dict[str, set[str]] = {}
    for condition in scope.conditions:
        for table, column, is_range in _compared(condition, scope):
            (ranges if is_range else equal).setdefault(table, set()).add(column)
    for table in equal.keys() | ranges.keys():
        schema, name = scope.tables[table]
        same = frozenset(equal.get(table, ()))
        yield Lookup(schema, name, same, frozenset(ranges.get(table, ())) - same)


def _compared(node: Any, scope: _Scope) -> Iterator[tuple[str, str, bool]]:  # noqa: ANN401 -- a parse tree
    """Give the columns that a condition demands something of, and whether of a range."""
    if isinstance(node, ast.BoolExpr):
        if node.boolop == BoolExprType.AND_EXPR:
            for each in node.args or ():
                yield from _compared(each, scope)
        return
    if not isinstance(node, ast.A_Expr):
        return
    operator = node.name[-1].sval if node.name else ""
    is_between = node.kind == A_Expr_Kind.AEXPR_BETWEEN
    if is_between or (node.kind == A_Expr_Kind.AEXPR_OP and operator in _RANGES):
        is_range = True
    elif operator == "=" and (node.kind == A_Expr_Kind.AEXPR_OP or node.kind in _EQUAL_KINDS):
        is_range = False
    else:
        return
    for side, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
        found = scope.column(side)
        if found is not None and not _reads(other, found[0], scope):
            yield (*found, is_range)


def _reads(node: Any, table: str, scope: _Scope) -> bool:  # noqa: ANN401 -- a parse tree
    """Whether a side of a comparison has columns of that table itself."""
    found = scope.column(node)
    if found is not None:
        return found[0] == table
    return any(_reads(each, table, scope) for each in _children(node))


def _inner(statement: Any) -> Iterator[Any]:  # noqa: ANN401 -- a parse tree
    """Give the statements within a part of one, but for its common table expressions."""
    for child in _children(statement):
        if isinstance(child, ast.WithClause):
            continue
        if isinstance(child, (ast.SelectStmt, ast.UpdateStmt, ast.DeleteStmt, ast.InsertStmt)):
            yield child
        else:
            yield from _inner(child)


def _children(node: Any) -> Iterator[Any]:  # noqa: ANN401 -- a parse tree
    if isinstance(node, (tuple, list)):
        yield from node
    elif isinstance(node, ast.Node):
        for name in node:
            value = getattr(node, name)
            if isinstance(value, (ast.Node, tuple, list)):
                yield value


def by_table(found: Sequence[Lookup], known: Mapping[str, str]) -> list[tuple[str, Lookup]]:
    """Give each look-up with its table as `known` calls it: `schema.table` to its shown name.

    A table without a schema is one of `public`'s; what is not known is left out.
    """
    pairs = [(known.get(f"{each.schema or 'public'}.{each.table}"), each) for each in found]
    return [(name, each) for name, each in pairs if name is not None]
