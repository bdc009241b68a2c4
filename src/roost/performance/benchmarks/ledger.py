"""The runs that there were, and the one that there is: one at a time, held by a lease."""

import os
import socket
from typing import Any, Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.benchmarks.model import SUITES, Measure, Order

LEASE: Final = 20
"""Seconds for which a run is its worker's; after that it is nobody's, and another may begin."""
KEPT: Final = 200
"""Runs that are remembered, with the baseline beyond."""
LOST: Final = "its worker ended, or did not say in time that it is still there"
_WORKER: Final = f"{socket.gethostname()}:{os.getpid()}"[:80]
_IS_DEAD: Final = "state in ('queued', 'running') and lease_until < clock_timestamp()"


def _statement(name: str, sql: str, *places: str) -> Statement:
    return Statement(f"{name} performance.benchmark_run", sql, places, {})


_REMOVE_DEAD = _statement(
    "delete",
    f"delete from performance.benchmark_run where {_IS_DEAD} and is_unwanted",  # noqa: S608 -- constants
)
_END_DEAD = _statement(
    "update",
    f"""update performance.benchmark_run set state = case when is_cancelled then 'cancelled'
    else 'failed' end, error = $1, ended_at = lease_until, version = version + 1
    where {_IS_DEAD}""",  # noqa: S608 -- constants
    "error",
)
_FORGET = _statement(
    "delete",
    "delete from performance.benchmark_run where not is_baseline"
    " and state not in ('queued', 'running') and id not in ("
    "select id from performance.benchmark_run order by created_at desc limit $1)",
    "kept",
)
_TAKE = _statement(
    "insert",
    "insert into performance.benchmark_run"
    " (id, name, suites, repetitions, max_seconds, baseline_id, total, worker, lease_until)"
    " values ($1, $2, $3, $4, $5, $6, $7, $8,"
    " clock_timestamp() + make_interval(secs => $9)) on conflict do nothing returning id",
    "run", "name", "suites", "repetitions", "max_seconds", "baseline", "total", "worker", "lease",
)  # fmt: skip
_LIVE = _statement(
    "select", "select id from performance.benchmark_run where state in ('queued', 'running')"
)
_START = _statement(
    "update",
    "update performance.benchmark_run set state = 'running', started_at = clock_timestamp(),"
    " environment = $2::text::jsonb, version = version + 1"
    " where id = $1 and state = 'queued' returning id",
    "run", "environment",
)  # fmt: skip
_RENEW = _statement(
    "update",
    "update performance.benchmark_run"
    " set lease_until = clock_timestamp() + make_interval(secs => $2),"
    " done = $3, current = $4,"
    " version = version + ((done, current) is distinct from ($3, $4))::integer"
    " where id = $1 and state in ('queued', 'running') and worker = $5"
    " returning is_cancelled",
    "run", "lease", "done", "current", "worker",
)  # fmt: skip
_REMOVE_UNWANTED = _statement(
    "delete", "delete from performance.benchmark_run where id = $1 and is_unwanted", "run"
)
_END = _statement(
    "update",
    "update performance.benchmark_run set state = $2, error = $3, results = $4::text::jsonb,"
    " is_cut = $5, done = $6, current = null, ended_at = clock_timestamp(), version = version + 1"
    " where id = $1 and state in ('queued', 'running') and worker = $7",
    "run", "state", "error", "results", "is_cut", "done", "worker",
)  # fmt: skip


class Held:
    """The run that this process is at."""

    def __init__(self, database: Database, run_id: UUID, order: Order) -> None:
        self.id = run_id
        self.order = order
        self.done = 0
        self.total = order.repetitions * len(suites_of(order))
        self.current: str | None = None
        self._database = database

    async def start(self, environment: dict[str, str]) -> bool:
        """Say that it runs; False when it was ended meanwhile."""
        text = msgspec.json.encode(environment).decode()
        row = await self._database.change(_START, Context(), run=self.id, environment=text)
        return row is not None

    async def renew(self) -> bool | None:
        """Hold it further, and say how far it is.

        True when somebody wants it to end; None when it is not this process's any more.
        """
        row: Any = await self._database.change(
            _RENEW,
            Context(),
            run=self.id,
            lease=LEASE,
            done=self.done,
            current=self.current,
            worker=_WORKER,
        )
        return None if row is None else bool(row["is_cancelled"])

    async def end(
        self, state: str, error: str | None, results: list[Measure], *, is_cut: bool
    ) -> None:
        """Say how it ended; it is removed when nobody wants it any more."""

        async def work(transaction: Transaction) -> None:
            await transaction.row(_REMOVE_UNWANTED, run=self.id)
            await transaction.row(
                _END,
                run=self.id,
                state=state,
                error=error,
                results=msgspec.json.encode(results).decode(),
                is_cut=is_cut,
                done=self.done,
                worker=_WORKER,
            )

        await self._database.write(Context(), work)


def suites_of(order: Order) -> list[str]:
    """Give the suites of an order, each once, in the order that they are always measured in."""
    return [suite for suite in SUITES if suite in order.suites]


async def take(database: Database, order: Order, baseline: UUID | None) -> Held | UUID:
    """Begin a run; gives the id of the one that is under way when there is one."""

    async def work(transaction: Transaction) -> Held | UUID:
        await _bury(transaction)
        held = Held(database, uuid7(), order)
        for _ in range(3):
            row = await transaction.row(
                _TAKE,
                run=held.id,
                name=order.name,
                suites=suites_of(order),
                repetitions=order.repetitions,
                max_seconds=order.max_seconds,
                baseline=baseline,
                total=held.total,
                worker=_WORKER,
                lease=LEASE,
            )
            if row is not None:
                return held
            live = await transaction.row(_LIVE)
            if live is not None:
                return UUID(str(live["id"]))
        message = "benchmarks come and go too quickly"
        raise RuntimeError(message)

    return await database.write(Context(), work)


async def bury(database: Database) -> None:
    """End the runs whose workers are gone, and forget the oldest of many."""
    await database.write(Context(), _bury)


async def _bury(transaction: Transaction) -> None:
    await transaction.row(_REMOVE_DEAD)
    await transaction.row(_END_DEAD, error=LOST)
    await transaction.row(_FORGET, kept=KEPT)
