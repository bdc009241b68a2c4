"""JSON containers taken apart without reading their members, whole or damaged.

A member is found by its brackets and quotes alone, so one that is no JSON stays apart from its
neighbours. Offsets count bytes of the text that was given.
"""

import re
from typing import Final, Literal

import msgspec

from roost.migration.octets import (
    Octets,
    end_of_text,
    equal,
    first_octet,
    octet,
    surrogates_kept,
    unescape,
    view,
)
from roost.migration.reader import SPACE, STRING, container_end, read_string

#: How many times a value may have been encoded over again.
MAX_LAYERS: Final = 3

_BARE: Final = re.compile(rb'[^,\[\]{}"]*+')
_PARTIAL_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*+(\\(?:u[0-9a-fA-F]{0,3})?)\Z")

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode

Form = Literal["object", "array", "other"]


class Entry(msgspec.Struct, gc=False):
    """A member: `name` in an object, None in an array; `whole` is false when it was cut off."""

    name: str | None
    raw: Octets
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


def split(raw: Octets) -> Split:
    """Take the outermost container of `raw` apart; form "other" when there is none."""
    whole = view(raw)
    position = _skip_space(whole, 0)
    first = bytes(whole[position : position + 1])
    if first not in (b"{", b"["):
        return Split("other", [])
    sound = _split_sound(whole, position, first)
    return sound or _split_lexically(whole, position, first)


def _split_sound(raw: memoryview, start: int, first: bytes) -> Split | None:
    """Members of a container that is JSON from end to end; None when it is not, or names repeat."""
    try:
        if first == b"[":
            return Split("array", _placed_elements(raw, start + 1, _elements(raw)))
        entries = _placed_members(raw, start + 1, _members(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if entries is None else Split("object", entries)


def _placed_elements(raw: memoryview, position: int, elements: list[msgspec.Raw]) -> list[Entry]:
    # Elements, commas and brackets that fill the text leave no room for white space.
    filled = sum(len(memoryview(each)) for each in elements) + len(elements) + 1
    is_tight = filled == len(raw)
    entries: list[Entry] = []
    for element in elements:
        if not is_tight:
            position = _skip_space(raw, position)
        entries.append(Entry(None, element, position))
        position += len(memoryview(element))
        position = position + 1 if is_tight else _skip_space(raw, position) + 1
    return entries


def _placed_members(
    raw: memoryview, position: int, members: dict[str, msgspec.Raw]
) -> list[Entry] | None:
    """Each member where it stands; None when not each stands there once, with its own value."""
    entries: list[Entry] = []
    mark = b","
    for name, member in members.items():
        found, after = _name(raw, _skip_space(raw, position))
        position = _skip_space(raw, after)
        end = position + len(memoryview(member))
        if mark != b"," or found != name or not equal(raw[position:end], member):
            return None
        entries.append(Entry(name, raw[position:end], position))
        position = _skip_space(raw, end) + 1
        mark = octet(raw, position - 1)
    return entries if mark == b"}" or not members else None


def _split_lexically(raw: memoryview, start: int, first: bytes) -> Split:
    closer = b"}" if first == b"{" else b"]"
    result = Split("object" if first == b"{" else "array", [])
    position = _skip_space(raw, start + 1)
    while octet(raw, position) != closer:
        following = _take_member(result, raw, position, closer)
        if following < 0:
            return result
        position = following
    position = _skip_space(raw, position + 1)
    if position < len(raw):
        return _cut(result, raw, position, "TRAILING_TEXT")
    return result


def _take_member(result: Split, raw: memoryview, start: int, closer: bytes) -> int:
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
    result.entries.append(Entry(name, raw[position : end_of_text(raw, end)], position))
    position = _skip_space(raw, end)
    mark = octet(raw, position)
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


def _ended(result: Split, raw: memoryview, *, after_comma: bool) -> None:
    """The text ends where a member, a comma or the closing bracket was due."""
    last = result.entries[-1]
    if not after_comma and octet(last.raw, -1) not in (b'"', b"}", b"]"):
        # `12` may have been `123`: a bare value at the very end is not known to be whole.
        last.whole = False
    else:
        _cut(result, raw, last.offset + len(view(last.raw)), "TRUNCATED")


def _cut(result: Split, raw: memoryview, position: int, reason: str) -> Split:
    result.rest = Entry(None, raw[position:], position, whole=False)
    result.rest_reason = reason
    return result


def _name(raw: memoryview, position: int) -> tuple[str | None, int]:
    """A member's name and where its value begins; (None, -1) at the text's end."""
    match = STRING.match(raw, position)
    if match is None:
        is_open = octet(raw, position) in (b'"', b"")
        return None, -1 if is_open else position
    after = _skip_space(raw, match.end())
    if octet(raw, after) != b":":
        return None, -1 if after >= len(raw) else position
    try:
        return read_string(match.group()), after + 1
    except ValueError:
        return None, position


def _value_end(raw: memoryview, position: int) -> int:
    """Where the value at `position` ends; -1 when it does not."""
    first = octet(raw, position)
    if first == b'"':
        match = STRING.match(raw, position)
        return match.end() if match else -1
    if first in (b"{", b"["):
        return container_end(raw, position)
    match = _BARE.match(raw, position)
    return match.end() if match else position


def _skip_space(raw: memoryview, position: int) -> int:
    match = SPACE.match(raw, position)
    return match.end() if match else position


class Unwrapped(msgspec.Struct):
    """The innermost text, how many times it had been encoded over again, and if it was whole."""

    raw: Octets
    layers: int = 0
    whole: bool = True


def unwrap(raw: Octets) -> Unwrapped:
    """Decode a container that was encoded as a string, up to MAX_LAYERS times.

    An ordinary string, and anything else, stays as it is.
    """
    result = Unwrapped(raw)
    while result.layers < MAX_LAYERS:
        outer = view(result.raw)
        start = _skip_space(outer, 0)
        if octet(outer, start) != b'"':
            break
        text, whole = _string(outer[start:])
        if text is None or first_octet(text) not in (b"{", b"[", b'"'):
            break
        result = Unwrapped(text, result.layers + 1, result.whole and whole)
    return result


def _string(raw: memoryview) -> tuple[Octets | None, bool]:
    """The text of a string as UTF-8, cut or whole; None when it is none."""
    match = STRING.match(raw)
    try:
        if match is None:
            literal = _PARTIAL_ESCAPE.sub(_drop_escape, bytes(raw)) + b'"'
            return surrogates_kept(read_string(literal)), False
        if first_octet(raw[match.end() :]):
            return None, False
        return unescape(raw[: match.end()], read_string, encode=surrogates_kept), True
    except ValueError:
        return None, False


def _drop_escape(match: re.Match[bytes]) -> bytes:
    return match.group()[: -len(match.group(1))]
