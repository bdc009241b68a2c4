-- Journals a table, or brings its triggers up to date. Call it from every schema revision that makes
-- or changes a table. A partitioned table is given by its root; call again after adding partitions.
--   workspace_column  of type uuid; a table without a column of the default name has no tenant
--   id_columns        the key by which versions of a row belong together; the primary key when null
--   exclude           columns that never reach the journal: secrets, embeddings
--   large             columns whose old value is left out of updates that did not touch them
create or replace function journal.attach(
    relation regclass,
    workspace_column name default 'workspace_id',
    id_columns name[] default null,
    exclude name[] default '{}',
    large name[] default '{}'
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $function$
declare
    target journal.relation;
    function_name text;
    source text;
    partition regclass;
begin
    lock table journal.relation in share row exclusive mode;
    target := journal.target_of(relation, workspace_column, id_columns, exclude, large);
    function_name := 'on_' || target.id;
    source := journal.trigger_source(target);
    perform journal.layout_now(relation, target.id);

    execute format(
        'create or replace function journal.%I() returns trigger language plpgsql security definer'
        ' set search_path = pg_catalog, pg_temp as %L', function_name, source
    );
    execute format('revoke all on function journal.%I() from public', function_name);
    execute format(
        'alter function journal.%I() owner to %I', function_name,
        (select pg_get_userbyid(n.nspowner) from pg_namespace n where n.nspname = 'journal')
    );

    -- The name sorts before any other: of triggers that write the same row, ours sees each version
    -- in its turn. Replicated writes count as well, hence ALWAYS.
    perform journal.ensure_trigger(
        relation, '!journal', function_name, 'after insert or update or delete', 'for each row'
    );
    for partition in select t.relid from pg_partition_tree(relation) t
        union select relation
    loop
        perform journal.ensure_trigger(
            partition, '!journal_truncate', 'on_truncate', 'after truncate', 'for each statement',
            target.id
        );
    end loop;
end
$function$;

-- Makes a trigger, or enables it, if it is not there as it should be: both lock out the writers.
create or replace function journal.ensure_trigger(
    relation regclass, trigger_name text, function_name text, events text, level text,
    variadic arguments integer[] default '{}'
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $function$
declare
    found_trigger pg_trigger;
begin
    select t.* into found_trigger
    from pg_trigger t
    where t.tgrelid = relation and t.tgname = trigger_name
        and t.tgfoid = format('journal.%I()', function_name)::regprocedure
        and t.tgargs = coalesce(
            (select string_agg(a::text::bytea || '\x00', '' order by o)
             from unnest(arguments) with ordinality u (a, o)), ''
        );
    if found_trigger.oid is null then
        execute format(
            'create or replace trigger %I %s on %s %s execute function journal.%I(%s)',
            trigger_name, events, relation, level, function_name, array_to_string(arguments, ', ')
        );
    end if;
    if found_trigger.tgenabled is distinct from 'A' then
        execute format('alter table %s enable always trigger %I', relation, trigger_name);
    end if;
end
$function$;

-- Stops journaling a table. What was journaled stays.
create or replace function journal.detach(relation regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $function$
declare
    partition regclass;
begin
    for partition in select t.relid from pg_partition_tree(relation) t
        union select relation
    loop
        execute format('drop trigger if exists "!journal_truncate" on %s', partition);
    end loop;
    execute format('drop trigger if exists "!journal" on %s', relation);
    execute (
        select coalesce(string_agg(format('drop function if exists journal.%I();', 'on_' || r.id), ''),
            'select')
        from journal.relation r where r.oid = relation
    );
end
$function$;

-- A truncated table has no rows to fire a trigger for: one row of the journal says so.
create or replace function journal.on_truncate() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $function$
declare
    relation_id constant integer := tg_argv[0];
begin
    insert into journal.journal (actor_id, cause, relation, layout, op)
    values (
        nullif(current_setting('roost.actor_id', true), '')::uuid,
        nullif(current_setting('roost.cause', true), ''),
        relation_id, journal.layout_now(tg_relid, relation_id), 'T'
    );
    return null;
end
$function$;
