-- The source of a table's trigger function. Made for the table, so that a write pays for nothing it
-- does not need; it names no column but the key's, the workspace's, and those left out or large, so
-- that every other column may come and go.
create or replace function journal.trigger_source(target journal.relation) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $function$
declare
    source text := $template$
declare
    canonical constant boolean := current_setting('DateStyle') like 'ISO%'
        and current_setting('TimeZone') in ('UTC', 'Etc/UTC', 'GMT')
        and current_setting('IntervalStyle') = 'postgres'
        and current_setting('extra_float_digits') in ('1', '2', '3')
        and current_setting('bytea_output') = 'hex'<exotic>;
    layout constant bigint := case when tg_relid = <oid>
        then coalesce(journal.layout_of(<oid>, <id>), journal.layout_now(tg_relid, <id>))
        else journal.layout_now(tg_relid, <id>) end;
    actor constant uuid := nullif(current_setting('roost.actor_id', true), '')::uuid;
    cause constant text := nullif(current_setting('roost.cause', true), '');
    old_image text;
    new_image text;
    old_key text;
    new_key text;
    old_workspace uuid;
    new_workspace uuid;
    old_ctid tid;
    new_ctid tid;
    old_xmin xid;
    kept smallint[];
    touched boolean := false;
begin
    if tg_op <> 'INSERT' then
        old_key := <old_key>;
        old_workspace := <old_workspace>;
        old_ctid := old.ctid;
    end if;
    if tg_op <> 'DELETE' then
        new_key := <new_key>;
        new_workspace := <new_workspace>;
        new_ctid := new.ctid;
    end if;
    if tg_op = 'UPDATE' and old_key is not distinct from new_key
        and old_workspace is not distinct from new_workspace
    then
        old_xmin := old.xmin;<update>
        insert into journal.journal
            (actor_id, cause, workspace_id, relation, layout, row_id, op, old, new, kept,
             old_ctid, new_ctid)
        values (actor, cause, new_workspace, <id>, layout, new_key, 'U', old_image, new_image, kept,
            old_ctid, new_ctid);
        return null;
    end if;
    -- An update of the key or the workspace takes the row out of one place and puts it in another.
    if tg_op <> 'INSERT' then<exclude_old>
        old_image := <old_image>;
        insert into journal.journal
            (actor_id, cause, workspace_id, relation, layout, row_id, op, old, old_ctid)
        values (actor, cause, old_workspace, <id>, layout, old_key, 'D', old_image, old_ctid);
    end if;
    if tg_op <> 'DELETE' then<exclude_new>
        new_image := <new_image>;
        insert into journal.journal
            (actor_id, cause, workspace_id, relation, layout, row_id, op, new, new_ctid)
        values (actor, cause, new_workspace, <id>, layout, new_key, 'I', new_image, new_ctid);
    end if;
    return null;
end
$template$;
    update_source text := '';
    exclude_old text := '';
    exclude_new text := '';
    leave_out text := '';
    omitted name;
    attnum smallint;
    image constant text := '(case when canonical then textin(record_out(%1$s))'
        ' else journal.canonical_text(%1$s) end)';
    compare_excluded constant text := $template$
        touched := touched
            or not record_image_eq(row(old.%1$I), row(new.%1$I));$template$;
    -- A value out of line that has the same address is the same; reading it would cost far more.
    compare_address constant text := case
        when current_setting('server_version_num')::integer >= 170000
        then '(pg_column_toast_chunk_id(old.%1$I) = pg_column_toast_chunk_id(new.%1$I)) is true or '
        else '' end;
    -- Before the image is made: making it fetches what is out of line.
    compare_large constant text := $template$
        if $template$ || compare_address || $template$(
            pg_column_size(old.%1$I) = pg_column_size(new.%1$I)
            and record_image_eq(row(old.%1$I), row(new.%1$I))
        ) then
            kept := kept || %2$s::smallint;
        end if;$template$;
    leave_out_large constant text := $template$
        if %2$s::smallint = any (kept) then
            old.%1$I := null;
            new.%1$I := null;
        end if;$template$;
    -- Equal texts are the rule for an update of nothing; the images have the last word. A version
    -- that this transaction made is never left out: what links its changes would be broken.
    skip_nothing constant text := $template$
        if not touched and old_image = %s and record_image_eq(old, new)
            and old_xmin::text::bigint < pg_current_xact_id()::xid::text::bigint
        then
            return null;
        end if;$template$;
begin
    foreach omitted in array target.exclude loop
        exclude_old := exclude_old || format(E'\n        old.%I := null;', omitted);
        exclude_new := exclude_new || format(E'\n        new.%I := null;', omitted);
        update_source := update_source || format(compare_excluded, omitted);
    end loop;
    update_source := update_source || exclude_old || exclude_new;
    for omitted, attnum in
        select a.attname, a.attnum from pg_attribute a
        where a.attrelid = target.oid and a.attname = any (target.large) order by a.attnum
    loop
        update_source := update_source || format(compare_large, omitted, attnum);
        leave_out := leave_out || format(leave_out_large, omitted, attnum);
    end loop;
    update_source := update_source || format(E'\n        new_image := %s;', format(image, 'new'))
        || leave_out;
    update_source := update_source || format(E'\n        old_image := %s;', format(image, 'old'))
        || format(skip_nothing, case when target.large = '{}' then 'new_image' else format(
            '(case when kept is null then new_image else %s end)', format(image, 'new')
        ) end);

    source := replace(source, '<update>', update_source);
    source := replace(source, '<exclude_old>', exclude_old);
    source := replace(source, '<exclude_new>', exclude_new);
    source := replace(source, '<old_image>', format(image, 'old'));
    source := replace(source, '<new_image>', format(image, 'new'));
    source := replace(source, '<old_key>', journal.key_source(target, 'old'));
    source := replace(source, '<new_key>', journal.key_source(target, 'new'));
    source := replace(
        source, '<old_workspace>', coalesce('old.' || quote_ident(target.workspace_column), 'null')
    );
    source := replace(
        source, '<new_workspace>', coalesce('new.' || quote_ident(target.workspace_column), 'null')
    );
    source := replace(source, '<exotic>', journal.exotic_source(target));
    source := replace(source, '<oid>', target.oid::text);
    return replace(source, '<id>', target.id::text);
end
$function$;
