"""Checks of what is stored: whether it is read from memory, and vacuum keeps up with it."""

from roost.performance.checks.kinds import (
    GIB,
    LEAST_DAYS,
    TOO_SHORT,
    Check,
    Finding,
    Row,
    graded,
    growth_of,
    skipped,
)
from roost.performance.reading import OURS

_LEAST_BLOCKS = 100_000
"""Blocks read before a share of hits means something."""
_LEAST_DEAD = 10_000


def _cache_hit(rows: list[Row]) -> Finding:
    row = rows[0]
    blocks = row["hit"] + row["read"]
    if blocks < _LEAST_BLOCKS:
        return skipped("cacheHit", f"Only {blocks} blocks were asked for since the last reset.")
    share = row["hit"] / blocks
    return graded(
        "cacheHit", share, "1", (0.95, 0.85),
        f"{share:.2%} of {blocks} blocks were in shared buffers",
        "Raise shared_buffers to a quarter of the memory, and look for missing indexes.",
    )  # fmt: skip


def _dead_rows(rows: list[Row]) -> Finding:
    worst = max((row["dead"] / max(row["dead"] + row["live"], 1) for row in rows), default=0.0)
    return graded(
        "deadRows", worst, "1", (0.3, 0.6),
        f"{len(rows)} tables have over {_LEAST_DEAD} dead rows; {worst:.0%} of the worst are dead",
        "Run `vacuum (verbose)` on it. What holds vacuum back is in `idleInTransaction`, "
        "`replicationSlots` and prepared transactions.",
        [{"table": row["table"], "dead": row["dead"], "live": row["live"]} for row in rows],
    )  # fmt: skip


def _autovacuum(rows: list[Row]) -> Finding:
    worst = max((row["dead"] / max(row["threshold"], 1.0) for row in rows), default=0.0)
    return graded(
        "autovacuum", worst, "1", (3, 10),
        f"{len(rows)} tables wait for autovacuum; the worst has {worst:.1f} x its threshold",
        "Raise autovacuum_vacuum_cost_limit or autovacuum_max_workers.",
        [{"table": row["table"], "dead": row["dead"], "threshold": row["threshold"]}
         for row in rows],
    )  # fmt: skip


def _wraparound(rows: list[Row]) -> Finding:
    row = rows[0]
    return graded(
        "wraparound", row["share"], "1", (0.5, 0.8),
        f"the oldest transaction id of {row['database']} has used {row['share']:.1%} of what "
        "there is before PostgreSQL refuses writes",
        "Run `vacuum (freeze)` in that database, and end what holds vacuum back.",
    )  # fmt: skip


def _sequences(rows: list[Row]) -> Finding:
    known = [row for row in rows if row["share"] is not None]
    if rows and not known:
        return skipped("sequences", "This role may read the place of none of the sequences.")
    worst = max((row["share"] for row in known), default=0.0)
    unread = len(rows) - len(known)
    return graded(
        "sequences", worst, "1", (0.7, 0.9),
        f"the fullest of {len(known)} sequences has used {worst:.1%} of its numbers"
        + (f"; {unread} may not be read by this role, or were never used" if unread else ""),
        "Make the column and its sequence bigint before it ends: inserts fail from then on.",
        [{"sequence": row["sequence"], "share": round(row["share"], 4)}
         for row in known if row["share"] >= 0.5],  # noqa: PLR2004 -- half
    )  # fmt: skip


def _temporary(rows: list[Row]) -> Finding:
    row = rows[0]
    if row["days"] < LEAST_DAYS:
        return skipped("temporaryFiles", TOO_SHORT)
    rate = row["grown"] / row["days"] / GIB
    return graded(
        "temporaryFiles", rate, "GiBy/d", (10, 100),
        f"{row['grown'] / GIB:.2f} GiB of temporary files in {row['days'] * 24:.1f} hours",
        "Raise work_mem for what sorts and joins much, or give it an index.",
    )  # fmt: skip


def _invalid(rows: list[Row]) -> Finding:
    return graded(
        "invalidIndexes", len(rows), "1", (1, 1_000),
        f"{len(rows)} indexes are invalid: kept up at every write, and used by no query",
        "Run `reindex index concurrently …` on each; see `/performance/indexes`.",
        [{"index": row["index"]} for row in rows],
    )  # fmt: skip


CHECKS = (
    Check(
        "cacheHit",
        """
        select blks_hit as hit, blks_read as read
        from pg_stat_database where datname = current_database()
        """,
        _cache_hit,
    ),
    Check(
        "deadRows",
        f"""
        select relid::regclass::text as "table", n_dead_tup as dead, n_live_tup as live
        from pg_stat_user_tables where n_dead_tup > {_LEAST_DEAD}
        order by n_dead_tup::float8 / (n_dead_tup + n_live_tup) desc limit 20
        """,  # noqa: S608 -- a constant
        _dead_rows,
    ),
    Check(
        "autovacuum",
        f"""
        select * from (
            select s.relid::regclass::text as "table", s.n_dead_tup as dead,
                   current_setting('autovacuum_vacuum_threshold')::float8
                   + current_setting('autovacuum_vacuum_scale_factor')::float8
                   * greatest(c.reltuples, 0) as threshold
            from pg_stat_user_tables s join pg_class c on c.oid = s.relid
            where s.n_dead_tup > {_LEAST_DEAD}) t
        where dead > threshold order by dead / threshold desc limit 20
        """,  # noqa: S608 -- a constant
        _autovacuum,
    ),
    Check(
        "wraparound",
        """
        select datname as database,
               greatest(age(datfrozenxid), mxid_age(datminmxid))::float8 / 2147483647 as share
        from pg_database where datallowconn order by 2 desc limit 1
        """,
        _wraparound,
    ),
    Check(
        "sequences",
        f"""
        select c.oid::regclass::text as sequence,
               case when s.seqincrement < 0 then null
                    when has_sequence_privilege(c.oid, 'select') or
                         has_sequence_privilege(c.oid, 'usage')
                    then pg_sequence_last_value(c.oid)::float8
                         / least(s.seqmax::float8, coalesce(w.most, s.seqmax::float8)) end as share
        from pg_sequence s
        join pg_class c on c.oid = s.seqrelid
        join pg_namespace n on n.oid = c.relnamespace
        left join lateral (
            select min(case a.atttypid when 'smallint'::regtype then 32767
                                       when 'integer'::regtype then 2147483647 end)::float8 as most
            from pg_depend d
            join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            where d.classid = 'pg_class'::regclass and d.objid = c.oid
              and d.deptype in ('a', 'i')) w on true
        where c.relpersistence <> 't' and {OURS} order by share desc nulls last
        """,  # noqa: S608 -- a constant
        _sequences,
    ),
    Check(
        "temporaryFiles",
        growth_of("database.temp_bytes"),
        _temporary,
    ),
    Check(
        "invalidIndexes",
        """
        select i.indexrelid::regclass::text as index from pg_index i
        where not i.indisvalid and not exists (
            select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
        order by 1
        """,
        _invalid,
    ),
)
