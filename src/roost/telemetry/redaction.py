"""Nothing secret is logged: by key, by the shape of a token, and by leaving the unknown out."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from math import isfinite
from pathlib import PurePath
from uuid import UUID

REDACTED = "[redacted]"
_DEPTH = 6
_ITEMS = 100
_LENGTH = 16_384

_SECRET_WORDS = frozenset(
    {
        "apikey",
        "authorization",
        "bodies",
        "body",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "dsn",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pgpassword",
        "pwd",
        "secret",
        "secrets",
        "session",
        "token",
    }
)
_SECRET_PAIRS = frozenset({"api key", "private key", "secret key", "encryption key", "access key"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# Names under which text carries a secret as `name=value`, `name: value` or `"name": "value"`.
_NAMES = (
    r"authorization|(?:set-)?cookie|pass(?:word|wd|phrase)|pgpassword|pwd|secret|"
    r"(?:[a-z]+[_-])*(?:token|secret|password)|(?:api|access|private|secret)[_-]?key"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL),
        REDACTED,
    ),
    (re.compile(r"://[^\s/?#\"']*:[^\s\"']*@"), f"://{REDACTED}@"),
    (
        re.compile(r"\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=:-]{4,}", re.IGNORECASE),
        rf"\1 {REDACTED}",
    ),
    (
        re.compile(
            rf"(?<![A-Za-z0-9])((?:{_NAMES})[\"']?\s*[=:]\s*)"
            r"(\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s,;&)}\]]+)",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(
            r"(?<![A-Za-z0-9])(?:roost_[A-Za-z0-9_-]{16,}|gh[a-z]_[A-Za-z0-9]{16,}|"
            r"github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{16,}|"
            r"sk_[A-Za-z0-9_]{16,}|xox[a-z]-[A-Za-z0-9-]{10,}|AKIA[A-Z0-9]{16}|"
            r"AIza[A-Za-z0-9_-]{30,}|npg_[A-Za-z0-9]{8,}|napi_[A-Za-z0-9]{16,}|"
            r"gAAAAA[A-Za-z0-9_=-]{20,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,})"
        ),
        REDACTED,
    ),
)
_CONTROL = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in {9, 10}
}


def redact_text(text: str) -> str:
    """Return `text` without anything shaped like a secret and without control characters."""
    cut = text if len(text) <= _LENGTH else f"{text[:_LENGTH]}[{len(text) - _LENGTH} more]"
    for pattern, replacement in _PATTERNS:
        cut = pattern.sub(replacement, cut)
    return cut.translate(_CONTROL)


def is_secret_key(key: str) -> bool:
    """Tell whether a field of this name holds a secret (or a body, which may)."""
    words = [word.lower() for word in _WORD.findall(key)]
    pairs = {f"{first} {second}" for first, second in pairwise(words)}
    return not _SECRET_WORDS.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(pairs)


def redact(value: object, depth: int = _DEPTH) -> object:
    """Return `value` as plain JSON data without secrets.

    Bytes and objects of unknown classes are named, never shown: their repr may hold anything.
    """
    if value is None or isinstance(value, bool | int | float):
        return value if value is None or isfinite(value) else str(value)
    if isinstance(value, str | UUID | date | timedelta | Decimal | PurePath):
        return redact_text(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth > 0 and isinstance(value, Mapping):
        return {
            redact_text(str(key)): REDACTED if is_secret_key(str(key)) else redact(item, depth - 1)
            for key, item in list(value.items())[:_ITEMS]
        }
    if depth > 0 and isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth - 1) for item in list(value)[:_ITEMS]]
    return f"<{type(value).__qualname__}>"
