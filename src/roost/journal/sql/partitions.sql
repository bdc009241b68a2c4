-- Months that begin within the next `months` months get a partition of their own, the current one
-- included; rows that had to go to the default partition are moved into theirs. Returns how many
-- partitions were made. Waits at most a second for a lock; call it again when it gives up.
create or replace function journal.prepare_partitions(months integer default 3) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
as $function$
declare
    first timestamptz;
    last timestamptz;
    partition text;
    made integer := 0;
begin
    if months is null or months not between 0 and 120 then
        raise exception 'months must be between 0 and 120, not %', coalesce(months::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('roost.journal.partitions', 0));
    for i in 0..months loop
        first := date_trunc('month', clock_timestamp()) + make_interval(months => i);
        last := first + interval '1 month';
        partition := 'journal_' || to_char(first, 'YYYY_MM');
        continue when to_regclass('journal.' || quote_ident(partition)) is not null;
        -- Made apart and attached: CREATE … PARTITION OF would lock out the writers.
        execute format(
            'create table journal.%I'
            ' (like journal.journal including storage including compression)', partition
        );
        lock table only journal.journal_default in access exclusive mode;
        execute format(
            'with moved as (delete from journal.journal_default'
            ' where at >= %L and at < %L returning *) insert into journal.%I select * from moved',
            first, last, partition
        );
        execute format(
            'alter table journal.journal attach partition journal.%I for values from (%L) to (%L)',
            partition, first, last
        );
        made := made + 1;
    end loop;
    return made;
end
$function$;
