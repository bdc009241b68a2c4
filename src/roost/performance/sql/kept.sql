-- What the doctor remembers: what statements did, minute by minute, and how long requests took.
-- Days are partitions: old ones are pressed into hours, and then dropped.
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
    query_id bigint primary key,
    calls bigint not null,
    total_ms double precision not null,
    rows bigint not null,
    blocks_hit bigint not null,
    blocks_read bigint not null,
    temp_blocks bigint not null,
    wal_bytes numeric not null
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

-- Days whose minutes are hours now.
create table performance.pressed (
    day date primary key
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

-- Press the minutes of a day that is over into hours.
create function performance.press(day date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    began timestamptz := day::timestamp at time zone 'utc';
    over timestamptz := (day + 1)::timestamp at time zone 'utc';
begin
    create temp table pressed_delta on commit drop as
        select date_trunc('hour', at) as at, query_id, sum(calls)::bigint as calls,
               sum(total_ms) as total_ms, sum(rows)::bigint as rows,
               sum(blocks_hit)::bigint as blocks_hit, sum(blocks_read)::bigint as blocks_read,
               sum(temp_blocks)::bigint as temp_blocks, sum(wal_bytes) as wal_bytes
        from performance.delta where at >= began and at < over group by 1, 2;
    create temp table pressed_latency on commit drop as
        with counts as (
            select date_trunc('hour', l.at) as at, l.route, l.name, b.key,
                   sum(b.value::bigint) as number
            from performance.latency l, jsonb_each_text(l.buckets) b
            where l.at >= began and l.at < over group by 1, 2, 3, 4),
        merged as (
            select at, route, name, jsonb_object_agg(key, number) as buckets
            from counts group by 1, 2, 3)
        select m.at, '' as worker, m.route, m.name, sum(l.calls)::bigint as calls,
               sum(l.errors)::bigint as errors, sum(l.total_ms) as total_ms,
               max(l.slowest_ms) as slowest_ms, m.buckets
        from merged m join performance.latency l
            on date_trunc('hour', l.at) = m.at and l.route = m.route and l.name = m.name
        where l.at >= began and l.at < over group by m.at, m.route, m.name, m.buckets;
    create temp table pressed_gauge on commit drop as
        select date_trunc('hour', at) as at, name, avg(value) as value
        from performance.gauge where at >= began and at < over group by 1, 2;
    execute format('truncate performance.%I, performance.%I, performance.%I',
        performance.partition_name('delta', day), performance.partition_name('latency', day),
        performance.partition_name('gauge', day));
    insert into performance.delta select * from pg_temp.pressed_delta;
    insert into performance.latency select * from pg_temp.pressed_latency;
    insert into performance.gauge select * from pg_temp.pressed_gauge;
    drop table pg_temp.pressed_delta, pg_temp.pressed_latency, pg_temp.pressed_gauge;
    insert into performance.pressed values (day);
end $$;

-- Press every day that was over a day ago and is not pressed yet; gives how many.
create function performance.press_old() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    young date := (now() at time zone 'utc')::date - 1;
    known date;
    done integer := 0;
begin
    for known in
        select right(c.relname, 8)::date
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'performance.delta'::regclass
    loop
        if known < young and not exists (
            select from performance.pressed p where p.day = known) then
            perform performance.press(known);
            done := done + 1;
        end if;
    end loop;
    return done;
end $$;

-- Drop what is older than so many days; gives how many partitions went.
create function performance.drop_older(days integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone integer := 0;
    partition record;
    oldest timestamptz := now() - make_interval(days => days);
begin
    if days < 1 then
        raise exception 'days must be 1 or more';
    end if;
    for partition in
        select c.oid::regclass as name
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent in ('performance.delta'::regclass,
                              'performance.latency'::regclass,
                              'performance.gauge'::regclass)
          and right(c.relname, 8)::date < (oldest at time zone 'utc')::date
    loop
        execute format('drop table %s', partition.name);
        gone := gone + 1;
    end loop;
    delete from performance.pressed where day < (oldest at time zone 'utc')::date;
    delete from performance.sample where at < oldest;
    delete from performance.slow where started_at < oldest;
    delete from performance.statement where last_seen < oldest;
    return gone;
end $$;

revoke all on all functions in schema performance from public;
select performance.prepare_partitions();
