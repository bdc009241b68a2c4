-- What the role of the pool needs: the changes of the workspace it acts in (the policy of
-- journal.journal), the ticks, to make ticks and partitions and to drop old ones, and to read images. It
-- writes the journal only through the triggers.
create or replace function journal.grant_to(role name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $function$
begin
    execute format('grant usage on schema journal to %I', role);
    execute format(
        'grant select on journal.journal, journal.tick, journal.horizon, journal.layout,'
        ' journal.relation to %I', role
    );
    execute format(
        'grant execute on function journal.make_tick(), journal.tick_lock(),'
        ' journal.prepare_partitions(integer), journal.drop_older(integer),'
        ' journal.touched(bigint, bigint), journal.followed(bigint, bigint, uuid, integer[]),'
        ' journal.since(bigint, uuid) to %I', role
    );
    execute format(
        'grant execute on function journal.fields_of(text),'
        ' journal.finished_between(pg_snapshot, pg_snapshot),'
        ' journal.whole_image(text, text, jsonb, smallint[]),'
        ' journal.image_as(text, jsonb, jsonb, boolean),'
        ' journal.image_after(uuid, integer, text, bigint),'
        ' journal.image_before(uuid, integer, text, bigint),'
        ' journal.images_at(uuid, integer, text[], pg_snapshot, bigint),'
        ' journal.entries_after(uuid, integer, text, bigint, bigint, timestamptz, integer),'
        ' journal.entries_until(uuid, integer, text, timestamptz, integer) to %I', role
    );
end
$function$;

-- What a listener needs on top: the changes of every workspace, by journal.window only.
create or replace function journal.grant_window_to(role name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $function$
begin
    execute format('grant usage on schema journal to %I', role);
    execute format(
        'grant execute on function journal.window(bigint, bigint) to %I', role
    );
end
$function$;

revoke all on all tables in schema journal from public;
revoke all on all functions in schema journal from public;
