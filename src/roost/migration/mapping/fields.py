"""Single fields as several kinds of row have them, read tolerantly."""

import unicodedata
from datetime import datetime
from typing import Any

from roost.migration import dates
from roost.migration.drafts import Warn
from roost.migration.model import Item, Verdict
from roost.migration.text import redact

MAX_NAME = 255
MAX_DESCRIPTION = 100_000
OTHER_USER = "if that is you, name it in config.aliases, or with --alias"

_RAW_KEPT = (dates.INVALID, dates.OUT_OF_RANGE)


def short(text: str, limit: int = MAX_NAME) -> str:
    """`text` within `limit` characters: cut with an ellipsis, never inside a combined letter."""
    if len(text) <= limit:
        return text
    end = limit - 1
    while end > limit - 32 and _continues(text[end]):
        end -= 1
    return f"{text[:end].rstrip()}\u2026"


def _continues(character: str) -> bool:
    return character in "\u200d\ufe0f" or unicodedata.combining(character) != 0


def shown(value: object) -> str:
    """A value for a warning: its beginning, without credentials."""
    return redact(str(value)[:500])[:60]


def leave_to(item: Item, user_id: object) -> None:
    """Leave out what is another user's, and say whose, and what to do if that is wrong."""
    item.verdict, item.reason, item.field = Verdict.SKIP, "OTHER_USER", "userId"
    item.detail = f"its userId is {shown(user_id)!r}; {OTHER_USER}"


def line(
    source: dict[str, Any], name: str, legacy: dict[str, Any], warnings: list[Warn]
) -> str | None:
    """An optional short text; what is no such text goes to `legacy`, with a warning."""
    value = source.get(name)
    if value is None or value == "":
        return None
    if type(value) is str and len(value) <= MAX_NAME:
        return value if not value.isspace() else None
    legacy[name] = value
    if type(value) is str:
        warnings.append(Warn("TOO_LONG", name))
        return short(value)
    warnings.append(Warn("WRONG_TYPE", name))
    return None


def flag(source: dict[str, Any], name: str, legacy: dict[str, Any], warnings: list[Warn]) -> bool:
    """A truth value, as such or as text or number; anything else is false, with a warning."""
    value = source.get(name, False)
    if value is True or value is False or value is None:
        return value is True
    if value in ("true", 1):
        return True
    if value not in ("false", "", 0):
        legacy[name] = value
        warnings.append(Warn("WRONG_TYPE", name))
    return False


def span(
    source: dict[str, Any], now: datetime, legacy: dict[str, Any], warnings: list[Warn]
) -> dates.Span:
    """When the row was made and changed; dates that could not be read go to `legacy`."""
    found = dates.span(source.get("createdAt"), source.get("updatedAt"), now)
    for code, name in found.codes:
        warnings.append(Warn(code, name))
        if code in _RAW_KEPT:
            legacy[name] = source[name]
    return found
