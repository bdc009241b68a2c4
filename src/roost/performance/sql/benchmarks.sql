-- Benchmarks: the runs there were, and the schema that one works in, with tables of its own.
create table performance.benchmark_run (
    id uuid primary key,
    name text,
    suites text[] not null,
    repetitions integer not null,
    max_seconds integer not null,
    state text not null default 'queued'
        check (state in ('queued', 'running', 'completed', 'cancelled', 'failed')),
    worker text not null,
    -- Until then it is somebody's; who is at it says so again and again.
    lease_until timestamptz not null,
    is_cancelled boolean not null default false,
    is_unwanted boolean not null default false,
    is_baseline boolean not null default false,
    is_cut boolean not null default false,
    baseline_id uuid references performance.benchmark_run on delete set null,
    -- Counts what is shown of it while it runs.
    version integer not null default 1,
    done integer not null default 0,
    total integer not null default 0,
    current text,
    error text,
    created_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    ended_at timestamptz,
    environment jsonb,
    results jsonb
);
create index benchmark_run_created_at_idx on performance.benchmark_run (created_at);
create index benchmark_run_baseline_idx on performance.benchmark_run (baseline_id);
-- One at a time, of however many workers on however many machines.
create unique index benchmark_run_live_idx on performance.benchmark_run ((true))
    where state in ('queued', 'running');

-- Make the schema of a run that is under way, for the role that asks; gives its name.
create function performance.make_scratch(id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    scratch text := concat('roost_bench_', replace(make_scratch.id::text, '-', ''));
    -- Within this function current_user is its owner.
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    named text;
begin
    if not exists (
        select from performance.benchmark_run r
        where r.id = make_scratch.id and r.state = 'running' and r.lease_until > clock_timestamp())
    then
        raise exception 'no benchmark of that id is running'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('create schema %I', scratch);
    execute format($sql$
        create table %1$I.task (
            workspace_id uuid not null,
            id uuid not null,
            title text not null check (char_length(title) between 1 and 255),
            description text not null default '',
            status text not null default 'pending',
            priority text not null default 'medium',
            labels text[] not null default '{}',
            metadata jsonb not null default '{}',
            version integer not null default 1,
            created_at timestamptz not null default clock_timestamp(),
            updated_at timestamptz not null default clock_timestamp(),
            search tsvector generated always as (
                setweight(to_tsvector('simple'::regconfig, title), 'A') ||
                setweight(to_tsvector('simple'::regconfig, description), 'B')) stored,
            primary key (workspace_id, id)
        ) with (autovacuum_enabled = false);
        create index on %1$I.task (workspace_id, created_at desc, id desc);
        create index on %1$I.task using gin (search);
        -- What is written goes here, so that what is read stays as it was from round to round.
        create table %1$I.fresh (like %1$I.task including all) with (autovacuum_enabled = false);
        create table %1$I.message (
            workspace_id uuid not null,
            id uuid not null,
            task_id uuid not null,
            position integer not null,
            role text not null,
            text text not null,
            payload jsonb not null default '{}',
            created_at timestamptz not null default clock_timestamp(),
            primary key (workspace_id, id),
            foreign key (workspace_id, task_id) references %1$I.fresh (workspace_id, id)
                on delete cascade
        ) with (autovacuum_enabled = false);
        create index on %1$I.message (workspace_id, task_id, position);
        create table %1$I.change (
            seq bigint generated always as identity primary key,
            xid xid8 not null default pg_current_xact_id(),
            row_id uuid not null
        ) with (autovacuum_enabled = false);
    $sql$, scratch);
    foreach named in array array['task', 'fresh', 'message'] loop
        execute format($sql$
            alter table %1$I.%2$I enable row level security;
            alter table %1$I.%2$I force row level security;
            create policy tenant on %1$I.%2$I using (
                workspace_id = nullif(current_setting('roost.workspace_id', true), '')::uuid);
        $sql$, scratch, named);
    end loop;
    execute format('grant usage on schema %I to %I', scratch, caller);
    execute format('grant select, insert, update, delete, truncate on all tables in schema %I to %I',
        scratch, caller);
    return scratch;
end $$;

-- Have the planner know what a run reads; autovacuum does not look at it, for it would disturb.
create function performance.analyze_scratch(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if name is null or name !~ '^roost_bench_[0-9a-f]{32}$' then
        raise exception 'not the schema of a benchmark' using errcode = 'invalid_parameter_value';
    end if;
    execute format('analyze %I.task', name);
end $$;

-- Remove the schema of a run; says whether it was there.
create function performance.drop_scratch(name text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    was_there boolean;
begin
    if name is null or name !~ '^roost_bench_[0-9a-f]{32}$' then
        raise exception 'not the schema of a benchmark' using errcode = 'invalid_parameter_value';
    end if;
    -- Two that remove the same would stumble over each other.
    perform pg_advisory_xact_lock(7266837383);
    was_there := to_regnamespace(name) is not null;
    execute format('drop schema if exists %I cascade', name);
    return was_there;
end $$;

revoke all on all functions in schema performance from public;
