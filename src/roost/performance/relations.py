"""Tables: how large, how they are read and written, and whether vacuum keeps up with them."""

from datetime import datetime
from typing import Literal

from roost.db.pool import Database
from roost.performance.reading import OURS, Question
from roost.web.structs import Outgoing

MOST = 200


class TableFacts(Outgoing):
    """One table, partitions each by itself; counts are since the statistics were last reset."""

    schema: str
    name: str
    rows: int
    """The planner's estimate."""
    bytes: int
    table_bytes: int
    index_bytes: int
    toast_bytes: int
    sequential_scans: int
    rows_read_sequentially: int
    index_scans: int
    inserted: int
    updated: int
    updated_in_place: int
    deleted: int
    dead_rows: int
    dead_share: float
    """Of all row versions."""
    vacuum_at: float
    """The number of dead rows at which autovacuum begins."""
    vacuum: Literal["on", "off"]
    last_vacuum: datetime | None
    last_analyze: datetime | None


_QUESTION = Question(
    "tables",
    TableFacts,
    f"""
    select n.nspname as "schema", c.relname as "name", greatest(c.reltuples, 0)::bigint as "rows",
           pg_total_relation_size(c.oid) as bytes, pg_relation_size(c.oid) as "tableBytes",
           pg_indexes_size(c.oid) as "indexBytes",
           coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) as "toastBytes",
           s.seq_scan as "sequentialScans", s.seq_tup_read as "rowsReadSequentially",
           coalesce(s.idx_scan, 0) as "indexScans", s.n_tup_ins as inserted,
           s.n_tup_upd as updated, s.n_tup_hot_upd as "updatedInPlace", s.n_tup_del as deleted,
           s.n_dead_tup as "deadRows",
           round(s.n_dead_tup::numeric / greatest(s.n_dead_tup + s.n_live_tup, 1), 4)::float8
               as "deadShare",
           coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold')::float8)
               + coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor')::float8)
               * greatest(c.reltuples, 0) as "vacuumAt",
           case when coalesce(o.enabled, true) and current_setting('autovacuum')::boolean
                then 'on' else 'off' end as vacuum,
           greatest(s.last_vacuum, s.last_autovacuum) as "lastVacuum",
           greatest(s.last_analyze, s.last_autoanalyze) as "lastAnalyze"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_stat_user_tables s on s.relid = c.oid
    left join lateral (
        select max(option_value) filter (where option_name = 'autovacuum_vacuum_threshold')
                   ::float8 as threshold,
               max(option_value) filter (where option_name = 'autovacuum_vacuum_scale_factor')
                   ::float8 as scale,
               bool_and(option_value::boolean) filter (where option_name = 'autovacuum_enabled')
                   as enabled
        from pg_options_to_table(c.reloptions)
        where option_name like 'autovacuum%') o on true
    where c.relkind in ('r', 'm') and {OURS}
    order by pg_total_relation_size(c.oid) desc, c.oid limit {MOST}
    """,  # noqa: S608 -- constants
)


async def tables(database: Database) -> list[TableFacts]:
    """List the largest tables, largest first."""
    return await _QUESTION.ask(database)
