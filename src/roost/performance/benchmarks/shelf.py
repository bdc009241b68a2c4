"""Benchmarks that were made, looked at: one, many, the baseline; and what is done with them."""

import asyncio
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from roost import errors
from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.performance.benchmarks.comparing import compare
from roost.performance.benchmarks.ledger import LOST
from roost.performance.benchmarks.model import LATEST, LIVE, Run, RunDetail
from roost.performance.reading import Question
from roost.web.query import invalid

R = TypeVar("R", bound=Run)
_LOST: Final = "r.state in ('queued', 'running') and r.lease_until < clock_timestamp()"
# A run whose worker is gone is told as what it will be when somebody ends it.
_COLUMNS: Final = f"""
    r.id, r.name, r.suites, r.repetitions, r.max_seconds as "maxSeconds",
    case when {_LOST} then 'failed' else r.state end as state,
    r.is_baseline as "isBaseline", r.is_cut as "isCut", r.baseline_id as "baselineId",
    json_build_object('done', r.done, 'total', r.total, 'current', r.current) as progress,
    case when {_LOST} then '{LOST}' else r.error end as error,
    r.created_at as "createdAt", r.started_at as "startedAt",
    case when {_LOST} then r.lease_until else r.ended_at end as "endedAt"
"""
_LIST: Final = Question(
    "benchmarks",
    Run,
    f"select {_COLUMNS} from performance.benchmark_run r order by r.created_at desc limit $1",  # noqa: S608 -- constants
    ("most",),
)
_ITEM: Final = Question(
    "benchmark",
    RunDetail,
    f"""select {_COLUMNS}, coalesce(r.environment, '{{}}') as environment,
        coalesce(r.results, '[]') as results
        from performance.benchmark_run r where r.id = $1""",  # noqa: S608 -- constants
    ("run",),
)
_WATCH: Final = Question(
    "benchmark",
    Run,
    f"select {_COLUMNS} from performance.benchmark_run r where r.id = $1",  # noqa: S608 -- constants
    ("run",),
)


def _statement(name: str, sql: str, *places: str) -> Statement:
    return Statement(f"{name} performance.benchmark_run", sql, places, {})


_BASELINE = _statement(
    "select", "select id from performance.benchmark_run where is_baseline limit 1"
)
_CANCEL = _statement(
    "update",
    "update performance.benchmark_run set is_cancelled = true, is_unwanted = is_unwanted or $2"
    " where id = $1 and state in ('queued', 'running')",
    "run", "unwanted",
)  # fmt: skip
_DELETE = _statement(
    "delete",
    "delete from performance.benchmark_run where id = $1"
    " and (state not in ('queued', 'running') or lease_until < clock_timestamp()) returning id",
    "run",
)
_MARK = _statement(
    "update",
    "update performance.benchmark_run set is_baseline = (id = $1) where is_baseline <> (id = $1)",
    "run",
)


async def listed(database: Database, most: int) -> list[Run]:
    """Give the newest runs."""
    return await _LIST.ask(database, most=most)


async def seen(database: Database, run_id: UUID) -> Run:
    """Give a run without what it has measured; BENCHMARK_NOT_FOUND."""
    return _one(await _WATCH.ask(database, run=run_id))


async def detail(database: Database, run_id: UUID, against: UUID | None = None) -> RunDetail:
    """Give a run, held against another, by default its baseline; BENCHMARK_NOT_FOUND.

    VALIDATION_ERROR when `against` is no run that has measured something.
    """
    run = _one(await _ITEM.ask(database, run=run_id))
    other = against or run.baseline_id
    if other is None or not run.results:
        return run
    found = await _ITEM.ask(database, run=other)
    if not found or not found[0].results:
        if against is not None:
            raise invalid("compare", "is not the id of a benchmark with results")
        return run
    baseline = found[0]
    # Resampling takes some milliseconds a measure: not in the loop.
    run.comparison = await asyncio.to_thread(
        compare,
        baseline.id,
        baseline.results,
        run.results,
        (baseline.environment, run.environment),
    )
    return run


async def baseline_of(database: Database, wanted: str | None) -> UUID | None:
    """Find what a run is to be held against; VALIDATION_ERROR when there is no such."""
    if wanted is None:
        return None
    if wanted == LATEST:
        found = await baseline(database)
        if found is None:
            raise invalid("baseline", "is `latest`, and no benchmark is the baseline yet")
        return found
    rows = await _ITEM.ask(database, run=UUID(wanted))
    if not rows or not rows[0].results:
        raise invalid("baseline", "is not the id of a benchmark with results")
    return UUID(wanted)


async def baseline(database: Database) -> UUID | None:
    """Give the baseline, if there is one."""
    row: Any = await database.read(_BASELINE, Context())
    return None if row is None else UUID(str(row["id"]))


async def cancel(database: Database, run_id: UUID, *, unwanted: bool = False) -> Run:
    """Have a run end, if it has not; `unwanted` ones are removed when they have."""
    await seen(database, run_id)
    await database.change(_CANCEL, Context(), run=run_id, unwanted=unwanted)
    return await seen(database, run_id)


async def remove(database: Database, run_id: UUID) -> Run | None:
    """Remove a run; gives one that is under way, which is cancelled and removed at its end."""
    await seen(database, run_id)
    while await database.change(_DELETE, Context(), run=run_id) is None:
        try:
            run = await cancel(database, run_id, unwanted=True)
        except ProblemError:  # it has ended meanwhile, and is gone
            return None
        if run.state in LIVE:
            return run
    return None


async def make_baseline(database: Database, run_id: UUID) -> RunDetail:
    """Make it the baseline, in place of any other; CONFLICT when it has measured nothing."""
    run = _one(await _ITEM.ask(database, run=run_id))
    if not run.results:
        message = "the benchmark has no results: only one that is completed can be the baseline"
        raise ProblemError(errors.CONFLICT, message)
    await database.change(_MARK, Context(), run=run_id)
    return await detail(database, run_id)


def _one(rows: list[R]) -> R:
    if not rows:
        raise ProblemError(errors.BENCHMARK_NOT_FOUND)
    return rows[0]


def encoded(found: object) -> str:
    """Write it as JSON."""
    return msgspec.json.encode(found).decode()
