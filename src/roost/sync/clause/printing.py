"""A clause printed anew from its tree, node by node; a node that is not named here is refused."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pglast import ast

from roost.sync.clause.allowed import (
    BETWEEN,
    BOOLEAN_TESTS,
    EXPRESSIONS,
    FUNCTIONS,
    MOMENTS,
    MOMENTS_OF,
    MOVING,
    OPERATORS,
    TYPES,
)
from roost.sync.identifiers import DEFAULT_SCHEMA, quoted

_DEEPEST: Final = 200
_MOVING: Final = re.compile("now|today|tomorrow|yesterday", re.IGNORECASE)
"""What means another moment at each reading, where it is read as one; anywhere in a text, for
`_today_12:00` is read as one, too."""

_TAKEN_OUT: Final = frozenset({"->", "->>", "#>", "#>>"})
"""Operators that take something out of JSON."""

PLACE: Final = "\x00"
"""Around what is filled in later: no text that came from a client has it."""
TABLE: Final = "t"
"""Before the number of a table that a sub-query reads; before that of a bound value is nothing."""
TableName = tuple[str, str]
Tree = Any
"""A node of a parsed clause: almost every attribute of one may be absent, says its type."""


class ClauseError(Exception):
    """A part of a clause that is not taken; `location` is its first character, -1 if not known."""

    def __init__(self, message: str, location: int = -1) -> None:
        super().__init__(message)
        self.message = message
        self.location = location


@dataclass(frozen=True, slots=True)
class Scope:
    """A table whose columns a clause may name."""

    table: TableName
    columns: frozenset[str]


FindTable = Callable[[TableName], Scope | None]
"""Gives the columns of a table that a sub-query may read; None when it may not."""


def no_table(table: TableName) -> Scope | None:
    """Find none: a clause may have no sub-queries."""
    del table
    return None


def literal(text: str) -> str:
    """A string constant, whatever is in it."""
    doubled = text.replace("'", "''")
    if "\\" not in doubled:
        return f"'{doubled}'"
    # Whatever standard_conforming_strings is; the space keeps the E off what stands before it.
    return " E'" + doubled.replace("\\", "\\\\") + "'"


@dataclass(slots=True)
class Printer:
    """Prints expressions; `parameter` says how `$n` and literals that may move are written."""

    scopes: list[Scope]
    find_table: FindTable
    values: Mapping[str, str]
    tables: list[TableName] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    _depth: int = 0

    def expression(self, node: Tree) -> str:
        """Print a node in parentheses of its own. ClauseError for one that is not allowed."""
        printer = _PRINTERS.get(type(node))
        if printer is None:
            name = type(node).__name__
            message = f"{_WORDS.get(name, name)} is not supported here"
            raise ClauseError(message, _location(node))
        self._depth += 1
        if self._depth > _DEEPEST:
            message = "the clause is nested too deeply"
            raise ClauseError(message, _location(node))
        try:
            return printer(self, node)
        finally:
            self._depth -= 1

    def list_of(self, nodes: Iterable[Any]) -> str:
        """Print several, with commas."""
        return ", ".join(self.expression(each) for each in nodes)

    def bound(self, text: str) -> str:
        """Write a place for a value, which travels beside the statement."""
        self.parameters.append(text)
        return f"{PLACE}{len(self.parameters)}{PLACE}"


def _location(node: Tree) -> int:
    return getattr(node, "location", -1) or -1


def _names(parts: Sequence[Tree] | None) -> list[str]:
    return [str(part.sval) for part in parts or () if type(part) is ast.String]


def _column(printer: Printer, node: Tree) -> str:
    names = _names(node.fields)
    if not names or len(names) != len(node.fields):
        message = "* is not supported here"
        raise ClauseError(message, _location(node))
    *qualifier, column = names
    for scope in reversed(printer.scopes):
        own = [list(scope.table), [scope.table[1]], []]
        if qualifier in own and column in scope.columns:
            return f"{quoted(scope.table[1])}.{quoted(column)}"
    message = f"unknown reference {'.'.join(names)}"
    raise ClauseError(message, _location(node))


def _constant(printer: Printer, node: Tree) -> str:
    if node.isnull:
        return "null"
    match node.val:
        case ast.Integer(ival=number):
            return str(number or 0)
        case ast.Float(fval=digits):
            return str(digits)
        case ast.Boolean(boolval=value):
            return "true" if value else "false"
        case ast.String(sval=value):
            text = str(value or "")
            return printer.bound(text) if _MOVING.search(text) else literal(text)
        case ast.BitString(bsval=str(bits)):
            return f"{bits[:1]}{literal(bits[1:])}"
    message = "this constant is not supported here"
    raise ClauseError(message, _location(node))


def _parameter(printer: Printer, node: Tree) -> str:
    value = printer.values.get(str(node.number))
    if value is None:
        message = f"parameter ${node.number} was not provided"
        raise ClauseError(message, _location(node))
    return printer.bound(value)


def _operator(node: Tree) -> str:
    names = _names(node.name)
    if (len(names) == 1 or names[:-1] == ["pg_catalog"]) and names[-1] in OPERATORS:
        return f"operator(pg_catalog.{names[-1]})"
    message = f"unknown or unsupported operator {'.'.join(names)}"
    raise ClauseError(message, _location(node))


def _operation(printer: Printer, node: Tree) -> str:
    kind = node.kind.name
    if kind == "AEXPR_IN":
        negated = _names(node.name) == ["<>"]
        listed = printer.list_of(node.rexpr)
        return f"({printer.expression(node.lexpr)} {'not ' if negated else ''}in ({listed}))"
    if kind in BETWEEN:
        low, high = (printer.expression(each) for each in node.rexpr)
        return f"({printer.expression(node.lexpr)} {BETWEEN[kind]} {low} and {high})"
    form = EXPRESSIONS.get(kind)
    if form is None:
        message = f"{kind.removeprefix('AEXPR_').replace('_', ' ')} is not supported here"
        raise ClauseError(message, _location(node))
    operator = _operator(node)
    left = "" if node.lexpr is None else printer.expression(node.lexpr)
    right = printer.expression(node.rexpr)
    return f"({form.format(left=left, operator=operator, right=right)})"


def _logic(printer: Printer, node: Tree) -> str:
    parts = [printer.expression(each) for each in node.args]
    word = node.boolop.name.removesuffix("_EXPR").lower()
    return f"(not {parts[0]})" if word == "not" else f"({f' {word} '.join(parts)})"


def _null_test(printer: Printer, node: Tree) -> str:
    word = "is null" if node.nulltesttype.name == "IS_NULL" else "is not null"
    return f"({printer.expression(node.arg)} {word})"


def _boolean_test(printer: Printer, node: Tree) -> str:
    return f"({printer.expression(node.arg)} {BOOLEAN_TESTS[node.booltesttype.name]})"


def _cast(printer: Printer, node: Tree) -> str:
    type_ = _type(node.typeName)
    if _names(node.typeName.names)[-1] in MOMENTS and not _is_moment(node.arg):
        message = "a moment can be read out of a constant or a column only, not out of made-up text"
        raise ClauseError(message, _location(node))
    return f"cast({printer.expression(node.arg)} as {type_})"


def _is_moment(node: Tree) -> bool:
    """Whether no text that is put together here, such as `now`, is read as a moment."""
    match node:
        case ast.A_Const() | ast.ParamRef() | ast.ColumnRef():
            return True
        case ast.TypeCast(typeName=ast.TypeName(names=names)):
            return _names(names)[-1] in MOMENTS
        case ast.FuncCall():
            return _names(node.funcname)[-1] in MOMENTS_OF
        case ast.A_ArrayExpr():
            return all(map(_is_moment, node.elements or ()))
        case ast.A_Expr():
            operator = _names(node.name)[-1]
            return operator in {"+", "-"} or (operator in _TAKEN_OUT and _is_of_column(node))
    return False


def _is_of_column(node: Tree) -> bool:
    """Whether it is a column, or something within a JSON column."""
    if isinstance(node, ast.A_Expr) and _names(node.name)[-1] in _TAKEN_OUT:
        return _is_of_column(node.lexpr)
    return isinstance(node, ast.ColumnRef)


def _type(node: Tree) -> str:
    names = _names(node.names)
    if len(names) not in (1, 2) or names[-1] not in TYPES or names[:-1] not in ([], ["pg_catalog"]):
        message = f"unknown or unsupported type {'.'.join(names)}"
        raise ClauseError(message, _location(node))
    modifiers = [str(each.val.ival or 0) for each in node.typmods or () if _is_whole(each)]
    if len(modifiers) != len(node.typmods or ()) or node.setof or node.pct_type:
        message = f"this form of {names[-1]} is not supported here"
        raise ClauseError(message, _location(node))
    length = f"({', '.join(modifiers)})" if modifiers else ""
    return f"pg_catalog.{names[-1]}{length}{'[]' * len(node.arrayBounds or ())}"


def _is_whole(node: Tree) -> bool:
    return isinstance(node, ast.A_Const) and isinstance(node.val, ast.Integer)


def _function(printer: Printer, node: Tree) -> str:
    names = _names(node.funcname)
    arguments = node.args or ()
    plain = not (
        node.agg_within_group
        or node.agg_star
        or node.agg_distinct
        or node.func_variadic
        or node.agg_order
        or node.agg_filter
        or node.over
    )
    known = names[-1] in FUNCTIONS and names[:-1] in ([], ["pg_catalog"])
    if (names[-1], len(arguments)) in MOVING:
        message = f"{names[-1]}/{len(arguments)} gives another value each day"
        raise ClauseError(message, _location(node))
    if not known or not plain:
        message = f"unknown or unsupported function {'.'.join(names)}/{len(arguments)}"
        raise ClauseError(message, _location(node))
    return f"pg_catalog.{quoted(names[-1])}({printer.list_of(arguments)})"


def _call(name: str) -> Callable[[Printer, Any], str]:
    def print_call(printer: Printer, node: Tree) -> str:
        return f"{name}({printer.list_of(node.args)})"

    return print_call


def _extreme(printer: Printer, node: Tree) -> str:
    name = node.op.name.removeprefix("IS_").lower()
    return f"{name}({printer.list_of(node.args)})"


def _array(printer: Printer, node: Tree) -> str:
    return f"array[{printer.list_of(node.elements or ())}]"


def _subscript(printer: Printer, node: Tree) -> str:
    text = f"({printer.expression(node.arg)})"
    for index in node.indirection:
        if not isinstance(index, ast.A_Indices):
            message = "a field of a row is not supported here"
            raise ClauseError(message, _location(node))
        upper = "" if index.uidx is None else printer.expression(index.uidx)
        lower = "" if index.lidx is None else printer.expression(index.lidx)
        text += f"[{lower}:{upper}]" if index.is_slice else f"[{upper}]"
    return text


def _case(printer: Printer, node: Tree) -> str:
    tested = "" if node.arg is None else f" {printer.expression(node.arg)}"
    whens = "".join(
        f" when {printer.expression(each.expr)} then {printer.expression(each.result)}"
        for each in node.args
    )
    other = "" if node.defresult is None else f" else {printer.expression(node.defresult)}"
    return f"(case{tested}{whens}{other} end)"


def _row(printer: Printer, node: Tree) -> str:
    return f"row({printer.list_of(node.args or ())})"


def _sub_query(printer: Printer, node: Tree) -> str:
    if node.subLinkType.name != "ANY_SUBLINK" or node.operName:
        message = "of sub-queries, only `… in (select …)` is supported"
        raise ClauseError(message, _location(node))
    tested = printer.expression(node.testexpr)
    return f"({tested} in ({_select(printer, node.subselect, _location(node))}))"


def _select(printer: Printer, node: Tree, location: int) -> str:
    source: Tree = node.fromClause[0] if len(node.fromClause or ()) == 1 else None
    more = set(node) - {"targetList", "fromClause", "whereClause", "op", "limitOption"}
    if type(source) is not ast.RangeVar or any(getattr(node, each) for each in more):
        message = "a sub-query must be `select column from table where …`"
        raise ClauseError(message, location)
    table = (str(source.schemaname or DEFAULT_SCHEMA), str(source.relname))
    scope = printer.find_table(table)
    if scope is None or source.catalogname or source.alias or not source.inh:
        message = f"a sub-query cannot read {source.relname} here"
        raise ClauseError(message, _location(source))
    if any(each.table[1] == table[1] for each in printer.scopes):
        message = f"{source.relname} is named in two places: that is not supported"
        raise ClauseError(message, _location(source))
    if table not in printer.tables:
        printer.tables.append(table)
    printer.scopes.append(scope)
    try:
        columns = printer.list_of(each.val for each in node.targetList)
        where = "" if node.whereClause is None else f" where {printer.expression(node.whereClause)}"
    finally:
        printer.scopes.pop()
    name = f"{PLACE}{TABLE}{printer.tables.index(table)}{PLACE}"
    return f"select {columns} from {name} as {quoted(table[1])}{where}"  # noqa: S608 -- printed from a tree


_WORDS: Final = {
    "SQLValueFunction": "what depends on the time or on the user",
    "SetToDefault": "default",
    "CollateClause": "collate",
}
_PRINTERS: Final[dict[type, Callable[[Printer, Any], str]]] = {
    ast.ColumnRef: _column,
    ast.A_Const: _constant,
    ast.ParamRef: _parameter,
    ast.A_Expr: _operation,
    ast.BoolExpr: _logic,
    ast.NullTest: _null_test,
    ast.BooleanTest: _boolean_test,
    ast.TypeCast: _cast,
    ast.FuncCall: _function,
    ast.CoalesceExpr: _call("coalesce"),
    ast.MinMaxExpr: _extreme,
    ast.A_ArrayExpr: _array,
    ast.A_Indirection: _subscript,
    ast.CaseExpr: _case,
    ast.RowExpr: _row,
    ast.SubLink: _sub_query,
}
