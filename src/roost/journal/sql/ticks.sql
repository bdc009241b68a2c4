-- The transactions that `later` sees and `earlier` does not, as ranges [first, beyond) of ids. Those
-- still running in `later` are in none, so that nobody reads through what a long one has written.
-- `earlier` is null before the first tick.
create or replace function journal.finished_between(earlier pg_snapshot, later pg_snapshot)
returns table (first xid8, beyond xid8)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $function$
    select x, (x::text::numeric + 1)::text::xid8
    from pg_snapshot_xip(earlier) x
    where pg_visible_in_snapshot(x, later)
    union all
    select edge.first, edge.beyond
    from (
        select
            running.first,
            coalesce(
                lead(running.id) over (order by running.id nulls first), pg_snapshot_xmax(later)
            ) as beyond
        from (
            select null::xid8 as id, coalesce(pg_snapshot_xmax(earlier), '0'::xid8) as first
            union all
            select x, (x::text::numeric + 1)::text::xid8
            from pg_snapshot_xip(later) x
            where x >= coalesce(pg_snapshot_xmax(earlier), '0'::xid8)
        ) running
    ) edge
    where edge.first < edge.beyond
$function$;

-- Whether `later`, the caller's own snapshot, sees a change that `earlier` does not.
create or replace function journal.is_pending(earlier pg_snapshot, later pg_snapshot)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $function$
begin
    return exists (
        select
        from journal.finished_between(earlier, later) finished
        join journal.journal j on j.xid >= finished.first and j.xid < finished.beyond
    );
end
$function$;

-- Makes a tick if something happened since the last; the newest tick's id in either case, 0 when
-- there is none. One statement, one transaction: the lock is held until its end.
create or replace function journal.make_tick() returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $function$
declare
    last journal.tick;
    made bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a tick cannot be made in a % transaction',
            current_setting('transaction_isolation')
            using errcode = 'invalid_transaction_state',
                detail = 'Its snapshot may be older than the last tick''s.',
                hint = 'Use READ COMMITTED.';
    end if;
    if pg_current_xact_id_if_assigned() is not null then
        raise exception 'a tick cannot be made in a transaction that has written'
            using errcode = 'invalid_transaction_state',
                detail = 'The tick would count the transaction as finished before it is.',
                hint = 'Make it after the commit.';
    end if;
    select t.* into last from journal.tick t order by t.id desc limit 1;
    if not journal.is_pending(last.snapshot, pg_current_snapshot()) then
        return coalesce(last.id, 0);
    end if;
    perform pg_advisory_xact_lock(journal.tick_lock());
    -- New statements, new snapshots: from here on nobody else's can come between.
    select t.* into last from journal.tick t order by t.id desc limit 1;
    insert into journal.tick (snapshot)
    select pg_current_snapshot()
    where journal.is_pending(last.snapshot, pg_current_snapshot())
    returning id into made;
    return coalesce(made, last.id, 0);
end
$function$;

create or replace function journal.tick_lock() returns bigint
language sql immutable parallel safe
return 8245933209573471085;

-- The journal's rows of all workspaces between two ticks, in the order of seq: those of the
-- transactions that tick `until` sees and tick `after` does not. `after` is 0 for the beginning.
create or replace function journal.window(after bigint, until bigint)
returns setof journal.journal
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $function$
declare
    earlier pg_snapshot;
    later pg_snapshot;
begin
    if after > until then
        raise exception 'a window from tick % back to tick % is empty by mistake', after, until
            using errcode = 'invalid_parameter_value';
    end if;
    select t.snapshot into earlier from journal.tick t where t.id = after;
    if earlier is null and after is distinct from 0 then
        raise exception 'tick % is not known', after using errcode = 'no_data_found';
    end if;
    if after = 0 and exists (select from journal.horizon) then
        raise exception 'what was before tick % is not kept', (select h.tick from journal.horizon h)
            using errcode = 'no_data_found';
    end if;
    select t.snapshot into later from journal.tick t where t.id = until;
    if later is null and until is distinct from 0 then
        raise exception 'tick % is not known', until using errcode = 'no_data_found';
    end if;
    return query
        select j.*
        from journal.finished_between(earlier, later) finished
        join journal.journal j on j.xid >= finished.first and j.xid < finished.beyond
        order by j.seq;
end
$function$;
