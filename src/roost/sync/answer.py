"""Answers to shape requests: bodies, and the headers that clients and caches go by."""

import math
import random
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

from roost.sync.offsets import BEFORE_ALL, Offset
from roost.sync.options import SyncOptions
from roost.sync.refusal import RefusalError
from roost.sync.shape import Shape

_EPOCH: Final = 1_728_432_000
"""2024-10-09 in seconds of Unix: where cursors begin to count."""
EXPOSED: Final = (
    "electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema,"
    "electric-up-to-date,electric-internal-known-error,retry-after"
)
_FOREVER: Final = "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746"

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Answer:
    """A status, headers and a body; `events` go on after the head, until they end."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    events: AsyncGenerator[bytes, None] | None = None


def next_cursor(previous: str, long_poll: float, now: float | None = None) -> int:
    """A number that all who ask within the same stretch of time share, and that only grows."""
    seconds = int(long_poll)
    if seconds < 1:
        return 0
    moment = (time.time() if now is None else now) - _EPOCH
    following = math.ceil(moment / seconds) * seconds
    known = int(previous) if previous.isascii() and previous.isdigit() and len(previous) < 19 else 0  # noqa: PLR2004 -- 64 bits
    return following if following > known else known + random.randint(1, 3600)  # noqa: S311 -- no secret


def etag_of(shape: Shape, asked: Offset, given: Offset, *, unique: bool = False) -> str:
    """What the answer to this place is known by; `unique` where it may be another next time."""
    once = f":{time.monotonic_ns()}" if unique else ""
    start = "-1" if asked == BEFORE_ALL else str(asked)
    return f'"{shape.handle}:{start}:{given}{once}"'


def head(shape: Shape, offset: Offset, *, has_data: bool) -> Headers:
    """What every answer of a shape says."""
    return [
        ("electric-handle", shape.handle),
        ("electric-offset", str(offset)),
        ("electric-has-data", "true" if has_data else "false"),
    ]


def schema(shape: Shape) -> tuple[str, str]:
    """The columns' types."""
    return "electric-schema", shape.definition.relation.schema_header(shape.definition.columns)


def caching(options: SyncOptions, *, first: bool, live: bool, sse: bool) -> tuple[str, str]:
    """How long caches may keep an answer."""
    if first:
        value = _FOREVER
    elif sse:
        value = f"public, max-age={max(int(options.sse) - 1, 0)}"
    elif live:
        value = "public, max-age=5, stale-while-revalidate=5"
    else:
        value = f"public, max-age={options.max_age}, stale-while-revalidate={options.stale_age}"
    if not options.shared:
        # Whoever may not read any more must not go on from what a cache has kept.
        value = "private, no-cache" if first else value.replace("public", "private")
    return "cache-control", value


def refusal(error: RefusalError) -> Answer:
    """The answer that says why there is none."""
    headers = list(error.headers)
    if not any(name == "cache-control" for name, _ in headers):
        headers += [("cache-control", "no-store"), ("surrogate-control", "no-store")]
    return Answer(error.status, headers, error.body)


def private(given: Answer) -> Answer:
    """Keep it out of the caches that people share: it depends on who asks."""
    given.headers = [
        (name, value.replace("public", "private") if name == "cache-control" else value)
        for name, value in given.headers
    ]
    return given
