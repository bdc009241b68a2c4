"""A run from its first row to its last: measured, bounded, and cleaned up after."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final

import asyncpg

from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database
from roost.performance.benchmarks import scratch as scratches
from roost.performance.benchmarks.ledger import LEASE, Held, suites_of
from roost.performance.benchmarks.measuring import Times, measure
from roost.performance.benchmarks.model import SUITES, Measure, State, Suite
from roost.performance.benchmarks.scratch import CONNECTIONS, Scratch, Sizes
from roost.performance.benchmarks.surroundings import surroundings
from roost.performance.benchmarks.together import ROUNDS, Rounds

BEAT: Final = 0.5
"""Seconds between two looks at whether somebody wants it to end."""
_CLEANING: Final = 1.0
"""Seconds of a run's time that are left for its end."""
_TRIES: Final = 3
_FAILURES: Final = (DatabaseError, asyncpg.PostgresError, *LOST)
_log = logging.getLogger("roost.performance")
Told = Callable[[int, int, str | None], None]
"""Is told how many rounds of suites are done, of how many, and which suite is measured now."""


class _StoppedError(Exception):
    """Somebody wants the run to end, or it is not this process's any more."""


@dataclass(slots=True)
class Running:
    """One run by this process. `database` is for its own rows, not for what is measured."""

    database: Database
    held: Held
    sizes: Sizes
    rounds: Mapping[Suite, Rounds] = field(default_factory=lambda: ROUNDS)
    where: str = "server"
    told: Told = lambda *_: None
    _times: dict[tuple[Suite, str], list[Times]] = field(default_factory=dict)
    _is_cut: bool = False

    async def run(self) -> None:
        """Measure; whatever happens, the schema is removed and the row says how it ended.

        Raises only CancelledError, when the process is about to end.
        """
        state: State = "cancelled"
        error: str | None = "the process that measured was stopped"
        try:
            state, error = "completed", await self._measured()
        except _StoppedError as stopped:
            state, error = "cancelled", str(stopped) or None
        except Exception as failure:  # noqa: BLE001 -- the row must say it, whatever it is
            state, error = "failed", f"{type(failure).__name__}: {failure}"[:500]
            if not isinstance(failure, _FAILURES):
                _log.exception("a benchmark stumbled")
        else:
            if error is not None:
                state = "failed"
        finally:
            await self._end(state, error)

    async def _measured(self) -> str | None:
        """Measure until it is done, or the time is over; gives what is wrong with it."""
        facts = await surroundings(self.database, self.sizes, where=self.where)
        if not await self.held.start(facts):
            raise _StoppedError
        limit = self.held.order.max_seconds - _CLEANING
        try:
            async with asyncio.timeout(limit) as timeout, asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat())
                await self._work()
                beating.cancel()
        except ExceptionGroup as failures:
            raise _first(failures) from failures
        except TimeoutError:
            if not timeout.expired():
                raise
            self._is_cut = True
        if self._is_cut and not self._results():
            return f"the limit of {self.held.order.max_seconds} s came before a round was measured"
        return None

    async def _beat(self) -> None:
        """Hold the run, and end it when somebody wants that; never for long without a lease."""
        held_at = time.monotonic()
        while True:
            try:
                wanted = await self.held.renew()
                held_at = time.monotonic()
            except _FAILURES:
                if time.monotonic() - held_at > LEASE - 5:
                    raise
                wanted = False
            if wanted is None:
                message = "the run was taken from the process that measured"
                raise _StoppedError(message)
            if wanted:
                raise _StoppedError
            await asyncio.sleep(BEAT)

    async def _work(self) -> None:
        held = self.held
        schema = await scratches.make(self.database, held.id)
        config = replace(self.database.config, max_connections=CONNECTIONS)
        async with AsyncExitStack() as stack:
            pool = await Database.connect(config)
            stack.push_async_callback(pool.close)
            connections = [
                await stack.enter_async_context(pool.connection()) for _ in range(CONNECTIONS)
            ]
            scratch = Scratch(schema, connections, self.sizes)
            self._tell("filling")
            await scratches.fill(scratch)
            # Turn by turn, so that what slows the machine for a while slows all alike.
            for turn in range(held.order.repetitions):
                for suite in SUITES:
                    if suite in suites_of(held.order):
                        await self._round(scratch, suite, turn)
            self._tell(None)

    async def _round(self, scratch: Scratch, suite: Suite, turn: int) -> None:
        self._tell(suite)
        found = await self.rounds[suite](scratch)
        await scratches.clear(scratch)
        self.held.done += 1
        # The first warms caches up, and prepares the statements.
        if turn:
            for name, times in found.items():
                self._times.setdefault((suite, name), []).append(times)

    def _tell(self, current: str | None) -> None:
        self.held.current = current
        self.told(self.held.done, self.held.total, current)

    def _results(self) -> list[Measure]:
        return [measure(suite, name, found) for (suite, name), found in self._times.items()]

    async def _end(self, state: str, error: str | None) -> None:
        results = self._results() if state == "completed" else []
        for attempt in range(1, _TRIES + 1):
            try:
                await scratches.drop(self.database, self.held.id)
                await self.held.end(state, error, results, is_cut=self._is_cut)
            except _FAILURES as failure:
                if attempt == _TRIES:
                    # The lease runs out, and whoever comes next removes the schema.
                    _log.warning("a benchmark could not be cleaned up: %s", failure)
                    return
            else:
                return
            await asyncio.sleep(attempt)


def _first(error: Exception) -> Exception:
    """Give what went wrong first, out of a group."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
