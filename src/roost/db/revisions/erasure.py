"""Erasing a user's data: theirs is deleted, what they did stays without a name."""

from alembic import context, op

from roost.db.revisions.isolation import run_script

_USERS = {
    # table -> the column that says whose a row is
    "access_tokens": "user_id",
    "audit_events": "actor_id",
    "documents": "user_id",
    "idempotency_keys": "user_id",
    "identities": "user_id",
    "kept_secrets": "user_id",
    "login_attempts": "linking_user_id",
    "login_links": "user_id",
    "memberships": "user_id",
    "migrations": "user_id",
    "provider_tokens": "user_id",
    "sessions": "user_id",
}


def make_erasure() -> None:
    """Make the functions, and let nothing personal come after an erasure."""
    run_script(context.config.attributes["journal"])
    run_script(_REFUSE)
    for table, column in _USERS.items():
        op.execute(
            f"create trigger refuse_erased before insert on {table} for each row"
            f" execute function refuse_erased('{column}')"
        )
    run_script(_FORGET)
    run_script(_ERASE)


# The lock makes it certain: either the erasure waits for the row and deletes it, or the row waits
# for the erasure and is refused.
_REFUSE = """
create function refuse_erased() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $function$
declare
    person uuid;
begin
    -- Apart, for a row's type has one of these columns only.
    if tg_argv[0] = 'user_id' then
        person := new.user_id;
    elsif tg_argv[0] = 'actor_id' then
        person := new.actor_id;
    else
        person := new.linking_user_id;
    end if;
    perform from public.users u where u.id = person and u.erased_at is null for key share;
    if not found and exists (
        select from public.users u where u.id = person and u.erased_at is not null
    ) then
        raise exception 'the user was erased' using errcode = 'foreign_key_violation';
    end if;
    return new;
end
$function$;
revoke all on function refuse_erased() from public;
"""

# For the two below it alone: it takes whom it is told.
_FORGET = """
create function forget_user(person uuid) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $function$
declare
    place constant text := current_setting('roost.workspace_id', true);
    whom constant text[] := array[person::text];
    -- An address that nobody has verified is no proof; it counts among those who gave it only.
    claimed constant text[] := array(
        select lower(u.email) from public.users u where u.id = person and u.erased_at is null
    );
    verified constant text[] := array(
        select distinct lower(i.email) from public.identities i
        where i.user_id = person and i.email_verified and i.email is not null
    );
    homes constant uuid[] := array(
        select m.workspace_id from public.memberships m where m.user_id = person
    );
    named uuid[];
    target uuid;
    address text;
    moves text[];
begin
    update public.audit_events a set address = null, user_agent = null, details = '{}'
    where a.actor_id = person
        and (a.address is not null or a.user_agent is not null or a.details <> '{}');
    -- Of what others did to them, where those others were is not theirs to erase.
    update public.audit_events a
    set details = '{}',
        address = case when a.actor_id is not null then a.address end,
        user_agent = case when a.actor_id is not null then a.user_agent end
    where (
        a.details <> '{}'
        or a.actor_id is null and (a.address is not null or a.user_agent is not null)
    ) and (
        a.target_id = person::text
        or a.workspace_id = any (homes) and (
            exists (
                select from unnest(claimed || verified) e
                where strpos(lower(a.details::text), trim(both '"' from to_json(e)::text)) > 0
            )
            or a.target_type = 'token' and a.target_id in (
                select t.id::text from public.access_tokens t where t.user_id = person
            )
        )
    );
    named := array(
        select i.id from public.invitations i
        where i.accepted_by = person or lower(i.email) = any (verified)
            or i.workspace_id = any (homes) and lower(i.email) = any (claimed)
    );
    -- Without the address anybody could use the link: it ends.
    update public.invitations i
    set email = null,
        revoked_at = case when i.accepted_at is null then coalesce(i.revoked_at, now())
            else i.revoked_at end
    where i.id = any (named) and i.email is not null;

    delete from public.login_attempts a where a.linking_user_id = person;
    delete from public.login_links l where l.user_id = person;
    delete from public.sessions s where s.user_id = person;
    delete from public.provider_tokens t where t.user_id = person;
    delete from public.identities i where i.user_id = person;
    delete from public.access_tokens t where t.user_id = person;
    delete from public.migrations m where m.user_id = person;
    delete from public.memberships m where m.user_id = person;
    -- These tables show their owner one workspace at a time; some may be left of one long ago.
    for target in select w.id from public.workspaces w loop
        perform set_config('roost.workspace_id', target::text, true);
        delete from public.idempotency_keys k where k.workspace_id = target and k.user_id = person;
        delete from public.documents d where d.workspace_id = target and d.user_id = person;
        delete from public.kept_secrets s where s.workspace_id = target and s.user_id = person;
    end loop;
    perform set_config('roost.workspace_id', coalesce(place, ''), true);

    address := 'erased-' || person;
    if exists (
        select from public.users u
        where u.id <> person and lower(u.email) = address || '@users.noreply.invalid'
    ) then
        address := address || '-' || gen_random_uuid();
    end if;
    update public.users u
    set email = address || '@users.noreply.invalid',
        name = '', avatar_url = null, profile = '{}', preferences = '{}', is_active = false,
        last_login_at = null, erased_at = now(), version = u.version + 1, updated_at = now()
    where u.id = person and u.erased_at is null;

    perform journal.redact('public.users', 'id', whom,
        '{email,name,avatar_url,profile,preferences,last_login_at}');
    perform journal.redact('public.invitations', 'accepted_by', whom, '{email}');
    perform journal.redact('public.invitations', 'id', named::text[], '{email}');
    perform journal.redact('public.invitations', 'email', verified, '{email}');
    perform journal.redact('public.invitations', 'email', claimed, '{email}', homes);
    perform journal.redact('public.access_tokens', 'user_id', whom);
    perform journal.redact('public.idempotency_keys', 'user_id', whom);
    perform journal.redact('public.documents', 'user_id', whom);
    perform journal.redact('public.kept_secrets', 'user_id', whom);
    moves := journal.keys_of('public.migrations', 'user_id', whom);
    perform journal.redact('public.migrations', 'user_id', whom);
    perform journal.redact('public.migration_dumps', 'migration_id', moves);
    perform journal.redact('public.migration_keys', 'migration_id', moves);
    perform journal.redact('public.migration_items', 'migration_id', moves);
end
$function$;
revoke all on function forget_user(uuid) from public;
"""

_ERASE = """
-- Erases the user in whose name the statement is made, and nobody else; gives the slugs of the
-- workspaces that stand in the way, for they would be left without an owner: then nothing was done.
create function erase_user() returns text[]
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $function$
declare
    person constant uuid := nullif(current_setting('roost.user_id', true), '')::uuid;
    stuck text[];
    alone uuid[];
    other uuid;
begin
    if person is null or person::text is distinct from current_setting('roost.actor_id', true) then
        raise exception 'users are erased by themselves' using errcode = 'insufficient_privilege';
    end if;
    -- Whoever writes something of theirs is waited for, and then waits.
    perform from public.users u where u.id = person for update;
    perform from public.workspaces w
    where w.id in (select m.workspace_id from public.memberships m where m.user_id = person)
    order by w.id for update;
    stuck := array(
        select w.slug
        from public.memberships mine
        join public.workspaces w on w.id = mine.workspace_id and w.deleted_at is null
        where mine.user_id = person and mine.role = 'owner'
            and exists (
                select from public.memberships m join public.users u on u.id = m.user_id
                where m.workspace_id = w.id and m.user_id <> person and u.kind = 'person'
            )
            and not exists (
                select from public.memberships m join public.users u on u.id = m.user_id
                where m.workspace_id = w.id and m.user_id <> person and m.role = 'owner'
                    and u.is_active
            )
        order by w.slug
    );
    if stuck <> '{}' then
        return stuck;
    end if;
    alone := array(
        select mine.workspace_id from public.memberships mine
        where mine.user_id = person and not exists (
            select from public.memberships m join public.users u on u.id = m.user_id
            where m.workspace_id = mine.workspace_id and m.user_id <> person and u.kind = 'person'
        )
        order by 1
    );
    -- Agents that nobody is left to be the agents of.
    for other in
        select m.user_id from public.memberships m
        where m.user_id <> person
        group by m.user_id having bool_and(m.workspace_id = any (alone))
        order by m.user_id
    loop
        perform public.forget_user(other);
    end loop;
    update public.workspaces w set deleted_at = now()
    where w.id = any (alone) and w.deleted_at is null;
    delete from public.memberships m where m.workspace_id = any (alone);
    for other in select unnest(alone) loop
        perform public.purge_workspace(other);
    end loop;
    perform public.forget_user(person);
    return '{}';
end
$function$;
revoke all on function erase_user() from public;
grant execute on function erase_user() to roost_app;
"""
