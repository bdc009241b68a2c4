"""What a client's clause may be made of: nothing here writes, waits, or depends on the time."""

from typing import Final

OPERATORS: Final = frozenset(
    [
        *("=", "<>", "!=", "<", "<=", ">", ">="),
        *("+", "-", "*", "/", "%", "^", "|/", "||/", "@"),
        *("&", "|", "#", "~", "<<", ">>"),
        *("||", "~~", "!~~", "~~*", "!~~*"),
        *("@>", "<@", "&&"),
        *("->", "->>", "#>", "#>>", "?", "?|", "?&"),
    ]
)
FUNCTIONS: Final = frozenset(
    [
        *("abs", "ceil", "ceiling", "floor", "round", "trunc", "sign", "mod", "power", "sqrt"),
        *("lower", "upper", "initcap", "length", "char_length", "character_length"),
        *("octet_length", "bit_length", "btrim", "ltrim", "rtrim", "left", "right"),
        *("substr", "substring", "strpos", "position", "replace", "reverse", "split_part"),
        *("starts_with", "concat", "concat_ws", "like", "notlike", "like_escape"),
        *("array_length", "array_ndims", "array_lower", "array_upper", "cardinality"),
        *("array_position", "array_append", "array_prepend", "array_cat", "array_remove"),
        *("array_to_string", "array_dims"),
        *("timezone", "date_part", "extract", "date_trunc", "age", "isfinite"),
        *("justify_days", "justify_hours", "justify_interval", "make_date", "make_interval"),
        *("jsonb_typeof", "jsonb_array_length", "jsonb_extract_path_text", "jsonb_exists"),
    ]
)
MOVING: Final = frozenset({("age", 1)})
"""Functions with so many arguments that depend on the time, and with more do not."""
TYPES: Final = frozenset(
    [
        *("bool", "bytea", "date", "float4", "float8", "int2", "int4", "int8", "numeric"),
        *("json", "jsonb", "text", "varchar", "bpchar", "time", "timetz", "timestamp"),
        *("timestamptz", "interval", "uuid", "inet", "cidr", "bit", "varbit"),
    ]
)
MOMENTS: Final = frozenset({"date", "timestamp", "timestamptz", "time", "timetz"})
"""Types some texts of which mean another value each day."""
MOMENTS_OF: Final = frozenset({"date_trunc", "timezone", "make_date"})
"""Functions that give moments."""
EXPRESSIONS: Final = {
    "AEXPR_OP": "{left} {operator} {right}",
    "AEXPR_OP_ANY": "{left} {operator} any ({right})",
    "AEXPR_OP_ALL": "{left} {operator} all ({right})",
    "AEXPR_DISTINCT": "{left} is distinct from {right}",
    "AEXPR_NOT_DISTINCT": "{left} is not distinct from {right}",
    "AEXPR_NULLIF": "nullif({left}, {right})",
    "AEXPR_LIKE": "{left} {operator} {right}",
    "AEXPR_ILIKE": "{left} {operator} {right}",
}
BETWEEN: Final = {
    "AEXPR_BETWEEN": "between",
    "AEXPR_NOT_BETWEEN": "not between",
    "AEXPR_BETWEEN_SYM": "between symmetric",
    "AEXPR_NOT_BETWEEN_SYM": "not between symmetric",
}
BOOLEAN_TESTS: Final = {
    "IS_TRUE": "is true",
    "IS_NOT_TRUE": "is not true",
    "IS_FALSE": "is false",
    "IS_NOT_FALSE": "is not false",
    "IS_UNKNOWN": "is unknown",
    "IS_NOT_UNKNOWN": "is not unknown",
}
