-- Checks what `attach` was asked for and keeps it as the table's row of journal.relation.
create or replace function journal.target_of(
    relation regclass, workspace_column name, id_columns name[], exclude name[], large name[]
) returns journal.relation
language plpgsql
set search_path = pg_catalog, pg_temp
as $function$
declare
    target journal.relation;
begin
    if not exists (
        select from pg_class c
        where c.oid = relation and c.relkind in ('r', 'p') and c.relpersistence <> 't'
            and not c.relispartition and c.relnamespace <> 'journal'::regnamespace
    ) then
        raise exception 'only ordinary tables and roots of partitioned tables can be journaled, not %',
            relation using errcode = 'wrong_object_type';
    end if;
    target.oid := relation;
    select n.nspname, c.relname into target.schema, target.name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relation;
    target.workspace_column := journal.checked_workspace(relation, workspace_column);
    target.id_columns := journal.checked_key(relation, id_columns);
    target.exclude := coalesce(exclude, '{}');
    target.large := coalesce(large, '{}');
    perform journal.check_omitted(relation, target);

    -- By name first: a dump and restore changes every oid, and may give ours to another table.
    select r.id into target.id
    from journal.relation r
    where r.schema = target.schema and r.name = target.name
        and (r.oid = target.oid or not exists (
            -- That table was renamed away and another took its name.
            select from pg_trigger t
            where t.tgrelid = r.oid and t.tgfoid = to_regprocedure(format('journal.on_%s()', r.id))
        ))
    order by r.id desc limit 1;
    if target.id is null then
        select r.id into target.id
        from journal.relation r
        join pg_trigger t on t.tgrelid = r.oid
            and t.tgfoid = to_regprocedure(format('journal.on_%s()', r.id))
        where r.oid = target.oid
        order by r.id desc limit 1;
    end if;
    if target.id is null then
        insert into journal.relation (oid, schema, name, workspace_column, id_columns, exclude, large)
        values (target.oid, target.schema, target.name, target.workspace_column,
            target.id_columns, target.exclude, target.large)
        returning id into target.id;
    else
        update journal.relation r
        set oid = target.oid, schema = target.schema, name = target.name,
            workspace_column = target.workspace_column, id_columns = target.id_columns,
            exclude = target.exclude, large = target.large
        where r.id = target.id;
    end if;
    return target;
end
$function$;

create or replace function journal.checked_workspace(relation regclass, workspace_column name)
returns name
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $function$
declare
    type regtype;
begin
    select a.atttypid into type
    from pg_attribute a
    where a.attrelid = relation and a.attname = workspace_column and not a.attisdropped;
    if type = 'uuid'::regtype then
        return workspace_column;
    end if;
    if workspace_column is null or (type is null and workspace_column = 'workspace_id') then
        return null;
    end if;
    raise exception '%.% cannot say the workspace of a row: it %', relation, workspace_column,
        coalesce('has type ' || type, 'does not exist')
        using errcode = 'invalid_parameter_value',
            hint = 'Name a column of type uuid, or null for a table without tenants.';
end
$function$;

-- The key's columns. Two transactions must not be able to hold one key at a time, or the order of
-- the journal would not be that of the rows: deferrable keys can't be used.
create or replace function journal.checked_key(relation regclass, id_columns name[]) returns name[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $function$
declare
    key record;
begin
    for key in
        select
            i.indimmediate as immediate,
            i.indisprimary as is_primary,
            i.indexrelid::regclass as index,
            array(
                select a.attname
                from unnest(i.indkey::smallint[]) with ordinality k (attnum, position)
                join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                where k.position <= i.indnkeyatts
                order by k.position
            ) as columns
        from pg_index i
        where i.indrelid = relation and i.indisunique and i.indisvalid
            and i.indpred is null and i.indexprs is null
        order by i.indimmediate desc, i.indexrelid
    loop
        if (id_columns is null and key.is_primary) or (
            key.columns @> id_columns and key.columns <@ id_columns
        ) then
            if not key.immediate then
                raise exception '%: the key % is deferrable and cannot order the journal',
                    relation, key.index using errcode = 'object_not_in_prerequisite_state',
                    hint = 'Make it NOT DEFERRABLE, or name the columns of another unique key.';
            end if;
            return coalesce(id_columns, key.columns);
        end if;
    end loop;
    if id_columns is null then
        return '{}';
    end if;
    raise exception '%: no unique key on exactly (%)', relation, array_to_string(id_columns, ', ')
        using errcode = 'invalid_parameter_value',
            hint = 'Name the columns of a unique index that is neither partial nor on expressions.';
end
$function$;

create or replace function journal.check_omitted(relation regclass, target journal.relation)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $function$
declare
    omitted name;
    type text;
    is_domain boolean;
begin
    foreach omitted in array target.exclude || target.large loop
        select format_type(a.atttypid, a.atttypmod), t.typtype = 'd' into type, is_domain
        from pg_attribute a join pg_type t on t.oid = a.atttypid
        where a.attrelid = relation and a.attname = omitted and a.attnum > 0 and not a.attisdropped;
        if type is null then
            raise exception '% has no column % to leave out', relation, omitted
                using errcode = 'undefined_column';
        end if;
        if omitted = any (target.id_columns) or omitted = target.workspace_column then
            raise exception '%.% is part of the key or the workspace and cannot be left out',
                relation, omitted using errcode = 'invalid_parameter_value';
        end if;
        if is_domain then
            raise exception '%.% is of the domain % and cannot be left out', relation, omitted, type
                using errcode = 'invalid_parameter_value',
                    hint = 'A domain may refuse null; use its base type with a check constraint.';
        end if;
    end loop;
end
$function$;
