"""One JSON value, read exactly or tolerantly, never recursively.

What JSON.stringify wrote is read fast, and proved exact by writing it again. Everything else
goes through an iterative reader, which knows the byte and the field where a value breaks, and
makes the rest storable: lone surrogates and NUL become U+FFFD, numbers that a double cannot
hold become text, nesting deeper than MAX_DEPTH becomes its own JSON text. Each such change is
a warning.
"""

import json
import re
from decimal import Decimal, DecimalException
from typing import Any, Final

import msgspec

from roost.migration.drafts import Warn
from roost.migration.octets import Octets, parts, view
from roost.migration.text import safe

#: Deeper than anything the apps write, shallower than what parsers and databases stumble over.
MAX_DEPTH: Final = 100

CUT: Final = "TRUNCATED"
NO_JSON: Final = "NOT_JSON"
TRAILING: Final = "TRAILING_TEXT"
BAD_ESCAPE: Final = "BAD_ESCAPE"

SPACE: Final = re.compile(rb"[ \t\n\r]*+")
STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
STRUCTURE: Final = re.compile(rb'[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![\w.+-])")
_MAX_NOTES: Final = 50
_WORDS: Final = {b"true": True, b"false": False, b"null": None}
_WORD: Final = re.compile(rb"(?:true|false|null)(?!\w)")
_DIGITS: Final = bytes(48 if 48 <= octet <= 57 else 32 for octet in range(256))  # noqa: PLR2004
_LONG_NUMBER: Final = b"0" * 16
_NUL: Final = b"\\u0000"

_decode: Final = msgspec.json.Decoder().decode
_decode_str: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode
_lenient: Final = json.JSONDecoder(strict=False).raw_decode


class MalformedError(Exception):
    """The value is no JSON: why, at which byte, and in which field."""

    def __init__(self, reason: str, offset: int, field: str | None) -> None:
        """Name the reason by a code; `offset` counts bytes from the value's beginning."""
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset
        self.field = field


def read(raw: bytes, *, plain: bool = False) -> tuple[Any, tuple[Warn, ...]]:
    """The value of the JSON text `raw`, and what had to be changed to make it storable.

    `plain` says that `is_plain` is known to hold. Raises MalformedError.
    """
    if plain or is_plain(raw):
        try:
            value = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if _encode(value) == raw and not _is_deep(raw, value):
                return value, ()
    reader = _Reader(raw)
    return reader.document(), reader.warnings()


def is_plain(raw: Octets) -> bool:
    """Whether `raw` has neither an escaped NUL nor a number of 16 digits or more; cheap."""
    return all(
        _NUL not in part and _LONG_NUMBER not in part.translate(_DIGITS)
        for part in parts(raw, len(_LONG_NUMBER) - 1)
    )


def read_string(raw: bytes) -> str:
    """The text of one JSON string, as it is: NUL and lone surrogates are left in.

    Raises ValueError for bad escapes.
    """
    try:
        return _decode_str(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text, _ = _lenient(raw.decode("utf-8", "surrogatepass"))
        return str(text)


def _is_deep(raw: bytes, value: object) -> bool:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    level, depth = [value], 0
    while level:
        containers = [each for each in level if type(each) is dict or type(each) is list]
        if containers and depth >= MAX_DEPTH:
            return True
        depth += 1
        level = []
        for each in containers:
            level.extend(each.values() if type(each) is dict else each)
    return False


def container_end(raw: Octets, start: int) -> int:
    """Where the container that begins at `start` ends; -1 when it does not, or is crossed."""
    closers = bytearray()
    position = start
    match_at = STRUCTURE.match
    whole = view(raw)
    while match := match_at(whole, position):
        position = match.end()
        first = whole[match.start()]
        if first in b"[{":
            closers.append(first + 2)
        elif first in b"]}":
            if closers.pop() != first:
                return -1
            if not closers:
                return position
    return -1


class _Reader:
    """The tolerant reader; one value, one use."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.position = 0
        self.path: list[str | int] = []
        self.noted: dict[tuple[str, str], int] = {}

    def warnings(self) -> tuple[Warn, ...]:
        """What was changed: by code and outermost field, with how often."""
        return tuple(
            Warn(code, field or None, None if count == 1 else f"{count} times")
            for (code, field), count in self.noted.items()
        )

    def document(self) -> Any:  # noqa: ANN401
        """Read one value that fills the whole text."""
        value = self._value()
        if self._peek():
            raise self._bad(TRAILING)
        return value

    def _value(self) -> Any:  # noqa: ANN401
        stack: list[Any] = []
        while True:
            value = self._begin(stack)
            if value is _OPENED:
                continue
            while True:
                if not stack:
                    return value
                self._attach(stack[-1], value)
                if self._goes_on(stack[-1]):
                    break
                value = stack.pop()
                self.path.pop()

    def _begin(self, stack: list[Any]) -> Any:  # noqa: ANN401
        """A scalar, an empty or too deep container as a whole; or open a container."""
        first = self._peek()
        if first not in ("{", "["):
            return self._scalar(first)
        if len(stack) >= MAX_DEPTH:
            return self._too_deep()
        self.position += 1
        container: Any = {} if first == "{" else []
        if self._peek() == ("}" if first == "{" else "]"):
            self.position += 1
            return container
        stack.append(container)
        self.path.append(0)
        if first == "{":
            self._key()
        return _OPENED

    def _attach(self, container: Any, value: object) -> None:  # noqa: ANN401
        name = self.path[-1]
        if type(container) is list:
            container.append(value)
            return
        if name in container:
            self._note("DUPLICATE_KEY")
        container[name] = value

    def _goes_on(self, container: Any) -> bool:  # noqa: ANN401
        """Whether another member follows; consumes the comma or the closing bracket."""
        is_list = type(container) is list
        mark = self._peek()
        if mark == ",":
            self.position += 1
            if is_list:
                self.path[-1] = len(container)
            else:
                self._key()
            return True
        if mark == ("]" if is_list else "}"):
            self.position += 1
            return False
        raise self._bad(CUT if mark == "" else NO_JSON)

    def _key(self) -> None:
        if self._peek() != '"':
            raise self._bad(CUT if self._peek() == "" else NO_JSON)
        self.path[-1] = self._string()
        if self._peek() != ":":
            raise self._bad(CUT if self._peek() == "" else NO_JSON)
        self.position += 1

    def _scalar(self, first: str) -> Any:  # noqa: ANN401
        if first == '"':
            return self._string()
        match = _WORD.match(self.raw, self.position)
        if match:
            self.position = match.end()
            return _WORDS[match.group()]
        match = _NUMBER.match(self.raw, self.position)
        if match:
            self.position = match.end()
            return self._number(match.group().decode())
        raise self._bad(CUT if first == "" else NO_JSON)

    def _string(self) -> str:
        match = STRING.match(self.raw, self.position)
        if match is None:
            raise self._bad(CUT)
        try:
            text = read_string(match.group())
        except ValueError:
            raise self._bad(BAD_ESCAPE) from None
        self.position = match.end()
        text, replaced = safe(text)
        if replaced:
            self._note("CHARACTERS_REPLACED")
        return text

    def _number(self, literal: str) -> int | float | str:
        try:
            number = float(literal)
            if Decimal(literal) == Decimal(repr(number)) or float(literal) == 0 == Decimal(literal):
                exact: int | float = int(literal) if literal.lstrip("-").isdigit() else number
                return exact
        except (DecimalException, ValueError, OverflowError):
            pass
        self._note("NUMBER_KEPT_AS_TEXT")
        return literal

    def _too_deep(self) -> str:
        end = container_end(self.raw, self.position)
        if end < 0:
            raise self._bad(CUT)
        text, _ = safe(self.raw[self.position : end].decode("utf-8", "surrogatepass"))
        self.position = end
        self._note("NESTED_TOO_DEEP")
        return text

    def _peek(self) -> str:
        match = SPACE.match(self.raw, self.position)
        self.position = match.end() if match else self.position
        return chr(self.raw[self.position]) if self.position < len(self.raw) else ""

    def _note(self, code: str) -> None:
        place = (code, str(self.path[0])[:100] if self.path else "")
        if place not in self.noted and len(self.noted) >= _MAX_NOTES:
            place = (code, "")
        self.noted[place] = self.noted.get(place, 0) + 1

    def _bad(self, reason: str) -> MalformedError:
        shown = ".".join(str(name)[:100] for name in self.path[:8])
        return MalformedError(reason, self.position, shown or None)


_OPENED: Final = object()
