"""Saying what a field may hold, where msgspec's message names only what is wrong, or a pattern."""

import re
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")
_MOST = 60


def named_choices(kind: Any, path: str) -> str:  # noqa: ANN401 -- any type annotation
    """Give `; there are a, b` for an enumerated field at a path of msgspec's, else nothing."""
    values = [str(value) for one in _at(kind, path) for value in _values(one)]
    return f"; there are {', '.join(values)}" if 0 < len(values) <= _MOST else ""


def refused_form(kind: Any, path: str, pattern: str) -> str | None:  # noqa: ANN401 -- as above
    """Give the words for a text that does not match a pattern (as `repr` writes it), if any.

    They are in the field's `Meta`: `extra={"refused": "is not an e-mail address"}`.
    """
    words = (word for one in _at(kind, path) for word in _refusals(one, pattern))
    return next(words, None)


def _at(kind: Any, path: str) -> list[inspect.Type]:  # noqa: ANN401 -- as above
    found = [inspect.type_info(kind)]
    for step in _STEP.findall(path):
        found = [inner for one in found for inner in _within(one, step)]
    return found


def _refusals(kind: inspect.Type, pattern: str) -> list[str]:
    if isinstance(kind, inspect.UnionType):
        return [word for one in kind.types for word in _refusals(one, pattern)]
    if not isinstance(kind, inspect.Metadata):
        return []
    words = (kind.extra or {}).get("refused")
    asked = isinstance(kind.type, inspect.StrType) and repr(kind.type.pattern) == pattern
    return [words] if asked and words else []


def _within(kind: inspect.Type, step: str) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _within(kind.type, step)
    if isinstance(kind, inspect.UnionType):
        return [inner for one in kind.types for inner in _within(one, step)]
    if step.startswith("["):
        if isinstance(kind, inspect.ListType | inspect.VarTupleType):
            return [kind.item_type]
        return [kind.value_type] if isinstance(kind, inspect.DictType) else []
    if isinstance(kind, inspect.StructType):
        return [one.type for one in kind.fields if one.encode_name == step]
    return []


def _values(kind: inspect.Type) -> list[Any]:
    if isinstance(kind, inspect.Metadata):
        return _values(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [value for one in kind.types for value in _values(one)]
    if isinstance(kind, inspect.LiteralType):
        return list(kind.values)
    return [one.value for one in kind.cls] if isinstance(kind, inspect.EnumType) else []
