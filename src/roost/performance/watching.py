"""What every worker does beside its requests so that the doctor has something to tell."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database, Transaction
from roost.db.tenancy import Context
from roost.performance import events, faults, figures, kept, latencies, sampling, slow
from roost.performance.benchmarks import service as benchmarks
from roost.performance.duties import Duty
from roost.telemetry.tally import Tally

_FAILURES: Final = (DatabaseError, asyncpg.PostgresError, *LOST)
_log = logging.getLogger("roost.performance")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between looks, and how slow is slow in milliseconds."""

    sample: float = 60.0
    activity: float = 2.0
    upkeep: float = 600.0
    slow_ms: float = slow.SLOW_MS


class Watch:
    """One worker's part of it."""

    def __init__(  # noqa: PLR0913 -- what a worker has, and how it is told to watch
        self,
        doctor: Database,
        pool: Database,
        tally: Tally,
        *,
        keep_days: int,
        pace: Pace | None = None,
        beside: Sequence[tuple[float, Callable[[], Awaitable[object]]]] = (),
    ) -> None:
        """Watch with the doctor's connections; `pool` is asked for plans, as it would run them.

        `beside` is further work, with the seconds between its turns.
        """
        self._doctor = doctor
        self._pool = pool
        self._tally = tally
        self._keep_days = keep_days
        self._pace = pace or Pace()
        self._beside = beside
        self._worker = f"{socket.gethostname()}:{os.getpid()}"[:80]
        self._sample = Duty(doctor, "sample", self._pace.sample)
        self._activity = Duty(doctor, "activity", self._pace.activity)
        self._upkeep = Duty(doctor, "upkeep", self._pace.upkeep)
        self._uncounted: str | None = None

    async def run(self) -> None:
        """Go on until cancelled."""
        await asyncio.gather(
            _again(self._pace.upkeep, self.keep_up),
            _again(self._pace.upkeep, self.tidy),
            _again(self._pace.sample, self.sample),
            _again(self._pace.activity, self.notice),
            *(_again(period, work) for period, work in self._beside),
        )

    async def keep_up(self) -> None:
        """See that there are partitions, and that old ones go."""
        await self._upkeep.turn(self._keep_up)

    async def _keep_up(self, transaction: Transaction) -> None:
        await kept.keep_up(transaction, self._keep_days)
        await events.forget(transaction, self._keep_days)

    async def tidy(self) -> None:
        """Remove what killed benchmarks left."""
        await benchmarks.keep_up(self._doctor)

    async def sample(self) -> None:
        """Write down what this worker has counted, and what the database has, if it is due."""
        counted = self._tally.take()

        async def write(transaction: Transaction) -> None:
            await latencies.store(transaction, self._worker, counted)
            await figures.store_of_worker(transaction, self._pool)

        try:
            await self._doctor.write(Context(), write)
        except BaseException:
            self._tally.put_back(counted)
            raise
        await self._sample.turn(self._look)

    async def _look(self, transaction: Transaction) -> None:
        await figures.store_of_database(transaction)
        reason = (await sampling.look(transaction)).reason
        # Once, and not every minute: what is in the way mostly stays.
        if reason is not None and reason != self._uncounted:
            _log.warning("statements are not counted: %s", reason)
        self._uncounted = reason

    async def notice(self) -> None:
        """Write down what was done and failed here, and slow statements of here and of now."""
        await self._store_noticed()
        await slow.see(self._doctor, self._activity, slow_ms=self._pace.slow_ms)

    async def _store_noticed(self) -> None:
        """Write down what this worker has noticed; what could not be is kept for the next time."""
        met, noted = self._tally.take_faults(), self._tally.take_noted()
        told = self._tally.take_slow()
        try:
            if met:
                await faults.store(self._doctor, met)
                met = ()
            if noted:
                await events.store(self._doctor, noted)
                noted = ()
            if told:
                await slow.tell(self._doctor, self._pool, told)
        except BaseException:
            self._tally.put_back_others(told, met, noted)
            raise


async def _again(period: float, work: Callable[[], Awaitable[object]]) -> None:
    """Do it now and every `period` seconds; what fails is logged, and tried at the next turn."""
    while True:
        try:
            await work()
        except _FAILURES as error:
            _log.warning("the doctor could not look: %s", error)
        except Exception:  # noqa: BLE001 -- one stumble must not end all looks
            _log.exception("the doctor stumbled")
        await asyncio.sleep(period)
