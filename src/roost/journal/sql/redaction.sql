-- Takes words out of what was journaled, when somebody's data is to be erased. Which rows changed
-- when, by whom and in which order stays as it was, so that whoever reads the journal goes on.

-- The fields of a record's text as they are written, quotes included.
create or replace function journal.fields_of(image text) returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $function$
declare
    fields text[];
    whole text;
    marks text;
begin
    select
        array_agg(m.part[1] order by m.n),
        string_agg(m.part[1] || m.part[2], '' order by m.n),
        string_agg(m.part[2], '' order by m.n)
    into fields, whole, marks
    from regexp_matches(
        substr(image, 2), '("(?:[^"\\]|""|\\\\)*"|[^",()\\]*)([,)])', 'g'
    ) with ordinality m (part, n);
    if '(' || whole is distinct from image
        or marks is distinct from repeat(',', cardinality(fields) - 1) || ')'
    then
        raise exception 'an image of the journal is not a record''s text'
            using errcode = 'data_corrupted';
    end if;
    return fields;
end
$function$;

-- What a field says; null stays null.
create or replace function journal.value_of(field text) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return case
    when field = '' then null
    when field like '"%'
        then replace(replace(substr(field, 2, length(field) - 2), '""', '"'), '\\', '\')
    else field
end;

-- A field of the same type that says nothing. Null stays null, so that `kept` means what it meant.
create or replace function journal.blank(field text, type text) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return case
    when field = '' then ''
    when type like '%[]' then '{}'
    when type in ('json', 'jsonb') then case when field ~ '^"?\s*\[' then '[]' else '{}' end
    when type in ('text', 'citext', 'name') or type like 'character%' then '""'
    else ''
end;

-- The types whose values are no words.
create or replace function journal.is_wordless(type text) returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return type in ('uuid', 'boolean', 'smallint', 'integer', 'bigint', 'real', 'double precision', 'date')
    or type like 'numeric%' or type like 'timestamp%' or type like 'time %';

-- The image without its words, if its column `who` is one of `whom` (in lower case); else as it is.
-- `what` are the columns to be emptied: without it, all that can hold words but those in `spared`.
create or replace function journal.redacted(
    image text, columns jsonb, who name, whom text[], what name[], spared name[]
) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $function$
declare
    fields constant text[] := journal.fields_of(image);
    is_theirs boolean;
    result text;
begin
    if image is null then
        return null;
    end if;
    if cardinality(fields) <> jsonb_array_length(columns) then
        raise exception 'an image of the journal has % fields, its layout %',
            cardinality(fields), jsonb_array_length(columns) using errcode = 'data_corrupted';
    end if;
    select
        bool_or(c.name = who and lower(journal.value_of(f.field)) = any (whom)),
        string_agg(
            case
                when c.name = any (what) or (
                    what is null and not c.name = any (spared) and not journal.is_wordless(c.type)
                ) then journal.blank(f.field, c.type)
                else f.field
            end, ',' order by f.n
        )
    into is_theirs, result
    from unnest(fields) with ordinality f (field, n)
    join lateral (
        select columns -> (f.n - 1)::integer ->> 'name', columns -> (f.n - 1)::integer ->> 'type'
    ) c (name, type) on true;
    return case when is_theirs then '(' || result || ')' else image end;
end
$function$;

-- The ids under which a table was journaled, now and before it was made anew.
create or replace function journal.relations_of(attached regclass) returns integer[]
language sql stable
set search_path = pg_catalog, pg_temp
as $function$
    select array_agg(r.id)
    from journal.relation r
    join pg_class c on c.oid = attached
    join pg_namespace n on n.oid = c.relnamespace
    where r.oid = attached or (r.schema = n.nspname and r.name = c.relname)
$function$;

-- How values look within an image, so that most images can be passed over unread.
create or replace function journal.needles(whom text[]) returns text[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return array(select replace(replace(w, '\', '\\'), '"', '""') from unnest(whom) w);

-- The keys of a table's rows that ever had one of `whom` in their column `who`.
create or replace function journal.keys_of(attached regclass, who name, whom text[]) returns text[]
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $function$
    select coalesce(array_agg(distinct j.row_id), '{}')
    from journal.journal j
    join journal.layout l on l.id = j.layout
    cross join lateral (values (j.old), (j.new)) i (image)
    cross join lateral (
        select f.n from jsonb_array_elements(l.columns) with ordinality f (spec, n)
        where f.spec ->> 'name' = who
    ) place
    where j.relation = any (journal.relations_of(attached))
        and exists (select from unnest(journal.needles(whom)) w where strpos(lower(i.image), w) > 0)
        and lower(journal.value_of((journal.fields_of(i.image))[place.n])) = any (whom)
$function$;

-- Redacts the images of a table's rows, in `places` (workspaces) or everywhere; gives how many
-- entries have changed. For an owner's function that knows whose data it is: nobody else may.
create or replace function journal.redact(
    attached regclass, who name, whom text[], what name[] default null, places uuid[] default null
) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $function$
declare
    ids constant integer[] := journal.relations_of(attached);
    spared constant name[] := (
        select coalesce(array_agg(distinct s.name), '{}')
        from journal.relation r, unnest(r.id_columns || r.workspace_column) s (name)
        where r.id = any (ids) and s.name is not null
    );
    changed bigint;
begin
    with found as materialized (
        select j.relation, j.row_id, j.at, j.seq, made.old, made.new
        from journal.journal j
        join journal.layout l on l.id = j.layout
        cross join lateral (
            select
                journal.redacted(j.old, l.columns, who, whom, what, spared),
                journal.redacted(j.new, l.columns, who, whom, what, spared)
            offset 0
        ) made (old, new)
        where j.relation = any (ids)
            and (places is null or j.workspace_id = any (places))
            and exists (
                select from unnest(journal.needles(whom)) w
                where strpos(lower(j.old), w) > 0 or strpos(lower(j.new), w) > 0
            )
            and (made.old is distinct from j.old or made.new is distinct from j.new)
    )
    update journal.journal j
    set old = found.old, new = found.new
    from found
    where j.relation = found.relation and j.row_id = found.row_id
        and j.at = found.at and j.seq = found.seq;
    get diagnostics changed = row_count;
    return changed;
end
$function$;
