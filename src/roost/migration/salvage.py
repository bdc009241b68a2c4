"""JSON containers taken apart without reading their members, whole or damaged.

A member is found by its brackets and quotes alone, so one that is no JSON stays apart from its
neighbours. Offsets count bytes of the text that was given.
"""

import re
from typing import Final, Literal

import msgspec

from roost.migration.reader import SPACE, STRING, container_end, read_string

#: How many times a value may have been encoded over again.
MAX_LAYERS: Final = 3

_BARE: Final = re.compile(rb'[^,\[\]{}"]*+')
_PARTIAL_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*+(\\(?:u[0-9a-fA-F]{0,3})?)\Z")

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode

Form = Literal["object", "array", "other"]


class Entry(msgspec.Struct, gc=False):
    """A member: `name` in an object, None in an array; `whole` is false when it was cut off."""

    name: str | None
    raw: bytes | msgspec.Raw
    offset: int
    whole: bool = True


class Split(msgspec.Struct):
    """A container's members in order.

    `rest` is what could not be attributed to a member: the cut tail, or text after the end.
    """

    form: Form
    entries: list[Entry]
    rest: Entry | None = None
    rest_reason: str | None = None


def split(raw: bytes) -> Split:
    """Take the outermost container of `raw` apart; form "other" when there is none."""
    position = _skip_space(raw, 0)
    first = raw[position : position + 1]
    if first not in (b"{", b"["):
        return Split("other", [])
    quick = _split_exact(raw, first)
    return quick or _split_lexically(raw, position, first)


def _split_exact(raw: bytes, first: bytes) -> Split | None:
    """Members of what JSON.stringify wrote; None when writing it again does not give `raw`."""
    try:
        if first == b"[":
            elements = _elements(raw)
            if _encode(elements) != raw:
                return None
            entries, offset = [], 1
            for element in elements:
                entries.append(Entry(None, element, offset))
                offset += len(memoryview(element)) + 1
            return Split("array", entries)
        members = _members(raw)
        if _encode(members) != raw:
            return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    entries, offset = [], 1
    for name, member in members.items():
        offset += len(_encode(name)) + 1
        entries.append(Entry(name, member, offset))
        offset += len(memoryview(member)) + 1
    return Split("object", entries)


def _split_lexically(raw: bytes, start: int, first: bytes) -> Split:
    closer = b"}" if first == b"{" else b"]"
    result = Split("object" if first == b"{" else "array", [])
    position = _skip_space(raw, start + 1)
    while raw[position : position + 1] != closer:
        following = _take_member(result, raw, position, closer)
        if following < 0:
            return result
        position = following
    position = _skip_space(raw, position + 1)
    if position < len(raw):
        return _cut(result, raw, position, "TRAILING_TEXT")
    return result


def _take_member(result: Split, raw: bytes, start: int, closer: bytes) -> int:
    """Add the member that begins at `start`; where the next one does, or -1 at the end of sense."""
    name, position = None, start
    if result.form == "object":
        name, position = _name(raw, start)
        if name is None:
            _cut(result, raw, start, "TRUNCATED" if position < 0 else "NOT_JSON")
            return -1
        position = _skip_space(raw, position)
    end = _value_end(raw, position)
    if end < 0:
        result.entries.append(Entry(name, raw[position:], position, whole=False))
        return -1
    result.entries.append(Entry(name, raw[position:end].rstrip(), position))
    position = _skip_space(raw, end)
    mark = raw[position : position + 1]
    if mark == b",":
        position = _skip_space(raw, position + 1)
    elif mark and mark != closer:
        # Two values without a comma between them: nothing after can be attributed.
        result.entries.pop()
        _cut(result, raw, start, "NOT_JSON")
        return -1
    if position >= len(raw):
        _ended(result, raw, after_comma=mark == b",")
        return -1
    return position


def _ended(result: Split, raw: bytes, *, after_comma: bool) -> None:
    """The text ends where a member, a comma or the closing bracket was due."""
    last = result.entries[-1]
    if not after_comma and bytes(last.raw)[-1:] not in (b'"', b"}", b"]"):
        # `12` may have been `123`: a bare value at the very end is not known to be whole.
        last.whole = False
    else:
        _cut(result, raw, last.offset + len(memoryview(last.raw)), "TRUNCATED")


def _cut(result: Split, raw: bytes, position: int, reason: str) -> Split:
    result.rest = Entry(None, raw[position:], position, whole=False)
    result.rest_reason = reason
    return result


def _name(raw: bytes, position: int) -> tuple[str | None, int]:
    """A member's name and where its value begins; (None, -1) at the text's end."""
    match = STRING.match(raw, position)
    if match is None:
        is_open = raw[position : position + 1] in (b'"', b"")
        return None, -1 if is_open else position
    after = _skip_space(raw, match.end())
    if raw[after : after + 1] != b":":
        return None, -1 if after >= len(raw) else position
    try:
        return read_string(match.group()), after + 1
    except ValueError:
        return None, position


def _value_end(raw: bytes, position: int) -> int:
    """Where the value at `position` ends; -1 when it does not."""
    first = raw[position : position + 1]
    if first == b'"':
        match = STRING.match(raw, position)
        return match.end() if match else -1
    if first in (b"{", b"["):
        return container_end(raw, position)
    match = _BARE.match(raw, position)
    return match.end() if match else position


def _skip_space(raw: bytes, position: int) -> int:
    match = SPACE.match(raw, position)
    return match.end() if match else position


class Unwrapped(msgspec.Struct):
    """The innermost text, how many times it had been encoded over again, and if it was whole."""

    raw: bytes
    layers: int = 0
    whole: bool = True


def unwrap(raw: bytes) -> Unwrapped:
    """Decode a container that was encoded as a string, up to MAX_LAYERS times.

    An ordinary string, and anything else, stays as it is.
    """
    result = Unwrapped(raw)
    while result.layers < MAX_LAYERS:
        start = _skip_space(result.raw, 0)
        if result.raw[start : start + 1] != b'"':
            break
        text, whole = _string(result.raw[start:])
        if text is None or text.lstrip()[:1] not in (b"{", b"[", b'"'):
            break
        result = Unwrapped(text, result.layers + 1, result.whole and whole)
    return result


def _string(raw: bytes) -> tuple[bytes | None, bool]:
    """The text of a string as UTF-8, cut or whole; None when it is none."""
    match = STRING.match(raw)
    whole = match is not None
    if match is not None:
        if raw[match.end() :].strip():
            return None, False
        literal = match.group()
    else:
        literal = _PARTIAL_ESCAPE.sub(_drop_escape, raw) + b'"'
    try:
        text = read_string(literal)
    except ValueError:
        return None, False
    return text.encode("utf-8", "surrogatepass"), whole


def _drop_escape(match: re.Match[bytes]) -> bytes:
    return match.group()[: -len(match.group(1))]
