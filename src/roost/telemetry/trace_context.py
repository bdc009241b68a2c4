"""W3C Trace Context: the `traceparent` header, read and written."""

import re
from typing import NamedTuple

_SAMPLED = 1
# Later versions may append fields after the flags; version ff is forbidden.
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)


class Parent(NamedTuple):
    """The caller's span: ids in hexadecimal, and whether the caller records its trace."""

    trace_id: str
    span_id: str
    sampled: bool


def read_traceparent(value: bytes) -> Parent | None:
    """Return the parent a header names, or None when the header is malformed."""
    found = _TRACEPARENT.fullmatch(value.strip())
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    sampled = bool(int(found[4], 16) & _SAMPLED)
    return Parent(found[2].decode(), found[3].decode(), sampled)


def write_traceparent(trace_id: str, span_id: str, *, sampled: bool) -> str:
    """Return the header that makes the given span the parent of whoever receives it."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"
