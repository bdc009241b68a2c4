-- What people did by requests, and which of them failed or were slow. Who may see what is said by
-- the table itself: rows of the statement's workspace, and those that are of none.
create table performance.event (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    type text not null check (type in ('action', 'error', 'slow')),
    severity text not null check (severity in ('info', 'warning', 'error')),
    workspace_id uuid,
    actor_id uuid,
    route text not null,
    status integer not null,
    duration_ms double precision not null,
    trace_id text not null,
    request_id text not null
);
create index event_workspace_idx on performance.event (workspace_id, id);
create index event_at_idx on performance.event using brin (at);
alter table performance.event enable row level security;
alter table performance.event force row level security;
create policy seen on performance.event for select using (
    workspace_id is null
    or workspace_id = nullif(current_setting('roost.workspace_id', true), '')::uuid);
create policy noted on performance.event for insert with check (true);
create policy operator on performance.event to current_user using (true);

-- Forget what is older than so many days, of all workspaces.
create function performance.forget_events(days integer) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone bigint;
begin
    delete from performance.event where at < now() - make_interval(days => greatest(days, 1));
    get diagnostics gone = row_count;
    return gone;
end $$;
revoke all on function performance.forget_events(integer) from public;
