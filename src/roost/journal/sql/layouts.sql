-- Which fields an image has, in their order. `version` is the transaction that last touched the
-- column's definition: it also changes when ALTER … TYPE … USING rewrites values and no trigger fires.
create or replace function journal.columns_of(relid oid, exclude name[], large name[])
returns jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
as $function$
    select coalesce(
        jsonb_agg(
            jsonb_build_object(
                'name', a.attname,
                'attnum', a.attnum,
                'type', format_type(a.atttypid, a.atttypmod),
                'version', a.xmin::text::bigint,
                'stored', not (a.attname = any (exclude) or a.attgenerated = 'v'),
                'large', a.attname = any (large)
            )
            order by a.attnum
        ),
        '[]'
    )
    from pg_attribute a
    where a.attrelid = relid and a.attnum > 0 and not a.attisdropped
$function$;

-- The layout of a table as it is now, or null when it is not known yet.
--
-- Called IMMUTABLE on purpose: with a literal oid the planner folds it once per session, and because
-- plans depend on the oid literals in them, every change of that table folds it anew. So a trigger
-- knows its exact layout for nothing. What must not outlive the caller's transaction is not
-- answered: a layout noted by it, or one seen through a snapshot that may be older than the table.
create or replace function journal.layout_of(relid oid, relation_id integer) returns bigint
language plpgsql immutable security definer set search_path = pg_catalog, pg_temp
as $function$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        return null;
    end if;
    return (
        select l.id
        from journal.relation r
        join journal.layout l on l.oid = relid and l.relation = r.id
        where r.id = relation_id
            and l.columns = journal.columns_of(relid, r.exclude, r.large)
            and l.xid is distinct from pg_current_xact_id_if_assigned()
        order by l.id desc limit 1
    );
end
$function$;

-- The same, noting the layout when it is new. Knows what the transaction did itself.
create or replace function journal.layout_now(relid oid, relation_id integer) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $function$
declare
    present jsonb;
    result bigint;
begin
    select journal.columns_of(relid, r.exclude, r.large) into strict present
    from journal.relation r where r.id = relation_id;
    select l.id into result
    from journal.layout l
    where l.oid = relid and l.relation = relation_id and l.columns = present
    order by l.id desc limit 1;
    if result is null then
        insert into journal.layout (relation, oid, columns)
        values (relation_id, relid, present) returning id into result;
    end if;
    return result;
end
$function$;

