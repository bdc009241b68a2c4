-- For readers that follow: which tick made a transaction visible, found in one descent.
create index if not exists tick_xmax on journal.tick (pg_snapshot_xmax(snapshot), id);

-- Which tables of which workspaces changed between two ticks: no more than that of any tenant.
create or replace function journal.touched(after bigint, until bigint)
returns table (workspace_id uuid, relation integer)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $function$
    select distinct w.workspace_id, w.relation from journal.window(after, until) w
$function$;

-- The changes between two ticks, each with its place: the tick, the transaction's rank in it, by the
-- seq of its last change, and the change's rank in the transaction. Of one workspace, which must be
-- the one that the caller acts in; `tenant` is null where there are no tenants. Images come of the
-- relations in `wanted` only, of all when it is null. A tick that was never made stands for the one
-- before it.
create or replace function journal.followed(
    after bigint, until bigint, tenant uuid, wanted integer[] default null
)
returns table (
    tick bigint, place bigint, op_place bigint,
    seq bigint, xid xid8, at timestamptz, actor_id uuid, cause text, workspace_id uuid,
    relation integer, layout bigint, row_id text, op "char", old text, new text, kept smallint[],
    old_ctid tid, new_ctid tid
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $function$
#variable_conflict use_column
declare
    earlier constant bigint := coalesce((select max(t.id) from journal.tick t where t.id <= after), 0);
    later constant bigint := coalesce((select max(t.id) from journal.tick t where t.id <= until), 0);
begin
    if earlier = 0 and after > 0 and later > 0 then
        raise exception 'tick % is not known any more', after using errcode = 'no_data_found';
    end if;
    if tenant is distinct from nullif(current_setting('roost.workspace_id', true), '')::uuid then
        raise exception 'the changes of another workspace are not for this caller'
            using errcode = 'insufficient_privilege';
    end if;
    return query
        with changed as materialized (
            select w.* from journal.window(earlier, later) w
            where tenant is null or w.workspace_id = tenant
        ),
        ended as (
            select c.xid, max(c.seq) as last_seq from changed c group by c.xid
        ),
        ticked as (
            select e.xid, e.last_seq, made.id as tick
            from ended e
            cross join lateral (
                select t.id from journal.tick t
                where pg_snapshot_xmax(t.snapshot) > e.xid and t.id > earlier and t.id <= later
                    and pg_visible_in_snapshot(e.xid, t.snapshot)
                order by pg_snapshot_xmax(t.snapshot), t.id
                limit 1
            ) made
        ),
        placed as (
            select t.xid, t.tick,
                row_number() over (partition by t.tick order by t.last_seq) - 1 as place
            from ticked t
        ),
        numbered as (
            select c.*, row_number() over (partition by c.xid order by c.seq) - 1 as op_place
            from changed c
        )
        select p.tick, p.place, n.op_place, n.seq, n.xid, n.at, n.actor_id, n.cause,
            n.workspace_id, n.relation, n.layout, n.row_id, n.op, n.old, n.new, n.kept,
            n.old_ctid, n.new_ctid
        from numbered n
        join placed p on p.xid = n.xid
        where wanted is null or n.relation = any (wanted)
        order by p.tick, p.place, n.seq;
end
$function$;

-- What the caller's snapshot sees and tick `after` does not, in the order of seq: of one workspace,
-- the caller's own, or where `tenant` is null of all. In a repeatable-read transaction that is what
-- must be undone to have a table as it was at that tick.
create or replace function journal.since(after bigint, tenant uuid)
returns setof journal.journal
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $function$
declare
    earlier pg_snapshot;
begin
    if tenant is distinct from nullif(current_setting('roost.workspace_id', true), '')::uuid then
        raise exception 'the changes of another workspace are not for this caller'
            using errcode = 'insufficient_privilege';
    end if;
    select t.snapshot into earlier from journal.tick t where t.id <= after order by t.id desc limit 1;
    if earlier is null and after > 0 then
        raise exception 'tick % is not known any more', after using errcode = 'no_data_found';
    end if;
    return query
        select j.*
        from journal.finished_between(earlier, pg_current_snapshot()) finished
        join journal.journal j on j.xid >= finished.first and j.xid < finished.beyond
        where tenant is null or j.workspace_id = tenant
        order by j.seq;
end
$function$;
