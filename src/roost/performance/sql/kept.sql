-- What the doctor remembers: what statements did, minute by minute, and how long requests took.
-- Minutes lie in partitions of a day, which are dropped after two; hours are kept for longer.
create schema performance;

-- Work that one worker does at a time, and when it was done last.
create table performance.duty (
    name text primary key,
    at timestamptz not null default '-infinity'
);

-- What a query id of pg_stat_statements stands for: the text has no literals.
create table performance.statement (
    query_id bigint primary key,
    name text,
    text text not null,
    first_seen timestamptz not null default now(),
    last_seen timestamptz not null default now()
);
create index statement_name_idx on performance.statement (name);

-- What pg_stat_statements said when a statement's deltas were written last.
create table performance.counter (
    user_id oid not null,
    is_top boolean not null,
    query_id bigint not null,
    calls bigint not null,
    total_ms double precision not null,
    rows bigint not null,
    blocks_hit bigint not null,
    blocks_read bigint not null,
    temp_blocks bigint not null,
    wal_bytes numeric not null,
    primary key (query_id, user_id, is_top)
) with (fillfactor = 50);

-- Every look: what was counted between `since` and `at`. `was_reset` says that somebody set the
-- counts to zero in between, `evicted` how many statements the server forgot.
create table performance.sample (
    at timestamptz primary key,
    since timestamptz,
    stats_reset timestamptz,
    dealloc bigint not null,
    was_reset boolean not null,
    evicted bigint not null,
    statements integer not null,
    written integer not null
);

create table performance.delta (
    at timestamptz not null,
    query_id bigint not null,
    calls bigint not null,
    total_ms double precision not null,
    rows bigint not null,
    blocks_hit bigint not null,
    blocks_read bigint not null,
    temp_blocks bigint not null,
    wal_bytes numeric not null
) partition by range (at);
create index delta_query_idx on performance.delta (query_id, at);
create index delta_at_idx on performance.delta using brin (at);

-- How long Roost's own requests (an empty `name`) and statements took, by route, of one worker.
-- `buckets` counts by duration: bucket n's bounds are in roost/telemetry/tally.py.
create table performance.latency (
    at timestamptz not null,
    worker text not null,
    route text not null,
    name text not null,
    calls bigint not null,
    errors bigint not null,
    total_ms double precision not null,
    slowest_ms double precision not null,
    buckets jsonb not null
) partition by range (at);
create index latency_name_idx on performance.latency (name, at);
create index latency_at_idx on performance.latency using brin (at);

-- Figures of the server, one a minute each.
create table performance.gauge (
    at timestamptz not null,
    name text not null,
    value double precision not null
) partition by range (at);
create index gauge_name_idx on performance.gauge (name, at);

-- The same by the hour, which ends `at`. Of statements the heaviest of each hour: all others are
-- one, whose id is 0.
create table performance.delta_hour (like performance.delta, primary key (at, query_id));
create index delta_hour_query_idx on performance.delta_hour (query_id, at);
create table performance.latency_hour (
    like performance.latency, primary key (at, route, name)
);
create index latency_hour_name_idx on performance.latency_hour (name, at);
create table performance.gauge_hour (
    at timestamptz not null,
    name text not null,
    value double precision not null,
    highest double precision not null,
    primary key (at, name)
);

-- Hours that are written so, by their end.
create table performance.rolled (
    at timestamptz primary key
);

-- Statements that took long. `seen_by`: the driver of a worker, or somebody who looked at the
-- database while it ran; then `waits` says how often it was seen to wait, and for what.
create table performance.slow (
    id bigint generated always as identity primary key,
    started_at timestamptz not null,
    duration_ms double precision not null,
    ended boolean not null,
    pid integer not null,
    name text,
    text text,
    route text,
    trace_id text,
    error text,
    waits jsonb not null default '{}',
    plan jsonb,
    seen_by text[] not null
);
create index slow_started_at_idx on performance.slow (started_at);
create index slow_pid_idx on performance.slow (pid, started_at);

-- Advice on indexes that somebody had carried out.
create table performance.index_change (
    id uuid primary key,
    sql text not null,
    table_name text not null,
    requested_by uuid,
    state text not null default 'running'
        check (state in ('running', 'done', 'failed', 'cancelled')),
    pid integer,
    leased_until timestamptz not null,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    error text
);
create unique index index_change_running_idx on performance.index_change (state)
    where state = 'running';
create index index_change_started_at_idx on performance.index_change (started_at);

-- Errors of the server's own, each by its fingerprint, and how often by the hour.
create table performance.fault (
    fingerprint text primary key,
    kind text not null,
    place text not null,
    route text not null,
    status integer not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    total bigint not null,
    trace_id text not null
);
create table performance.fault_hour (
    fingerprint text not null,
    at timestamptz not null,
    number bigint not null,
    primary key (fingerprint, at)
);

-- Since when Roost has known an index: nobody can have used it before.
create table performance.index_seen (
    index_id oid primary key,
    first_seen timestamptz not null default now()
);

-- Whole reports of the database, as they were when somebody asked for one.
create table performance.report (
    id uuid primary key,
    at timestamptz not null default now(),
    requested_by uuid,
    document jsonb not null
);
create index report_at_idx on performance.report (at);

create function performance.partition_name(parent text, day date) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$ select concat(parent, '_', to_char(day, 'YYYYMMDD')) $$;

-- Make the partitions of yesterday, today and the two days to come.
create function performance.prepare_partitions() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    parent text;
    day date;
begin
    perform pg_advisory_xact_lock(7266837382);
    foreach parent in array array['delta', 'latency', 'gauge'] loop
        for day in select (now() at time zone 'utc')::date + n
                   from generate_series(-1, 2) n loop
            execute format(
                'create table if not exists performance.%I partition of performance.%I '
                'for values from (%L) to (%L)',
                performance.partition_name(parent, day), parent,
                to_char(day, 'YYYY-MM-DD"T00:00:00Z"'),
                to_char(day + 1, 'YYYY-MM-DD"T00:00:00Z"'));
        end loop;
    end loop;
end $$;

-- Drop the partitions of minutes that are older than two days; gives how many went.
create function performance.drop_minutes() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone integer := 0;
    partition record;
begin
    for partition in
        select c.oid::regclass as name
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent in ('performance.delta'::regclass, 'performance.latency'::regclass,
                              'performance.gauge'::regclass)
          -- A case, for conditions are tried in any order, and of any table.
          and case when c.relname ~ '^(delta|latency|gauge)_[0-9]{8}$'
                   then right(c.relname, 8)::date < (now() at time zone 'utc')::date - 2
                   else false end
    loop
        execute format('drop table %s', partition.name);
        gone := gone + 1;
    end loop;
    return gone;
end $$;

revoke all on all functions in schema performance from public;
select performance.prepare_partitions();
insert into performance.statement (query_id, text, last_seen) values (0, '(all others)', '9999-01-01');
