"""Checks of replication: how far replicas are behind, and what is kept for those that are away."""

from roost.performance.checks.kinds import GIB, NOT_SHOWN, Check, Finding, Row, graded, skipped


def _lag(rows: list[Row]) -> Finding:
    if not rows:
        return skipped("replicationLag", "No replica is connected.")
    if any(row["bytes"] is None for row in rows):
        return skipped("replicationLag", NOT_SHOWN)
    worst = max(row["bytes"] for row in rows) / GIB
    seconds = max(row["seconds"] or 0.0 for row in rows)
    return graded(
        "replicationLag", worst, "GiBy", (0.25, 4),
        f"the slowest of {len(rows)} replicas is {worst * 1024:.1f} MiB and {seconds:.0f} s behind",
        "See whether the replica can keep up: its disk, its network, and what it is asked.",
        rows,
    )  # fmt: skip


def _slots(rows: list[Row]) -> Finding:
    if not rows:
        return skipped("replicationSlots", "There are no replication slots.")
    kept = max((row["bytes"] or 0 for row in rows), default=0) / GIB
    lost = [row["slot"] for row in rows if row["wal_status"] == "lost"]
    found = graded(
        "replicationSlots", kept, "GiBy", (1, 10),
        f"{len(rows)} slots, {sum(not row['active'] for row in rows)} of them not in use, keep up "
        f"to {kept * 1024:.1f} MiB of WAL",
        "A slot that nobody uses fills the disk: select pg_drop_replication_slot('…'); to bound "
        "it: max_slot_wal_keep_size.",
        rows,
    )  # fmt: skip
    if lost:
        found.status, found.detail = "critical", f"the WAL of {', '.join(lost)} is gone"
        found.fix = "Make the replica anew, and drop the slot."
    return found


CHECKS = (
    Check(
        "replicationLag",
        """
        select application_name as replica, state,
               pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 as bytes,
               extract(epoch from replay_lag)::float8 as seconds
        from pg_stat_replication where not pg_is_in_recovery()
        """,
        _lag,
    ),
    Check(
        "replicationSlots",
        """
        select slot_name as slot, slot_type as type, active, wal_status,
               case when not pg_is_in_recovery()
                    then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 end as bytes
        from pg_replication_slots where not temporary order by bytes desc nulls last
        """,
        _slots,
    ),
)
