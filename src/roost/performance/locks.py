"""Locks: who waits for whom, and who holds everybody up."""

from collections.abc import Mapping

from roost.db.pool import Database
from roost.performance.reading import Question
from roost.performance.wording import shown
from roost.web.structs import Outgoing


class Waiting(Outgoing):
    """A connection that waits for a lock, and those that it waits for."""

    pid: int
    blocked_by: list[int]
    waited_seconds: float
    mode: str | None
    relation: str | None
    statement: str | None


class Blocking(Outgoing):
    """A connection that waits for nobody, and holds up `holds_up` others, by way of others too."""

    pid: int
    holds_up: int
    state: str | None
    transaction_seconds: float | None
    application: str | None
    statement: str | None
    to_end: str
    """The statement that an administrator may run to end it."""


class Locks(Outgoing):
    """The tree of those that wait, from its roots."""

    roots: list[Blocking]
    waiting: list[Waiting]


class _Row(Outgoing):
    pid: int
    blocked_by: list[int]
    state: str | None
    application: str | None
    transaction_seconds: float | None
    waited_seconds: float
    mode: str | None
    relation: str | None
    statement: str | None


_QUESTION = Question(
    "locks",
    _Row,
    """
    with waits as materialized (
        select a.pid, pg_blocking_pids(a.pid) as blockers
        from pg_stat_activity a where a.wait_event_type = 'Lock'),
    concerned as (
        select pid, blockers from waits
        union all
        select distinct b.pid, array[]::integer[] from waits w, unnest(w.blockers) b (pid)
        where b.pid not in (select pid from waits))
    select c.pid, c.blockers as "blockedBy", a.state,
           nullif(a.application_name, '') as application,
           extract(epoch from clock_timestamp() - a.xact_start)::float8 as "transactionSeconds",
           coalesce(extract(epoch from clock_timestamp() - l.waitstart)::float8, 0)
               as "waitedSeconds",
           l.mode, l.relation::regclass::text as relation, a.query as statement
    from concerned c
    left join pg_stat_activity a on a.pid = c.pid
    left join lateral (select l.* from pg_locks l where l.pid = c.pid and not l.granted
                       order by l.waitstart limit 1) l on true
    order by "waitedSeconds" desc, c.pid
    """,
)


async def locks(database: Database) -> Locks:
    """Tell who waits now, longest first, and for whom."""
    rows = await _QUESTION.ask(database)
    waits = {row.pid: row.blocked_by for row in rows if row.blocked_by}
    return Locks(
        roots=sorted(
            (_root(row, waits) for row in rows if not row.blocked_by),
            key=lambda root: -root.holds_up,
        ),
        waiting=[_wait(row) for row in rows if row.blocked_by],
    )


def held_up(pid: int, waits: Mapping[int, list[int]]) -> set[int]:
    """Give those that wait for `pid`, at once or by way of others; a circle ends."""
    found: set[int] = set()
    queue = [pid]
    while queue:
        holder = queue.pop()
        fresh = {waiter for waiter, blockers in waits.items() if holder in blockers} - found
        found |= fresh
        queue += fresh
    return found - {pid}


def _root(row: _Row, waits: Mapping[int, list[int]]) -> Blocking:
    return Blocking(
        pid=row.pid,
        holds_up=len(held_up(row.pid, waits)),
        state=row.state,
        transaction_seconds=row.transaction_seconds,
        application=row.application,
        statement=shown(row.statement),
        to_end=f"select pg_terminate_backend({row.pid});",
    )


def _wait(row: _Row) -> Waiting:
    return Waiting(
        pid=row.pid,
        blocked_by=row.blocked_by,
        waited_seconds=row.waited_seconds,
        mode=row.mode,
        relation=row.relation,
        statement=shown(row.statement),
    )
