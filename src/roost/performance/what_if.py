"""What if there were an index: tried out with hypopg, which only tells the planner of it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from roost.db.dsn import connection_arguments
from roost.db.pool import LOST, Database
from roost.performance.missing import Candidate
from roost.performance.plans import Plan, plan_on

LIMIT_SECONDS: Final = 20.0
_MOST: Final = 5
"""Statements that a candidate is tried on."""


class Trial(msgspec.Struct, rename="camel"):
    """A statement's cost without the index and with it, in the planner's units."""

    id: str
    name: str | None
    cost_before: float
    cost_after: float
    is_used: bool


class WhatIf(msgspec.Struct, rename="camel"):
    """What would come of it; `reason` says why it can't be told."""

    is_available: bool
    trials: list[Trial] = []
    saved: float | None = None
    """Share of the cost of those statements that would be saved, by their calls."""
    reason: str | None = None


_NOT_THERE: Final = (
    "not available: the extension hypopg is not there. Install it on the server "
    "(Debian: postgresql-NN-hypopg) and run `create extension hypopg;`"
)


async def try_out(pool: Database, candidates: Sequence[Candidate]) -> list[WhatIf]:
    """Try each candidate on its own statements, on a connection of its own, within a time limit.

    As the pool's role, which sees the plans that it would get. Nothing is made.
    """
    done: list[WhatIf] = []
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            connection = await asyncpg.connect(**connection_arguments(pool.config))
            try:
                if await connection.fetchval("select to_regproc('hypopg_create_index')") is None:
                    return [WhatIf(is_available=False, reason=_NOT_THERE) for _ in candidates]
                # One by one: those that were tried in time are told of.
                for each in candidates:
                    done.append(await _tried(connection, each))  # noqa: PERF401 -- as said
            finally:
                # What hypopg was told goes with its connection.
                connection.terminate()
    except (TimeoutError, asyncpg.PostgresError, *LOST) as error:
        reason = f"not tried: {str(error) or 'it took too long'}"
        done += [WhatIf(is_available=False, reason=reason)] * (len(candidates) - len(done))
    return done


async def _tried(connection: Any, candidate: Candidate) -> WhatIf:  # noqa: ANN401 -- asyncpg's
    statements = candidate.statements[:_MOST]
    before = [await plan_on(connection, each.text) for each in statements]
    bare = candidate.sql.replace(" concurrently", "", 1).rstrip(";")
    made = await connection.fetchrow("select indexname from hypopg_create_index($1)", bare)
    after = [await plan_on(connection, each.text) for each in statements]
    await connection.execute("select hypopg_reset()")
    trials = [
        Trial(each.id, each.name, first.cost, second.cost, _uses(second, made["indexname"]))
        for each, first, second in zip(statements, before, after, strict=True)
        if first.cost is not None and second.cost is not None
    ]
    if not trials:
        return WhatIf(is_available=False, reason=f"no statement has a plan: {before[0].reason}")
    calls = {each.id: each.calls for each in statements}
    whole = sum(each.cost_before * calls[each.id] for each in trials)
    left = sum(each.cost_after * calls[each.id] for each in trials)
    saved = round(1 - left / whole, 4) if whole else 0.0
    return WhatIf(is_available=True, trials=trials, saved=saved)


def _uses(plan: Plan, index: str) -> bool:
    return index in msgspec.json.encode(plan.plan).decode()
