"""Benchmarks begun by this process: one at a time, here or anywhere."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from roost import errors
from roost.db.pool import Database
from roost.errors import ProblemError
from roost.performance.benchmarks import ledger, scratch, shelf
from roost.performance.benchmarks.ledger import Held
from roost.performance.benchmarks.model import Order, Suite
from roost.performance.benchmarks.running import Running, Told
from roost.performance.benchmarks.scratch import Sizes
from roost.performance.benchmarks.together import ROUNDS, Rounds


class Benchmarks:
    """Begins runs, and ends those that are under way when the process ends."""

    def __init__(
        self,
        database: Database,
        sizes: Sizes | None = None,
        rounds: Mapping[Suite, Rounds] | None = None,
    ) -> None:
        """Measure as the role of `database`, on connections apart from its own."""
        self.database = database
        self._sizes = sizes or Sizes()
        self._rounds = rounds or ROUNDS
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, order: Order) -> UUID:
        """Begin a run that goes on by itself; BENCHMARK_RUNNING while there is one anywhere."""
        held = await self._take(order)
        running = Running(self.database, held, self._sizes, self._rounds)
        task = asyncio.create_task(running.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return held.id

    async def run(self, order: Order, told: Told) -> UUID:
        """Do a run to its end; BENCHMARK_RUNNING as above."""
        held = await self._take(order)
        await Running(
            self.database, held, self._sizes, self._rounds, where="command", told=told
        ).run()
        return held.id

    async def _take(self, order: Order) -> Held:
        baseline = await shelf.baseline_of(self.database, order.baseline)
        taken = await ledger.take(self.database, order, baseline)
        if isinstance(taken, UUID):
            message = f"the benchmark {taken} is running"
            raise ProblemError(errors.BENCHMARK_RUNNING, message, extra={"id": str(taken)})
        try:
            await scratch.sweep(self.database)
        except BaseException:
            await taken.end("failed", "what was left of earlier runs could not be removed", [],
                            is_cut=False)  # fmt: skip
            raise
        return taken

    async def close(self) -> None:
        """Stop what is running here; each removes its schema."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def keep_up(database: Database) -> None:
    """Remove what killed runs have left, and forget the oldest of many."""
    await ledger.bury(database)
    await scratch.sweep(database)
