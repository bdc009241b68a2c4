"""Connections: who is connected, in which state, and since when."""

from roost.db.pool import Database
from roost.performance.reading import Question
from roost.performance.wording import shown
from roost.web.structs import Outgoing

MOST = 100
"""Connections that are listed; all are counted."""


class Pool(Outgoing):
    """The pool of the worker that answers."""

    size: int
    used: int
    waiting: int
    limit: int
    utilisation: float


class ConnectionCount(Outgoing):
    """How many connections are in a state."""

    state: str
    count: int
    longest_seconds: float


class Connection(Outgoing):
    """One connection; `statement` has no literals, and is the last one where it is idle."""

    pid: int
    user: str | None
    application: str | None
    kind: str
    state: str | None
    state_seconds: float | None
    transaction_seconds: float | None
    wait: str | None
    statement: str | None


class Connections(Outgoing):
    """All connections to the server that are not its own workers."""

    total: int
    limit: int
    reserved: int
    by_state: list[ConnectionCount]
    pool: Pool
    items: list[Connection]
    shows_all: bool
    """Whether this role may see what others' connections do."""


class _Row(Connection):
    limit: int
    reserved: int
    shows_all: bool


_QUESTION = Question(
    "connections",
    _Row,
    """
    select a.pid, a.usename as "user", nullif(a.application_name, '') as application,
           a.backend_type as kind, a.state,
           extract(epoch from clock_timestamp() - a.state_change)::float8 as "stateSeconds",
           extract(epoch from clock_timestamp() - a.xact_start)::float8
               as "transactionSeconds",
           a.wait_event_type || ': ' || a.wait_event as wait,
           a.query as statement,
           current_setting('max_connections')::integer as "limit",
           current_setting('superuser_reserved_connections')::integer as reserved,
           pg_has_role(current_user, 'pg_read_all_stats', 'usage') as "showsAll"
    from pg_stat_activity a where a.backend_type = 'client backend'
    order by a.xact_start nulls last, a.state_change nulls last, a.pid
    """,
)


async def connections(database: Database, pool: Database) -> Connections:
    """Tell who is connected now, and how full this worker's pool is."""
    rows = await _QUESTION.ask(database)
    states: dict[str, list[_Row]] = {}
    for row in rows:
        states.setdefault(row.state or "unknown", []).append(row)
    counts = [
        ConnectionCount(
            state=state,
            count=len(found),
            longest_seconds=max((row.state_seconds or 0.0 for row in found), default=0.0),
        )
        for state, found in sorted(states.items())
    ]
    first = rows[0]  # there is at least the one that asks
    return Connections(
        total=len(rows),
        limit=first.limit,
        reserved=first.reserved,
        by_state=counts,
        pool=pool_of(pool),
        items=[_listed(row) for row in rows[:MOST]],
        shows_all=first.shows_all,
    )


def pool_of(database: Database) -> Pool:
    """Tell how full this worker's pool is."""
    limit = database.config.max_connections
    return Pool(
        size=database.size,
        used=database.used,
        waiting=database.waiting,
        limit=limit,
        utilisation=round(database.used / limit, 4),
    )


def _listed(row: _Row) -> Connection:
    values = {name: getattr(row, name) for name in Connection.__struct_fields__}
    return Connection(**{**values, "statement": shown(row.statement)})
