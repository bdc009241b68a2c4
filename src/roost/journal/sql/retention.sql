-- Drops what is older than `days`: whole months of the journal, and ticks. The newest tick that is
-- older stays, so that every moment since can be read. Gives how many partitions went. Waits at most
-- a second for a lock; call it again when it gives up.
create or replace function journal.drop_older(days integer) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
as $function$
declare
    oldest journal.tick;
    partition text;
    needed boolean;
    dropped integer := 0;
    has_gone boolean;
begin
    if days is null or days not between 1 and 36500 then
        raise exception 'days must be between 1 and 36500, not %', coalesce(days::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('roost.journal.partitions', 0));
    select t.* into oldest
    from journal.tick t
    where t.at <= clock_timestamp() - make_interval(days => days)
    order by t.at desc, t.id desc limit 1;
    if oldest.id is null then
        return 0;
    end if;
    delete from journal.tick t where t.id < oldest.id;
    has_gone := found;
    for partition in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'journal.journal'::regclass and c.relname ~ '^journal_\d{4}_\d{2}$'
            and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= oldest.at
        order by c.relname
    loop
        -- A transaction that wrote then and ended after the oldest tick is still needed.
        execute format(
            'select exists (select from journal.%I where xid >= $1)', partition
        ) into needed using pg_snapshot_xmin(oldest.snapshot);
        continue when needed;
        execute format('drop table journal.%I', partition);
        dropped := dropped + 1;
    end loop;
    delete from journal.journal_default
    where at < date_trunc('month', oldest.at) and xid < pg_snapshot_xmin(oldest.snapshot);
    if has_gone or found or dropped > 0 then
        delete from journal.horizon;
        insert into journal.horizon (tick, at) values (oldest.id, oldest.at);
    end if;
    return dropped;
end
$function$;
