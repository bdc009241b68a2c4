-- What whoever reads the journal backwards needs of its images.

-- The old image of an update, whole again: the fields of `kept` have the value that is in `new`.
create or replace function journal.whole_image(
    old text, new text, columns jsonb, kept smallint[]
) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $function$
    select case when kept is null or old is null or new is null then old else (
        select '(' || string_agg(
            case when (columns -> (f.n - 1)::integer ->> 'attnum')::smallint = any (kept)
                then after.field[f.n] else f.field end, ',' order by f.n
        ) || ')'
        from (select journal.fields_of(new)) after (field),
            unnest(journal.fields_of(old)) with ordinality f (field, n)
    ) end
$function$;

-- An image of one layout as a record's text of another: columns are found by their number where
-- both are of one table (so a renamed one is found), else by name. A column that was not there is
-- null.
create or replace function journal.image_as(
    image text, written jsonb, wanted jsonb, same_table boolean
) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $function$
    select '(' || string_agg(coalesce(found.field, ''), ',' order by w.n) || ')'
    from (select journal.fields_of(image)) had (field)
    cross join jsonb_array_elements(wanted) with ordinality w (spec, n)
    left join lateral (
        select had.field[h.n] as field
        from jsonb_array_elements(written) with ordinality h (spec, n)
        where (same_table and h.spec ->> 'attnum' = w.spec ->> 'attnum')
            or h.spec ->> 'name' = w.spec ->> 'name'
        order by same_table and h.spec ->> 'attnum' = w.spec ->> 'attnum' desc
        limit 1
    ) found on true
$function$;

-- What a transaction that changed a row several times left of it; `latest` is its last entry by
-- number, which need not be its last change (see `roost.journal.net`). Null: no row.
--
-- The entries stand together: a row stays locked until its transaction ends.
create or replace function journal.image_after(
    place uuid, relation_id integer, key text, latest bigint
) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $function$
    with recursive chain as (
        select j.seq, j.xid, j.layout, j.old_ctid, j.new_ctid, j.new
        from journal.journal j
        where j.workspace_id = place and j.relation = relation_id and j.row_id = key
            and j.seq = latest
        union all
        select b.*
        from chain c
        cross join lateral (
            select j.seq, j.xid, j.layout, j.old_ctid, j.new_ctid, j.new
            from journal.journal j
            where j.workspace_id = place and j.relation = relation_id and j.row_id = key
                and j.seq < c.seq
            order by j.seq desc limit 1
        ) b
        where b.xid = c.xid and b.layout = c.layout
    )
    select o.new from chain o
    where o.new is not null and not exists (select from chain x where x.old_ctid = o.new_ctid)
    order by o.seq desc limit 1
$function$;

-- What such a transaction found of the row; `earliest` is its first entry by number.
create or replace function journal.image_before(
    place uuid, relation_id integer, key text, earliest bigint
) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $function$
    with recursive chain as (
        select j.seq, j.xid, j.layout, j.old_ctid, j.new_ctid, j.old, j.new, j.kept
        from journal.journal j
        where j.workspace_id = place and j.relation = relation_id and j.row_id = key
            and j.seq = earliest
        union all
        select a.*
        from chain c
        cross join lateral (
            select j.seq, j.xid, j.layout, j.old_ctid, j.new_ctid, j.old, j.new, j.kept
            from journal.journal j
            where j.workspace_id = place and j.relation = relation_id and j.row_id = key
                and j.seq > c.seq
            order by j.seq limit 1
        ) a
        where a.xid = c.xid and a.layout = c.layout
    )
    select journal.whole_image(o.old, o.new, l.columns, o.kept)
    from chain o join journal.layout l on l.id = o.layout
    where o.old is not null and not exists (select from chain x where x.new_ctid = o.old_ctid)
    order by o.seq limit 1
$function$;

-- What each of these rows of a table was when a snapshot was taken that sees nothing numbered above
-- `last_seq`: the image that its latest entry which the snapshot sees has left, or, of a row without
-- such an entry, the one that its first entry since has found; null where there was no row. A row
-- without any entry has no layout: it was what it is.
--
-- Most rows have few entries, so the planner would rather sort them; but those that matter have
-- thousands. It must take each entry by index, in its order.
create or replace function journal.images_at(
    place uuid, relation_id integer, keys text[], seen pg_snapshot, last_seq bigint
) returns table (row_id text, layout bigint, image text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
set plan_cache_mode = force_generic_plan
as $function$
begin
    return query
        select
            k.row_id,
            coalesce(e.layout, f.layout),
            case
                when e.beside = e.xid
                    then journal.image_after(place, relation_id, k.row_id, e.seq)
                when e.seq is not null then e.new
                when f.beside = f.xid
                    then journal.image_before(place, relation_id, k.row_id, f.seq)
                else journal.whole_image(f.old, f.new, l.columns, f.kept)
            end
        from unnest(keys) k (row_id)
        left join lateral (
            select v.*, lead(v.xid) over (order by v.seq desc) as beside
            from (
                select j.seq, j.xid, j.new, j.layout
                from journal.journal j
                where j.workspace_id = place and j.relation = relation_id
                    and j.row_id = k.row_id and j.seq <= last_seq
                    and pg_visible_in_snapshot(j.xid, seen)
                order by j.seq desc limit 2
            ) v
            order by v.seq desc limit 1
        ) e on true
        left join lateral (
            select v.*, lead(v.xid) over (order by v.seq) as beside
            from (
                select j.seq, j.xid, j.old, j.new, j.kept, j.layout
                from journal.journal j
                where e.seq is null and j.workspace_id = place and j.relation = relation_id
                    and j.row_id = k.row_id
                order by j.seq limit 2
            ) v
            order by v.seq limit 1
        ) f on true
        left join journal.layout l on l.id = f.layout;
end
$function$;

-- A row's entries after one, oldest first, of those since a time and up to a number; and its latest
-- ones until a time, newest first. By index for the same reason as above: whoever reads a row's
-- thousands of entries part by part must not have all that follow sorted for each.
create or replace function journal.entries_after(
    place uuid, relation_id integer, key text, after bigint, last bigint, since timestamptz,
    most integer
) returns setof journal.journal
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
set plan_cache_mode = force_generic_plan
as $function$
begin
    return query
        select j.* from journal.journal j
        where j.workspace_id = place and j.relation = relation_id and j.row_id = key
            and j.seq > after and j.seq <= last and j.at >= since
        order by j.seq limit most;
end
$function$;

create or replace function journal.entries_until(
    place uuid, relation_id integer, key text, until timestamptz, most integer
) returns setof journal.journal
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
set plan_cache_mode = force_generic_plan
as $function$
begin
    return query
        select j.* from journal.journal j
        where j.workspace_id = place and j.relation = relation_id and j.row_id = key
            and j.at <= until
        order by j.seq desc limit most;
end
$function$;
