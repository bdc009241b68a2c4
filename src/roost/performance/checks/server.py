"""Checks of the server itself: its settings, its checkpoints, what it counts."""

import asyncpg

from roost.performance.checks.kinds import Check, Finding, Row, graded, skipped
from roost.performance.counting import PROBE, REFUSALS, Obstacle, obstacle_in, obstacle_of

_LEAST_CHECKPOINTS = 20
_OFTEN_AN_HOUR = 1
"""Checkpoints before their time in an hour, below which their share means nothing."""
_HOURS = "extract(epoch from now() - stats_reset)::float8 / 3600 as hours"
_HARMFUL = {
    "fsync": "a crash of the machine may destroy the database",
    "full_page_writes": "a crash of the machine may destroy pages",
    "autovacuum": "dead rows stay, and transaction ids run out",
    "track_counts": "autovacuum can't know what to do",
    "track_activities": "nobody can see what runs",
}
_UNSAFE = {"fsync", "full_page_writes", "autovacuum"}


def _settings(rows: list[Row]) -> Finding:
    off = [row["name"] for row in rows]
    said = "; ".join(f"{name} is off: {_HARMFUL[name]}" for name in off)
    return Finding(
        name="settings",
        status="critical" if _UNSAFE & set(off) else "warn" if off else "ok",
        detail=said or "no setting that does harm",
        value=len(off),
        unit="1",
        fix=" ".join(f"alter system set {name} = on;" for name in off) or None,
    )


def _checkpoints(rows: list[Row]) -> Finding:
    row = rows[0]
    total, hours = row["timed"] + row["requested"], row["hours"]
    if total < _LEAST_CHECKPOINTS:
        return skipped("checkpoints", f"Only {total} checkpoints since the last reset.")
    if hours is None or hours < 1:
        return skipped("checkpoints", "They have been counted for less than an hour.")
    share, rate = row["requested"] / total, row["requested"] / hours
    found = graded(
        "checkpoints", share, "1", (0.5, 0.9),
        f"{row['requested']} of {total} checkpoints came before their time, {rate:.2g} an hour",
        "Raise max_wal_size.",
    )  # fmt: skip
    # A backup or a new database asks for one too: they do harm only where they come often.
    if rate < _OFTEN_AN_HOUR:
        found.status, found.fix = "ok", None
    return found


def _statistics(rows: list[Row]) -> Finding:
    off = obstacle_in(rows[0])
    if off is not None:
        return _uncounted(off)
    return Finding(name="statementStatistics", status="ok", detail="statements are counted")


def _not_to_be_read(error: asyncpg.PostgresError) -> Finding | None:
    return _uncounted(obstacle_of(error)) if isinstance(error, REFUSALS) else None


def _uncounted(found: Obstacle) -> Finding:
    """Warn of what somebody has set up and thinks to have; to do without is a choice."""
    return Finding(
        name="statementStatistics",
        status="warn" if found.kind in {"unloaded", "off"} else "skipped",
        detail=found.reason,
        fix=found.fix,
    )


CHECKS = (
    Check(
        "settings",
        f"""
        select name from pg_settings
        where name in ({", ".join(f"'{name}'" for name in _HARMFUL)}) and setting = 'off'
        order by name
        """,  # noqa: S608 -- constants
        _settings,
    ),
    Check(
        "checkpoints",
        f"select num_timed as timed, num_requested as requested, {_HOURS}"  # noqa: S608 -- a constant
        " from pg_stat_checkpointer",
        _checkpoints,
        {17: f"select checkpoints_timed as timed, checkpoints_req as requested, {_HOURS}"  # noqa: S608 -- a constant
             " from pg_stat_bgwriter"},
    ),
    Check("statementStatistics", PROBE, _statistics, refused=_not_to_be_read),
)  # fmt: skip
