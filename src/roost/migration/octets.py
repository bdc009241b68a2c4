"""Large texts as bytes, looked through and unescaped a part at a time: nothing copies them whole.

What is large is a `memoryview` into the one buffer that holds the dump.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

Octets = bytes | bytearray | memoryview | msgspec.Raw
"""UTF-8, with lone surrogates passed through."""
PART: Final = 1024 * 1024
"""Bytes that are looked at in one go."""
_SPACES: Final = b" \t\n\r\x0b\x0c"
_NO_SPACE: Final = re.compile(rb"[^ \t\n\r\x0b\x0c]")
_FAR: Final = 12
"""An escaped surrogate pair is so long: a cut that far behind a backslash is in no escape."""
_CLEAR: Final = re.compile(rb"[^\\]{%d}" % _FAR)
_SURROGATE: Final = 0xED


def view(raw: Octets) -> memoryview:
    """A view of it; nothing is copied."""
    return raw if isinstance(raw, memoryview) else memoryview(raw)


def octet(raw: Octets, at: int = 0) -> bytes:
    """The byte at a place (from the end when negative); empty where there is none."""
    whole = view(raw)
    return bytes(whole[at : at + 1] if at != -1 else whole[-1:])


def parts(raw: Octets, overlap: int, size: int = PART) -> Iterator[bytes]:
    """Its parts in order, each with the last `overlap` bytes of the one before."""
    if isinstance(raw, bytes) and len(raw) <= size:
        yield raw
        return
    whole = view(raw)
    for start in range(0, max(len(whole), 1), size):
        yield bytes(whole[max(0, start - overlap) : start + size])


def contains(raw: Octets, mark: bytes, size: int = PART) -> bool:
    """Whether the mark is in it."""
    if isinstance(raw, bytes):
        return mark in raw
    return any(mark in part for part in parts(raw, len(mark) - 1, size))


def first_octet(raw: Octets) -> bytes:
    """Its first byte that is no white space; empty when there is none."""
    match = _NO_SPACE.search(view(raw))
    return match.group() if match else b""


def stripped(raw: Octets, longest: int = 64) -> bytes | None:
    """It without white space around; None when that has more than `longest` bytes."""
    whole = view(raw)
    match = _NO_SPACE.search(whole)
    start = match.start() if match else len(whole)
    end = len(whole)
    while end > start and whole[end - 1] in _SPACES:
        end -= 1
    return bytes(whole[start:end]) if end - start <= longest else None


def utf8(raw: str) -> bytes:
    """The bytes that a receipt's hash is made of: UTF-8, with lone surrogates passed through."""
    try:
        return raw.encode()
    except UnicodeEncodeError:
        # Two surrogates that came one by one may be one character.
        joined = raw.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return joined.encode("utf-8", "surrogatepass")


def unescaped(
    literal: memoryview, read: Callable[[bytes], str], size: int = PART
) -> Iterator[bytes]:
    """The text of a JSON string, which `literal` is with its quotes, in parts, as `utf8` gives it.

    `read` reads the literal of a part; what it raises is passed on.
    """
    content = literal[1:-1]
    start = 0
    while start < len(content):
        stop = _cut(content, start + size)
        yield utf8(read(b'"%s"' % bytes(content[start:stop])))
        start = stop


def unescape(
    literal: memoryview,
    read: Callable[[bytes], str],
    into: memoryview | None = None,
    size: int = PART,
) -> memoryview:
    """The same, whole. `into` takes the text.

    It may be where the literal itself lies: a text is never longer than its literal.
    """
    if into is None:
        return memoryview(b"".join(unescaped(literal, read, size)))
    end = 0
    for text in unescaped(literal, read, size):
        into[end : end + len(text)] = text
        end += len(text)
    return into[:end]


def _cut(content: memoryview, wanted: int) -> int:
    """Where a part may end, from `wanted` on: in no escape, no character, no surrogate pair."""
    position = wanted
    while match := _CLEAR.search(content, max(0, position - _FAR)):
        position = max(match.end(), wanted)
        if position >= len(content):
            break
        is_inside = content[position] & 0xC0 == 0x80  # noqa: PLR2004 -- a later byte of a character
        if not is_inside and _SURROGATE not in bytes(content[position - 3 : position]):
            return position
        position += 1
    return len(content)
