"""Credentials in data of an unknown shape: by what a field is called, by what a value looks like.

What they are found in is sealed as a whole, and its owner can't look at it any more: a name alone
makes no credential of a word that can be none, nor is every `…Key` the key to something.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from roost.migration.reader import MalformedError, read
from roost.migration.text import holds_secret

_decode: Final = msgspec.json.Decoder().decode
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LONGEST_NAME: Final = 200
_LAST: Final = frozenset(
    {"token", "secret", "password", "passwd", "passphrase", "passcode", "pass", "pwd", "pat"}
    | {"authorization", "credential", "credentials", "cookie", "jwt", "apikey", "pgpassword"}
)
_SEVERAL: Final = frozenset({"tokens", "secrets", "passwords", "cookies", "apikeys", "key", "keys"})
# What makes a key one that opens something, and one that orders, names or finds something.
_OPENING: Final = frozenset(
    {"api", "secret", "private", "access", "signing", "encryption", "master", "auth", "service"}
    | {"admin", "ssh", "gpg", "pgp", "deploy", "hmac", "jwt", "webhook", "role", "license"}
)
_NAMING: Final = frozenset(
    {"public", "publishable", "primary", "foreign", "sort", "partition", "cache", "storage"}
    | {"store", "query", "row", "column", "index", "group", "map", "react", "item", "field", "data"}
    | {"translation", "idempotency", "object", "unique", "hot", "shortcut", "active", "selected"}
    | {"last", "site", "lookup", "session", "state", "persist", "route", "menu", "tab", "order"}
)
# Tokens of pages, of parsers, of models and of designs.
_COUNTED: Final = frozenset(
    {"page", "next", "continuation", "sync", "cursor", "design", "color", "max", "min", "total"}
    | {"prompt", "completion", "input", "output", "eos", "bos", "unk", "pad", "mask", "stop"}
)
_TELLS_NOTHING: Final = frozenset(
    {"true", "false", "null", "none", "undefined", "required", "optional", "enabled", "disabled"}
    | {"yes", "no", "on", "off", "string", "text", "hidden", "bearer", "basic", "[redacted]"}
)
_CHANCE: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/=_.~-]{16,}")
_ID_OR_DATE: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d.*", re.IGNORECASE
)
_HEADER: Final = re.compile(r"(?:bearer|basic|token|digest) +\S+", re.IGNORECASE)
_CONNECTION: Final = re.compile(r"(?:[A-Za-z][A-Za-z ]*=[^;\n]*;)+[A-Za-z][A-Za-z ]*=[^;\n]*;?")
_SPACE: Final = re.compile(r"\s")
_BEGINS_KEY: Final = "-----BEGIN "
_LAYERS: Final = 3
"""How often a value may be JSON within a string, as stores of stores write it."""
# A field and its text, where the JSON around them is broken.
_FIELD: Final = re.compile(r'"([A-Za-z@][\w.$:-]{0,99})\\*+"\s*+:\s*+\\*+"([^"\\]{1,300})')


@lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name[-_LONGEST_NAME:]))


@lru_cache(maxsize=4096)
def is_secret_field(name: str) -> bool:
    """Whether a field of this name holds a credential, however it looks."""
    *_, before, last = "", "", *_words(name)
    if last == "key":
        return before in _OPENING
    return last in _LAST and not (last == "token" and before in _COUNTED)


@lru_cache(maxsize=4096)
def may_be_secret_field(name: str) -> bool:
    """Whether a field of this name may hold credentials: those that look like chance are some."""
    *_, before, last = "", "", *_words(name)
    if last not in _SEVERAL:
        return is_secret_field(name)
    if last in {"key", "keys"}:
        return before not in {"", *_NAMING}
    return before not in _COUNTED


def is_credential(text: str) -> bool:
    """Whether the text is a credential, or an address or a header with one in it."""
    text = text.strip()
    if not holds_secret(text):
        return False
    if _SPACE.search(text) is None or text.startswith(_BEGINS_KEY):
        return True
    return _HEADER.fullmatch(text) is not None or _CONNECTION.fullmatch(text) is not None


def is_secret_member(name: str, text: str) -> bool:
    """Whether `text` is a credential, by itself or as what a field of this name holds."""
    said = text.strip().lower()
    if not said:
        return False
    if is_secret_field(name):
        return said not in _TELLS_NOTHING and not _repeats(name, said)
    return (may_be_secret_field(name) and _looks_like_chance(text)) or is_credential(text)


def _repeats(name: str, said: str) -> bool:
    """Whether a text only says its field's name again, as the labels of a form do."""
    return re.sub(r"[\W_]", "", said) == "".join(_words(name))


def _looks_like_chance(text: str) -> bool:
    return _CHANCE.fullmatch(text) is not None and _ID_OR_DATE.fullmatch(text) is None


def credentials_in(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401 -- JSON
    """Where in `value`, which a field of that name holds, credentials are; never what they are."""
    stack: list[tuple[str, bool, str, Any, int]] = [(name, False, "", value, 0)]
    while stack:
        name, inside, path, value, layers = stack.pop()
        if type(value) is str:
            if is_secret_member(name, value) or (inside and _looks_like_chance(value)):
                yield path
            elif layers < _LAYERS and (inner := _decoded(value)) is not None:
                stack.append((name, inside, path, inner, layers + 1))
            continue
        if type(value) is dict:
            inside = inside or may_be_secret_field(name)
            members = named_members(value)
        elif type(value) is list:
            members = [(str(index), name, each) for index, each in enumerate(value)]
        else:
            continue
        for place, called, each in reversed(members):
            stack.append((called, inside, f"{path}.{place}" if path else place, each, layers))


def named_members(value: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """An object's members, and what each is called: in `{"name": …, "value": …}` by that name."""
    called = pair_name(value)
    if called is None:
        return [(name, name, each) for name, each in value.items()]
    return [(name, called if name == "value" else name, each) for name, each in value.items()]


def pair_name(value: dict[str, Any]) -> str | None:
    """What an object with a value names it, if it is such a pair."""
    if "value" not in value:
        return None
    names = (value.get(name) for name in ("name", "key", "variable"))
    return next((name for name in names if type(name) is str), None)


def _decoded(text: str) -> Any:  # noqa: ANN401 -- JSON
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return _value_of(text.encode("utf-8", "surrogatepass"))
    except MalformedError:
        return None


def _value_of(raw: bytes) -> Any:  # noqa: ANN401 -- JSON
    """The value, which is only looked at: read fast where that can be, not to the letter."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return read(raw)[0]


def credentials_of(name: str, raw: bytes) -> list[str]:
    """Where credentials are in a text under that name, JSON or not; `""` when it is one itself."""
    try:
        value = _value_of(raw)
    except MalformedError:
        text = raw.decode("utf-8", "replace")
        if is_secret_member(name, text):
            return [""]
        fields = (match.groups() for match in _FIELD.finditer(text))
        return list(dict.fromkeys(field for field, said in fields if is_secret_member(field, said)))
    if not isinstance(value, (str, dict, list)):
        value = raw.decode("utf-8", "replace")
    return list(credentials_in(name, value))
