-- The journal's tables. Written once; `install.py` refuses a schema newer than itself.

create schema if not exists journal;
revoke all on schema journal from public;

create table if not exists journal.installed (
    version integer not null,
    at timestamptz not null default clock_timestamp()
);

-- A journaled table. Its id outlives renames, dumps and re-creation, which its oid does not.
create table if not exists journal.relation (
    id integer generated always as identity primary key,
    oid oid not null,
    schema name not null,
    name name not null,
    workspace_column name,
    id_columns name[] not null,
    exclude name[] not null,
    large name[] not null
);

-- What the fields of an image mean. Rows are never changed, and may repeat: concurrent writers who
-- meet a new layout each note it themselves rather than wait for one another.
-- columns: [{"name", "attnum", "type", "version", "stored", "large"}] in the order of the fields.
create table if not exists journal.layout (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    relation integer not null,
    oid oid not null,
    columns jsonb not null
);
create index if not exists layout_oid on journal.layout (oid, id);

create table if not exists journal.journal (
    seq bigint generated always as identity (cache 1),
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    actor_id uuid,
    cause text,
    workspace_id uuid,
    relation integer not null,
    layout bigint not null,
    row_id text collate "C",
    op "char" not null,
    old text collate "C",
    new text collate "C",
    kept smallint[],
    old_ctid tid,
    new_ctid tid
) partition by range (at);

comment on table journal.journal is
'Every row change of the attached tables, written by their triggers in the same transaction.';
comment on column journal.journal.seq is
'For one row, the order in which its lock was taken. Not the order of commits: see journal.tick.';
comment on column journal.journal.row_id is
'The row''s key within its relation and workspace: the column''s text, or the record''s of several.';
comment on column journal.journal.old is
'The row before, as PostgreSQL''s own record text; the fields of kept are empty here.';
comment on column journal.journal.kept is
'attnums of the large columns an update did not touch: their value is the one in new.';

comment on column journal.journal.old_ctid is
'Where the version before was. Within a transaction, what tells the order of a row''s changes: seq
does not where a statement changes rows that the one it runs in has changed.';

create index if not exists journal_xid on journal.journal (xid);
-- What a workspace's transactions of between two ticks have changed.
create index if not exists journal_workspace_xid on journal.journal (workspace_id, relation, xid);
-- A row's versions, in their order: one descent in each partition finds the latest of a tick.
create index if not exists journal_row on journal.journal (relation, row_id, seq);
-- Rows that a moment still had and nobody has now.
create index if not exists journal_deleted on journal.journal (workspace_id, relation, xid)
where op = 'D';
drop index if exists journal.journal_workspace_seq, journal.journal_row_at;

-- pglz is most of the time a wide image costs; without lz4 storing it as it is beats it by far.
do $$
begin
    if exists (
        select from pg_catalog.pg_settings
        where name = 'default_toast_compression' and 'lz4' = any (enumvals)
    ) then
        alter table journal.journal
            alter column old set compression lz4, alter column new set compression lz4;
    else
        alter table journal.journal
            alter column old set storage external, alter column new set storage external;
    end if;
end
$$;

create table if not exists journal.journal_default partition of journal.journal default;

-- "What happened between tick a and tick b" is what b's snapshot sees and a's does not.
create table if not exists journal.tick (
    id bigint generated always as identity (cache 1) primary key,
    snapshot pg_snapshot not null,
    at timestamptz not null default clock_timestamp()
);
-- Read after the snapshot was taken, so that the clock does not matter: what a snapshot sees was
-- numbered before. Null in ticks of before this column.
alter table journal.tick add column if not exists seq bigint;
alter table journal.tick
    alter column seq set default coalesce(pg_sequence_last_value('journal.journal_seq_seq'), 0);
comment on column journal.tick.seq is 'No change that the tick sees has a higher number.';
create index if not exists tick_at on journal.tick (at, id);

-- Where what is kept begins, once something was dropped: a single row. Whoever holds an older tick
-- has missed changes.
create table if not exists journal.horizon (
    tick bigint not null,
    at timestamptz not null
);

-- The owner writes through the triggers and reads through functions; everybody else sees the rows
-- of the workspace they act in. Partitions are granted to nobody.
alter table journal.journal enable row level security;
alter table journal.journal force row level security;
drop policy if exists owner on journal.journal;
create policy owner on journal.journal to current_user using (true) with check (true);
drop policy if exists tenant on journal.journal;
create policy tenant on journal.journal for select
using (workspace_id = nullif(current_setting('roost.workspace_id', true), '')::uuid);
