-- Claims and the ends of leases. Whoever locks a task and a run of it locks the task first, or
-- waits for neither.

-- Makes the overdue runs stale, of one workspace or of all, and their tasks wait again; gives how
-- many. What somebody is just about to change is left for the next time.
create or replace function expire_executions(place uuid default null, most integer default 1000)
returns integer
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $function$
declare
    -- Row-level security holds for this function too.
    before constant text := coalesce(current_setting('roost.workspace_id', true), '');
    found_in uuid;
    expired integer := 0;
    ended_there integer;
begin
    for found_in in
        select distinct d.workspace_id from (
            select e.workspace_id from public.executions e
            where e.status in ('starting', 'running', 'awaiting_input')
                and e.lease_expires_at <= clock_timestamp()
                and (place is null or e.workspace_id = place)
            order by e.lease_expires_at limit most
        ) d
    loop
        perform set_config('roost.workspace_id', found_in::text, true);
        with due as materialized (
            select e.id, e.task_id
            from public.executions e
            join public.tasks t on t.workspace_id = e.workspace_id and t.id = e.task_id
            where e.workspace_id = found_in
                and e.status in ('starting', 'running', 'awaiting_input')
                and e.lease_expires_at <= clock_timestamp()
            order by e.lease_expires_at limit most
            for no key update skip locked
        ),
        ended as (
            update public.executions e
            set status = 'stale', lease_expires_at = null, finished_at = clock_timestamp(),
                updated_at = clock_timestamp(), version = e.version + 1,
                error = coalesce(e.error, jsonb_build_object(
                    'code', 'LEASE_EXPIRED', 'message', 'the lease was not renewed in time'))
            from due
            where e.workspace_id = found_in and e.id = due.id
            returning e.task_id
        ),
        waiting as (
            update public.tasks t
            set status = 'pending', updated_at = clock_timestamp(), version = t.version + 1
            from ended
            where t.workspace_id = found_in and t.id = ended.task_id
                and t.status in ('in_progress', 'blocked')
        )
        select count(*) into ended_there from ended;
        expired := expired + ended_there;
    end loop;
    perform set_config('roost.workspace_id', before, true);
    return expired;
end
$function$;
revoke all on function expire_executions(uuid, integer) from public;
grant execute on function expire_executions(uuid, integer) to roost_app;

-- Keeps the runs of a task that wait where the task's priority puts them, and cancels them with it.
create or replace function follow_task() returns trigger
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $function$
begin
    if new.status = 'cancelled' then
        update public.executions e
        set status = 'cancelled', finished_at = now(), updated_at = now(), version = e.version + 1
        where e.workspace_id = new.workspace_id and e.task_id = new.id and e.status = 'queued';
    else
        update public.executions e
        set rank = array_position('{urgent,high,medium,low}'::text[], new.priority)
        where e.workspace_id = new.workspace_id and e.task_id = new.id and e.status = 'queued';
    end if;
    return null;
end
$function$;
revoke all on function follow_task() from public;

-- This function and the next run with the rights and the search path of their caller: to set a path
-- for each call has PostgreSQL look it up twice.

-- Locks a run, and first its task where a queued run is to begin; gives it with the end of its record.
-- Each statement sees what was committed before it, so that the end is the end once the run is locked.
create or replace function hold_execution(place uuid, wanted uuid, begins boolean)
returns table (
    id uuid, task_id uuid, status text, version integer, agent text, claimed_by uuid,
    lease_seconds integer, is_overdue boolean, since timestamptz, now timestamptz,
    last_number integer, last_at timestamptz, last_base integer, last_hash text
)
language plpgsql volatile
-- A plan made while the tables are small is kept when they are large.
set enable_seqscan = off
as $function$
#variable_conflict use_column
declare
    leased_until timestamptz;
begin
    if begins then
        perform from public.tasks t
        where t.workspace_id = place and t.id = (
            select e.task_id from public.executions e
            where e.workspace_id = place and e.id = wanted and e.status = 'queued'
        )
        for no key update;
    end if;
    select e.id, e.task_id, e.status, e.version, e.agent, e.claimed_by, e.lease_seconds,
        e.lease_expires_at, coalesce(e.started_at, e.created_at)
    into id, task_id, status, version, agent, claimed_by, lease_seconds, leased_until, since
    from public.executions e where e.workspace_id = place and e.id = wanted
    for no key update;
    if not found then
        return;
    end if;
    -- After the wait for the lock, in which a lease may have run out.
    now := clock_timestamp();
    is_overdue := leased_until <= now;
    select s.number, s.at, s.base, s.state_hash into last_number, last_at, last_base, last_hash
    from public.steps s where s.workspace_id = place and s.execution_id = wanted
    order by s.number desc limit 1;
    return next;
end
$function$;
revoke all on function hold_execution(uuid, uuid, boolean) from public;
grant execute on function hold_execution(uuid, uuid, boolean) to roost_app;

-- Leases the next fitting task to a claimant, by priority, then by age; of equal priority, runs that
-- wait in the queue come first. Gives the run and its task as rows, how many steps the run has, the
-- environment as it is shown, whether that has secrets, and the transaction; null when nothing fits.
create or replace function claim_next_task(
    place uuid, whom uuid, new_id uuid, named text, of_version text, only_in uuid,
    labelled text[], only_task uuid, seconds integer, trace text
)
returns json
language plpgsql volatile
-- A plan made while the tables are small is kept when they are large: each search has its index.
set enable_seqscan = off
set enable_sort = off
as $function$
declare
    is_plain constant boolean := only_in is null and labelled is null and only_task is null;
    has_queue boolean;
    fits text;
    waiting text;
    queued_run uuid;
    queued_rank integer;
    first_rank integer;
    found_run uuid;
    found_task uuid;
    found_environment uuid;
    moment timestamptz;
    until timestamptz;
    run public.executions;
    task public.tasks;
    steps integer := 0;
    environment json;
    has_secrets boolean := false;
begin
    for turn in 1..5 loop
        queued_run := null;
        first_rank := null;
        found_run := null;
        found_task := null;
        has_queue := exists (
            select from public.executions e where e.workspace_id = place and e.status = 'queued'
        );
        if waiting is null and (has_queue or not is_plain) then
            -- Of what a claim asks for, only what it asks for: each has a plan of its own then.
            fits := concat(
                case when only_in is not null then ' and t.environment_id = $3' end,
                case when labelled is not null then ' and t.labels @> $4' end,
                case when only_task is not null then ' and t.id = $5' end
            );
            -- `offset 0` has the runs of a task looked up; a join may read all the runs of the workspace.
            waiting := $sql$
                from public.tasks t
                where t.workspace_id = $1 and t.status = 'pending' and t.archived_at is null
                    and (t.assignee_id is null or t.assignee_id = $2)
                    and not exists (
                        select from public.executions o
                        where o.workspace_id = $1 and o.task_id = t.id
                            and o.status in ('queued', 'starting', 'running', 'awaiting_input')
                        offset 0
                    )$sql$ || fits || $sql$
                order by array_position('{urgent,high,medium,low}'::text[], t.priority),
                    t.created_at, t.id
                limit 1 $sql$;
        end if;
        if has_queue then
            execute $sql$
                select e.id, e.rank
                from public.executions e
                join public.tasks t on t.workspace_id = e.workspace_id and t.id = e.task_id
                where e.workspace_id = $1 and e.status = 'queued'
                    and (e.agent is null or e.agent = $6)
                    and t.status in ('pending', 'in_progress', 'in_review', 'completed', 'failed')
                    and t.archived_at is null
                    and (t.assignee_id is null or t.assignee_id = $2)
                    and not exists (
                        select from public.executions o
                        where o.workspace_id = $1 and o.task_id = t.id
                            and o.status in ('starting', 'running', 'awaiting_input')
                        offset 0
                    )$sql$ || fits || $sql$
                order by e.rank, e.created_at, e.id
                limit 1 for no key update skip locked$sql$
            into queued_run, queued_rank using place, whom, only_in, labelled, only_task, named;
        end if;
        if queued_run is not null then
            -- A task of a higher priority goes before it.
            execute 'select array_position(''{urgent,high,medium,low}''::text[], t.priority)' || waiting
            into first_rank using place, whom, only_in, labelled, only_task;
        end if;
        if queued_run is not null and (first_rank is null or first_rank >= queued_rank) then
            found_run := queued_run;
        elsif is_plain then
            -- What is `waiting`, with a plan that is kept.
            select t.id, t.environment_id into found_task, found_environment
            from public.tasks t
            where t.workspace_id = place and t.status = 'pending' and t.archived_at is null
                and (t.assignee_id is null or t.assignee_id = whom)
                and not exists (
                    select from public.executions o
                    where o.workspace_id = place and o.task_id = t.id
                        and o.status in ('queued', 'starting', 'running', 'awaiting_input')
                    offset 0
                )
            order by array_position('{urgent,high,medium,low}'::text[], t.priority),
                t.created_at, t.id
            limit 1 for no key update skip locked;
        else
            execute 'select t.id, t.environment_id' || waiting || 'for no key update skip locked'
            into found_task, found_environment using place, whom, only_in, labelled, only_task;
        end if;
        if found_task is null and queued_run is not null then
            -- Chosen, or left: the task that was to go before it is just being taken.
            found_run := queued_run;
            select e.task_id, t.environment_id into found_task, found_environment
            from public.executions e
            join public.tasks t on t.workspace_id = place and t.id = e.task_id
            where e.workspace_id = place and e.id = found_run;
        end if;
        if found_task is null then
            -- What an overdue run has held may be the next.
            exit when public.expire_executions(place) = 0;
            continue;
        end if;
        moment := clock_timestamp();
        until := moment + make_interval(secs => seconds);
        -- Now that the task is locked nobody starts another run of it. One may have been started
        -- since the search began to look, which sees it as it was then: the index knows, or a look.
        if found_run is null then
            insert into public.executions as e (
                workspace_id, id, task_id, environment_id, agent, agent_version, status, claimed_by,
                lease_seconds, lease_expires_at, heartbeat_at, trace_id, created_by, started_at, input
            )
            values (
                place, new_id, found_task, found_environment, named, of_version, 'starting', whom,
                seconds, until, moment, trace, whom, moment, (
                    -- What was asked of a run that its worker left is asked of the next.
                    select case when e.status = 'stale' then e.input end
                    from public.executions e
                    where e.workspace_id = place and e.task_id = found_task and e.started_at is not null
                    order by e.started_at desc limit 1
                )
            )
            on conflict (workspace_id, task_id) where status in ('starting', 'running', 'awaiting_input')
            do nothing
            returning e.* into run;
            continue when not found;
        else
            -- A lease is what makes a run live; by its state it would be looked for among all leases.
            continue when exists (
                select from public.executions o
                where o.workspace_id = place and o.task_id = found_task
                    and o.lease_expires_at is not null
            );
            update public.executions e
            set status = 'starting', environment_id = found_environment, agent = named,
                agent_version = coalesce(of_version, e.agent_version), claimed_by = whom,
                lease_seconds = seconds, lease_expires_at = until, heartbeat_at = moment,
                trace_id = coalesce(trace, e.trace_id), started_at = moment, updated_at = moment,
                version = e.version + 1
            where e.workspace_id = place and e.id = found_run
            returning e.* into run;
            select coalesce(max(s.number), 0) into steps
            from public.steps s where s.workspace_id = place and s.execution_id = found_run;
        end if;
        update public.tasks t
        set status = 'in_progress', completed_at = null, updated_at = moment, version = t.version + 1
        where t.workspace_id = place and t.id = found_task
        returning t.* into strict task;
        task.search := null;
        exit;
    end loop;
    if task.id is null then
        return null;
    end if;
    if run.environment_id is not null then
        select row_to_json(shown), exists (
            select from public.environment_secrets s
            where s.workspace_id = place and s.environment_id = shown.id
        )
        into environment, has_secrets
        from (
            select e.id, e.name, e.repository, e.config
            from public.environments e where e.workspace_id = place and e.id = run.environment_id
        ) shown;
    end if;
    return json_build_object(
        'run', run, 'task', task, 'steps', steps, 'environment', environment,
        'has_secrets', coalesce(has_secrets, false), 'xid', pg_current_xact_id()::text
    );
end
$function$;
revoke all on function claim_next_task(
    uuid, uuid, uuid, text, text, uuid, text[], uuid, integer, text
) from public;
grant execute on function claim_next_task(
    uuid, uuid, uuid, text, text, uuid, text[], uuid, integer, text
) to roost_app;
