-- Alerts: what to watch, what has happened, whom to tell, and what was told.

-- A rule, and where it stands. `since`: when its condition came to hold. `cool_until`: no new event
-- before that. No state lives in a worker, so none is lost with one.
create table performance.alert_rule (
    id uuid primary key,
    name text not null,
    metric text not null,
    comparison text not null check (comparison in ('above', 'below')),
    threshold double precision not null,
    clear_threshold double precision not null,
    for_seconds integer not null check (for_seconds >= 0),
    cooldown_seconds integer not null check (cooldown_seconds >= 0),
    severity text not null check (severity in ('info', 'warning', 'critical')),
    is_enabled boolean not null default true,
    channels uuid[] not null default '{}',
    built_in boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    state text not null default 'unknown'
        check (state in ('unknown', 'ok', 'pending', 'firing')),
    since timestamptz,
    cool_until timestamptz,
    value double precision,
    evaluated_at timestamptz
);

-- What has happened. The rule's name and terms are those of the moment; `worst` is the value that
-- was furthest on the wrong side.
create table performance.alert_event (
    id uuid primary key,
    rule_id uuid not null,
    rule_name text not null,
    severity text not null,
    metric text not null,
    comparison text not null,
    threshold double precision not null,
    state text not null check (state in ('firing', 'acknowledged', 'resolved')),
    value double precision not null,
    worst double precision not null,
    opened_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    resolved_at timestamptz,
    resolved_by uuid,
    told_at timestamptz not null
);
create unique index alert_event_open_idx on performance.alert_event (rule_id)
    where state <> 'resolved';
create index alert_event_rule_idx on performance.alert_event (rule_id, id);

-- Whom to tell. `sealed` is all that must not be read from a copy of the database: addresses that
-- are secrets themselves, passwords, keys for signatures. `target` is what may be shown of it.
create table performance.alert_channel (
    id uuid primary key,
    name text not null,
    kind text not null check (kind in ('webhook', 'slack', 'discord', 'email', 'log')),
    is_enabled boolean not null default true,
    target text not null,
    sealed bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- What is to be told, and how far that is. `next_at` is when it may be taken, and while somebody
-- sends it, when others may think them dead; `lease` says who that is.
create table performance.alert_delivery (
    id uuid primary key,
    channel_id uuid not null references performance.alert_channel (id) on delete cascade,
    kind text not null check (kind in ('fired', 'repeated', 'resolved')),
    events uuid[] not null,
    body text not null,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    attempts integer not null default 0,
    created_at timestamptz not null,
    next_at timestamptz,
    lease uuid,
    last_error text,
    ended_at timestamptz
);
create index alert_delivery_next_idx on performance.alert_delivery (next_at)
    where state = 'pending';
create index alert_delivery_channel_idx on performance.alert_delivery (channel_id, id);

-- What is on from the start: it can be changed and disabled, and not deleted.
insert into performance.alert_rule (id, name, metric, comparison, threshold, clear_threshold,
                                    for_seconds, cooldown_seconds, severity, built_in)
select ('00000000-0000-4000-8000-0000000000' || lpad(number::text, 2, '0'))::uuid,
       name, metric, comparison, threshold, clear, "for", cooldown, severity, true
from (values
    (1, 'Many slow statements', 'slowQueries', 'above', 20, 10, 60, 900, 'warning'),
    (2, 'Requests fail', 'errorRate', 'above', 0.05, 0.02, 120, 600, 'critical'),
    (3, 'Requests are slow', 'requestP99Ms', 'above', 2000, 1500, 300, 900, 'warning'),
    (4, 'The pool is nearly full', 'poolSaturation', 'above', 0.9, 0.75, 120, 600, 'warning'),
    (5, 'Requests wait for connections', 'poolWaiting', 'above', 10, 2, 180, 600, 'critical'),
    (6, 'The server''s connections run out', 'connectionShare', 'above', 0.9, 0.8, 60, 600,
     'critical'),
    (7, 'A replica lags behind', 'replicationLagSeconds', 'above', 60, 10, 120, 900, 'warning'),
    (8, 'Deadlocks', 'deadlocks', 'above', 5, 0, 0, 900, 'warning'),
    (9, 'The disk is nearly full', 'diskFreeShare', 'below', 0.1, 0.15, 60, 3600, 'critical'),
    (10, 'Changes are told late', 'tickLagSeconds', 'above', 10, 2, 30, 600, 'critical'),
    (11, 'The database''s health is critical', 'healthCritical', 'above', 0, 0, 60, 1800,
     'critical'),
    (12, 'A transaction is open for long', 'oldestTransactionSeconds', 'above', 900, 900, 0, 900,
     'warning'),
    (13, 'The cache of the database misses much', 'cacheHitRatio', 'below', 0.9, 0.95, 600, 3600,
     'info')
) built (number, name, metric, comparison, threshold, clear, "for", cooldown, severity);
