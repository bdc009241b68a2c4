"""The schema that a run works in: made, filled, and removed whatever becomes of the run."""

import random
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context

CONNECTIONS: Final = 5
"""Connections of a run's own."""
READERS: Final = 3
"""Of these, those that read while the others write."""
_NAMESPACE: Final = UUID("5d0c5f0e-7d0e-4b8e-9f2f-6d1f2b8f4c11")
_MAKE = Statement("select performance.make", "select performance.make_scratch($1) n", ("run",), {})
_DROP = Statement("select performance.drop", "select performance.drop_scratch($1)", ("name",), {})
_LEFT = """
select count(*) filter (where performance.drop_scratch(n.nspname)) as gone from pg_namespace n
where n.nspname ~ '^roost_bench_[0-9a-f]{32}$' and not exists (
    select from performance.benchmark_run r
    where concat('roost_bench_', replace(r.id::text, '-', '')) = n.nspname
      and r.state in ('queued', 'running') and r.lease_until > clock_timestamp())
"""
_SWEEP = Statement("select performance.sweep", _LEFT, (), {})


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is, and how often things are done in a round."""

    tenants: int = 100
    rows: int = 20_000
    """Tasks, of all tenants together."""
    singles: int = 100
    """Operations on a single row."""
    reads: int = 50
    """Lists, searches and aggregations."""
    moves: int = 30
    """Changes that somebody waits to see."""
    bulks: int = 4
    """Bulk inserts."""
    bulk_rows: int = 2000
    """Rows of each, tasks and messages together."""


@dataclass(slots=True)
class Scratch:
    """A run's schema and connections; the first connection is for what is measured alone."""

    schema: str
    connections: list[Any]
    sizes: Sizes
    chance: random.Random = field(
        default_factory=lambda: random.Random(17)  # noqa: S311 -- every run has the same rows
    )
    known: list[tuple[str, UUID]] = field(default_factory=list)
    """Rows that are there: one of each tenant's, with the tenant."""

    @property
    def one(self) -> Any:  # noqa: ANN401 -- asyncpg's proxies
        """The connection of what is measured alone."""
        return self.connections[0]

    def sql(self, text: str) -> str:
        """Put the schema's name in; it is one that the database has made."""
        return text.replace("{s}", self.schema)

    def tenant(self) -> str:
        """Choose a tenant."""
        return tenant_of(self.chance.randrange(self.sizes.tenants))


def tenant_of(number: int) -> str:
    """Give the id of a tenant."""
    return str(uuid5(_NAMESPACE, str(number)))


def schema_of(run_id: UUID) -> str:
    """Give the name of a run's schema."""
    return f"roost_bench_{run_id.hex}"


# The tenant is set by the statement itself, as in Roost's own.
TENANT: Final = """
with tenant as materialized (
    select set_config('roost.workspace_id', $1, true)::uuid as id)"""
_FILL: Final = f"""{TENANT}
insert into {{s}}.task
    (workspace_id, id, title, description, status, priority, created_at, updated_at)
select tenant.id, gen_random_uuid(),
       concat('Task ', n, ' about ', words[1 + n % 20], ' and ', words[1 + n * 7 % 20]),
       concat('To be done: ', words[1 + n * 3 % 20], ', ', words[1 + n * 11 % 20], ', then ',
              repeat(concat(words[1 + n * 13 % 20], ' '), 12)),
       (array['pending', 'in_progress', 'completed', 'failed', 'cancelled'])[1 + n % 5],
       (array['low', 'medium', 'high', 'urgent'])[1 + n % 4],
       moment, moment
from tenant, lateral (
    select n, timestamptz '2026-01-01' + make_interval(mins => n) as moment,
           array['amber', 'birch', 'copper', 'delta', 'ember', 'fjord', 'garnet', 'harbour',
                 'indigo', 'juniper', 'kelp', 'lagoon', 'maple', 'nectar', 'onyx', 'pebble',
                 'quartz', 'raven', 'saffron', 'thicket'] as words
    from generate_series(1, $2::integer) n offset 0) made
returning id
"""  # noqa: S608 -- constants


async def make(database: Database, run_id: UUID) -> str:
    """Make a run's schema, with empty tables; gives its name."""
    row: Any = await database.change(_MAKE, Context(), run=run_id)
    return str(row["n"])


async def fill(scratch: Scratch) -> None:
    """Write the rows of all tenants, and have the planner know them."""
    sizes = scratch.sizes
    for number in range(sizes.tenants):
        each = max(sizes.rows // sizes.tenants, 1)
        tenant = tenant_of(number)
        row_id = await scratch.one.fetchval(scratch.sql(_FILL), tenant, each)
        scratch.known.append((tenant, row_id))
    await scratch.one.execute("select performance.analyze_scratch($1)", scratch.schema)


async def clear(scratch: Scratch) -> None:
    """Remove what a round has written: the next one finds all as the first one did."""
    await scratch.one.execute(scratch.sql("truncate {s}.fresh, {s}.message, {s}.change"))


async def drop(database: Database, run_id: UUID) -> None:
    """Remove a run's schema, if it is there."""
    await database.change(_DROP, Context(), name=schema_of(run_id))


async def sweep(database: Database) -> None:
    """Remove every schema whose run is no more under way: it was killed."""
    await database.change(_SWEEP, Context())
