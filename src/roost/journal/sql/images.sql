-- Texts under the settings every image is written in, whatever the writer's are.
create or replace function journal.canonical_text(image record) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set quote_all_identifiers = off
as $function$
begin
    return textin(record_out(image));
end
$function$;

create or replace function journal.canonical_value(value anyelement) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set quote_all_identifiers = off
as $function$
begin
    return format('%s', value);
end
$function$;

-- How a trigger writes a row's key. The workspace has a column of its own and is left out, unless it
-- is the key. Then: the output of the one column, or the record's text of several.
-- Never a cast of a type somebody else owns: it would run with the journal's rights.
create or replace function journal.key_source(target journal.relation, side text) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $function$
declare
    others constant name[] := array_remove(target.id_columns, target.workspace_column);
    key constant name[] := case others when '{}' then target.id_columns else others end;
    fields constant text := (
        select string_agg(format('%s.%I', side, k.name), ', ' order by k.position)
        from unnest(key) with ordinality k (name, position)
    );
begin
    if key = '{}' then
        return 'null';
    end if;
    if cardinality(key) > 1 then
        return format(
            'case when canonical then textin(record_out(row(%1$s)))'
            ' else journal.canonical_text(row(%1$s)) end', fields
        );
    end if;
    if exists (
        select from pg_attribute a
        where a.attrelid = target.oid and a.attname = key[1]
            and a.atttypid in ('uuid'::regtype, 'bigint'::regtype, 'integer'::regtype,
                'smallint'::regtype, 'text'::regtype, 'varchar'::regtype)
    ) then
        return fields || '::text';
    end if;
    return format(
        'case when canonical then format(''%%s'', %1$s) else journal.canonical_value(%1$s) end', fields
    );
end
$function$;

-- Settings that only few types' texts depend on are looked at only where such types may be.
create or replace function journal.exotic_source(target journal.relation) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $function$
    select case when exists (
        select
        from pg_attribute a
        join pg_type t on t.oid = a.atttypid
        left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
        where a.attrelid = target.oid and a.attnum > 0 and not a.attisdropped
            and coalesce(e.typname, t.typname) not in (
                'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'uuid', 'text',
                'varchar', 'bpchar', 'name', 'json', 'jsonb', 'bytea', 'date', 'time', 'timetz',
                'timestamp', 'timestamptz', 'interval', 'inet', 'cidr', 'tsvector', 'vector'
            )
            and coalesce(e.typtype, t.typtype) <> 'e'
    ) then '
        and current_setting(''lc_monetary'') in (''C'', ''POSIX'')
        and current_setting(''quote_all_identifiers'') = ''off''' else '' end
$function$;
