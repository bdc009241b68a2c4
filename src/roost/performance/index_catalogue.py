"""Indexes and foreign keys as PostgreSQL's catalogue has them, with what was counted of them."""

from datetime import datetime
from typing import Final

from roost.performance.reading import OURS, SINCE, WINDOW_DAYS, Question
from roost.web.structs import Outgoing


class Index(Outgoing):
    """An index as the catalogue has it; `shape` is equal for indexes that do the same."""

    table: str
    name: str
    qualified: str
    definition: str
    columns: list[str]
    shape: str
    includes: list[str]
    access: str
    unique: bool
    primary: bool
    constraint: str | None
    valid: bool
    building: bool
    partition: bool
    replica_identity: bool
    scans: int
    bytes: int
    since: datetime | None
    window_days: float


INDEXES: Final = Question(
    "indexes",
    Index,
    f"""
    select t.oid::regclass::text as "table", c.relname as name,
           i.indexrelid::regclass::text as qualified,
           pg_get_indexdef(i.indexrelid) as definition,
           array(select pg_get_indexdef(i.indexrelid, k, true)
                 from generate_series(1, i.indnkeyatts) k) as columns,
           concat_ws('/', i.indrelid, am.amname, i.indclass, i.indcollation, i.indoption,
                     pg_get_expr(i.indpred, i.indrelid), i.indnullsnotdistinct) as shape,
           array(select pg_get_indexdef(i.indexrelid, k, true)
                 from generate_series(i.indnkeyatts + 1, i.indnatts) k) as includes,
           am.amname as access, i.indisunique or i.indisexclusion as "unique",
           i.indisprimary as "primary", q.conname as "constraint", i.indisvalid as valid,
           p.pid is not null as building, c.relispartition as "partition",
           i.indisreplident as "replicaIdentity",
           coalesce(s.idx_scan, 0) as scans,
           pg_relation_size(i.indexrelid) as bytes,
           greatest(d.since, k.first_seen) as since,
           least(d.days, coalesce(extract(epoch from now() - k.first_seen) / 86400, 0))::float8
               as "windowDays"
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = t.relnamespace
    join pg_am am on am.oid = c.relam
    left join pg_stat_user_indexes s on s.indexrelid = i.indexrelid
    left join pg_constraint q
        on q.conindid = i.indexrelid and q.contype in ('p', 'u', 'x')
    left join pg_stat_progress_create_index p on p.index_relid = i.indexrelid
    left join performance.index_seen k on k.index_id = i.indexrelid
    cross join (
        select {SINCE} as since, {WINDOW_DAYS} as days
        from pg_stat_database where datname = current_database()) d
    where t.relkind in ('r', 'm') and {OURS}
    order by 1, 2
    """,  # noqa: S608 -- constants
)


class Unindexed(Outgoing):
    """A foreign key whose columns begin no index."""

    table: str
    constraint: str
    columns: list[str]
    referenced: str
    rows: int
    deletes: int


FOREIGN_KEYS: Final = Question(
    "foreign_keys",
    Unindexed,
    f"""
    select f.conrelid::regclass::text as "table", f.conname as "constraint",
           array(select quote_ident(a.attname) from unnest(f.conkey) with ordinality k (num, place)
                 join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.num
                 order by k.place) as columns,
           f.confrelid::regclass::text as referenced,
           greatest(c.reltuples, 0)::bigint as "rows",
           coalesce(r.n_tup_del, 0) as deletes
    from pg_constraint f
    join pg_class c on c.oid = f.conrelid
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_stat_user_tables r on r.relid = f.confrelid
    where f.contype = 'f' and f.conparentid = 0 and c.relkind in ('r', 'p') and {OURS}
      and not exists (
        select from pg_index i
        where i.indrelid = f.conrelid and i.indisvalid
          -- What looks for the rows of a key never looks for null.
          and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) in (
            select format('(%I IS NOT NULL)', a.attname) from pg_attribute a
            where a.attrelid = f.conrelid and a.attnum = any(f.conkey)))
          and (i.indkey::smallint[])[0:cardinality(f.conkey) - 1] @> f.conkey)
    order by 1, 2
    """,  # noqa: S608 -- constants
)
