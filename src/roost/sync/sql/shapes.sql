-- The shapes that clients follow: what every worker must know of each, by its handle.

create schema if not exists sync;
revoke all on schema sync from public;

-- `snapshot` is what the first rows were read in, `tick` the newest tick that it sees: the log
-- begins after that tick, without the transactions that the snapshot sees already.
create table if not exists sync.shape (
    handle text primary key,
    identity bytea not null,
    workspace_id uuid,
    relation oid not null,
    snapshot pg_snapshot not null,
    tick bigint not null,
    chunks integer,
    made_at timestamptz not null default clock_timestamp(),
    retired_at timestamptz
);
create index if not exists shape_identity on sync.shape (identity, made_at desc);
create index if not exists shape_made_at on sync.shape (made_at);

-- Parts of large snapshots after the first, for whichever worker is asked for them. They can be
-- lost with a crash: their clients begin again.
create unlogged table if not exists sync.chunk (
    handle text not null,
    number integer not null,
    body bytea not null,
    primary key (handle, number)
);
alter table sync.chunk alter column body set storage external;
