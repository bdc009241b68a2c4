"""Large texts as bytes, looked through and unescaped a part at a time: nothing copies them whole.

What is large is a `memoryview` into the one buffer that holds the dump.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

Octets = bytes | bytearray | memoryview | msgspec.Raw
"""UTF-8, with lone surrogates passed through."""
PART: Final = 256 * 1024
"""Bytes that are looked at in one go."""
_SPACES: Final = b" \t\n\r\x0b\x0c"
_NO_SPACE: Final = re.compile(rb"[^ \t\n\r\x0b\x0c]")
_PAGE: Final = 4096
_ESCAPE: Final = len(r"\u0000")
"""The longest escape."""
_HIGH_ESCAPE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_HIGH: Final = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]")
"""The first half of a surrogate pair, as it stands in bytes."""


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
    end = end_of_text(whole, len(whole))
    return bytes(whole[start:end]) if end - start <= longest else None


def end_of_text(whole: memoryview, end: int) -> int:
    """Where the white space begins that lies right before `end`."""
    while end > 0:
        start = max(0, end - _PAGE)
        kept = bytes(whole[start:end]).rstrip(_SPACES)
        if kept:
            return start + len(kept)
        end = start
    return 0


def equal(left: Octets, right: Octets) -> bool:
    """Whether both are the same bytes; compares large ones without a copy of the whole."""
    one, other = view(left), view(right)
    return len(one) == len(other) and all(
        bytes(one[start : start + PART]) == bytes(other[start : start + PART])
        for start in range(0, len(one), PART)
    )


def utf8(raw: str) -> bytes:
    """The bytes that a receipt's hash is made of: UTF-8, with lone surrogates passed through."""
    try:
        return raw.encode()
    except UnicodeEncodeError:
        # Two surrogates that came one by one may be one character.
        joined = raw.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return joined.encode("utf-8", "surrogatepass")


def surrogates_kept(raw: str) -> bytes:
    """UTF-8, with surrogates passed through one by one."""
    return raw.encode("utf-8", "surrogatepass")


def unescaped(
    literal: memoryview,
    read: Callable[[bytes], str],
    encode: Callable[[str], bytes] = utf8,
    size: int = PART,
) -> Iterator[bytes]:
    """The text of a JSON string, which `literal` is with its quotes, in parts.

    `read` reads the literal of a part; what it raises is passed on. A part is read from at most
    `size` bytes, which are 16 or more.
    """
    content = literal[1:-1]
    start = 0
    while start < len(content):
        part = bytes(content[start : start + size])
        if start + size < len(content):
            part = part[: _cut(part, content[start + size])]
        yield encode(read(b'"%s"' % part))
        start += len(part)


def unescape(
    literal: memoryview,
    read: Callable[[bytes], str],
    into: memoryview | None = None,
    encode: Callable[[str], bytes] = utf8,
) -> memoryview:
    """The same, whole. `into` takes the text.

    It may be where the literal itself lies: a text is never longer than its literal.
    """
    if into is None:
        return memoryview(b"".join(unescaped(literal, read, encode)))
    end = 0
    for text in unescaped(literal, read, encode):
        into[end : end + len(text)] = text
        end += len(text)
    return into[:end]


def _cut(part: bytes, following: int) -> int:
    """Where a part of a literal may end: in no escape, no character, no surrogate pair.

    `following` is the byte behind the part.
    """
    end = len(part)
    last = part.rfind(b"\\", end - _ESCAPE + 1)
    if last >= 0 and _begins_escape(part, last):
        end = last
    elif _is_later(following):
        while end > 0 and _is_later(part[end - 1]):
            end -= 1
        end -= 1
    if _HIGH.match(part, max(0, end - 3)):
        end -= 3
    elif _HIGH_ESCAPE.match(part, max(0, end - _ESCAPE)) and _begins_escape(part, end - _ESCAPE):
        end -= _ESCAPE
    return end if end > 0 else len(part)


def _is_later(octet: int) -> bool:
    """Whether it is a byte of a character, and not its first."""
    return octet & 0xC0 == 0x80  # noqa: PLR2004 -- two bits


def _begins_escape(part: bytes, place: int) -> bool:
    """Whether the backslash there is no second half of an escaped one."""
    head = part[: place + 1]
    return (len(head) - len(head.rstrip(b"\\"))) % 2 == 1
