"""What was fetched from elsewhere, remembered: whoever needs it meanwhile waits for one fetch."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from roost.errors import ProblemError

FRESH_SECONDS = 600.0
FAILED_SECONDS = 5.0
"""How long a failure is remembered: nobody waits for the same one again."""
T = TypeVar("T")


@dataclass(slots=True)
class Remembered(Generic[T]):
    """A thing that `fetch` gets, asked for again when it is older than `FRESH_SECONDS`.

    When that fails, the old one is given for as long as it is not older than `kept_seconds`.
    """

    fetch: Callable[[], Awaitable[T]]
    clock: Callable[[], float]
    kept_seconds: float = FRESH_SECONDS
    _got: tuple[T, float] | None = None
    _failed: tuple[ProblemError, float] | None = None
    _under_way: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether it is being fetched."""
        return self._under_way is not None

    async def get(self) -> tuple[T, float]:
        """Give it, and the moment it was fetched at; the ProblemError when there is none."""
        if self._got is None or self._age(self._got) > FRESH_SECONDS:
            try:
                return await self.renew()
            except ProblemError:
                if self._got is None or self._age(self._got) > self.kept_seconds:
                    raise
        return self._got

    async def renew(self) -> tuple[T, float]:
        """Fetch it, or wait for who does; the ProblemError when that fails, or just did."""
        if self._under_way is None and not self._just_failed():
            self._under_way = asyncio.create_task(self._fetch())
        if self._under_way is not None:
            # Shielded: one who gives up must not stop it for the others.
            await asyncio.shield(self._under_way)
        if self._failed is not None:
            raise _again(self._failed[0])
        assert self._got is not None  # noqa: S101 -- it was fetched, or has failed
        return self._got

    async def _fetch(self) -> None:
        try:
            self._got = (await self.fetch(), self.clock())
            self._failed = None
        except ProblemError as problem:
            self._failed = (_again(problem), self.clock())
        finally:
            self._under_way = None

    def _age(self, dated: tuple[object, float]) -> float:
        return self.clock() - dated[1]

    def _just_failed(self) -> bool:
        return self._failed is not None and self._age(self._failed) < FAILED_SECONDS


def _again(problem: ProblemError) -> ProblemError:
    """Copy a problem: each who is told gets an own one, without the others' traces."""
    return ProblemError(
        problem.entry,
        problem.detail,
        hint=problem.hint,
        headers=problem.headers,
    )
