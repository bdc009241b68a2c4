"""Where what is read may be kept: the kit's side of the cache."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from roost.web.endpoint import Call
from roost.web.shown import Shown

PAST: Final = frozenset[str]()
"""The tables of what is read out of the past, which is not kept."""
Reading = Callable[[], Awaitable[Shown]]


class Reads(Protocol):
    """Gives what is read, as new as the caller asks for."""

    async def shown(
        self,
        call: Call,
        tables: frozenset[str],
        read: Reading,
        *,
        after: int | None,
        shared: bool,
    ) -> Shown:
        """Give what `read` gives, read now or before, not older than `after`; see `Kit.kept`."""


class Cache(Protocol):
    """The part of the cache that reads need."""

    async def answer(
        self,
        asked: tuple[UUID, UUID | None, bytes],
        tables: frozenset[str],
        make: Reading,
        after: int | None = None,
    ) -> Shown:
        """Give what was kept, or what `make` reads from `tables`; never older than `after`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Reads out of the cache."""

    cache: Cache

    async def shown(
        self,
        call: Call,
        tables: frozenset[str],
        read: Reading,
        *,
        after: int | None,
        shared: bool,
    ) -> Shown:
        """Give what was kept for this path and query, or read."""
        scope, principal = call.request.scope, call.principal
        asked = b"%b?%b" % (scope["path"].encode(), scope["query_string"])
        user_id = None if shared else principal.user_id
        return await self.cache.answer(
            (principal.workspace_id, user_id, asked), tables, read, after
        )
