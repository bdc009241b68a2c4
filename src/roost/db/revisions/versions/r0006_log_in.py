"""Log-in by providers, invitations, the audit trail; each command's own policy on who there is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from roost.db.revisions.erasure import make_erasure
from roost.db.revisions.isolation import (
    CREDENTIAL,
    TENANT,
    USER,
    grant,
    isolate_by_command,
    journal,
    open_to_owner,
    run_script,
)

revision = "0006"
down_revision = "0005"

_MINE = f"user_id = {USER}"
_HERE = f"workspace_id = {TENANT}"
_MEMBERS = f"(select m.user_id from memberships m where m.workspace_id = {TENANT})"
_KEPT = "interval '30 days'"
"""How long a deleted workspace can be restored."""


def upgrade() -> None:
    """Make the tables, and narrow the policies there are."""
    _extend_users()
    _make_login_attempts()
    _make_provider_tokens()
    _make_invitations()
    _make_audit_events()
    _narrow()
    # Kept answers hold people's words: they go in time, whether or not their user comes again.
    open_to_owner("idempotency_keys")
    _make_functions()
    make_erasure()


def _moment(name: str, *, given: bool = False) -> sa.Column[object]:
    default = None if given else sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=False)


def _extend_users() -> None:
    op.add_column("users", sa.Column("kind", sa.Text(), server_default="person", nullable=False))
    op.add_column("users", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("users_kind_check", "users", "kind in ('person', 'agent')")
    for column in (
        sa.Column("subject_hash", sa.LargeBinary(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_verified", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("identities", column)
    op.execute(
        "update identities set subject_hash = "
        "sha256(convert_to(provider || chr(10) || subject, 'UTF8'))"
    )
    op.alter_column("identities", "subject_hash", nullable=False)
    op.create_unique_constraint("identities_subject_hash_key", "identities", ["subject_hash"])
    # A token goes with its user's membership, and can't be another tenant's user's.
    op.drop_constraint("access_tokens_user_id_fkey", "access_tokens")
    op.create_foreign_key(
        "access_tokens_workspace_id_user_id_fkey",
        "access_tokens",
        "memberships",
        ["workspace_id", "user_id"],
        ["workspace_id", "user_id"],
        ondelete="CASCADE",
    )
    op.drop_index("access_tokens_user_id_idx", "access_tokens")
    op.create_index(
        "access_tokens_workspace_id_user_id_idx", "access_tokens", ["workspace_id", "user_id"]
    )
    op.execute(
        "create index workspaces_deleted_at_idx on workspaces (deleted_at)"
        " where deleted_at is not null"
    )


def _make_login_attempts() -> None:
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("linking_user_id", sa.Uuid(), nullable=True),
        sa.Column("linking_session_id", sa.Uuid(), nullable=True),
        _moment("expires_at", given=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        _moment("created_at"),
        sa.ForeignKeyConstraint(
            ["linking_user_id"],
            ["users.id"],
            name="login_attempts_linking_user_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["linking_session_id"],
            ["sessions.id"],
            name="login_attempts_linking_session_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="login_attempts_pkey"),
        sa.UniqueConstraint("state_hash", name="login_attempts_state_hash_key"),
    )
    op.create_index("login_attempts_expires_at_idx", "login_attempts", ["expires_at"])
    op.create_index("login_attempts_linking_user_id_idx", "login_attempts", ["linking_user_id"])
    op.create_index(
        "login_attempts_linking_session_id_idx", "login_attempts", ["linking_session_id"]
    )
    presented = f"state_hash = {CREDENTIAL}"
    # A reference is checked beside the policies: each must be the asking user's own.
    own_link = (
        f"(linking_user_id is null or linking_user_id = {USER}) and (linking_session_id is null"
        " or exists (select from sessions s where s.id = login_attempts.linking_session_id"
        f" and s.{_MINE}))"
    )
    isolate_by_command(
        "login_attempts",
        select=presented,
        insert=f"{presented} and {own_link}",
        update=presented,
    )
    op.execute("grant select, insert, update (used_at) on login_attempts to roost_app")
    open_to_owner("login_attempts")


def _make_provider_tokens() -> None:
    op.create_table(
        "provider_tokens",
        sa.Column("identity_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        _moment("updated_at"),
        _moment("created_at"),
        sa.ForeignKeyConstraint(
            ["identity_id"],
            ["identities.id"],
            name="provider_tokens_identity_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="provider_tokens_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("identity_id", name="provider_tokens_pkey"),
    )
    op.create_index("provider_tokens_user_id_idx", "provider_tokens", ["user_id"])
    isolate_by_command(
        "provider_tokens",
        select=_MINE,
        insert=f"{_MINE} and exists (select from identities i"
        f" where i.id = provider_tokens.identity_id and i.{_MINE})",
        update=_MINE,
        delete=_MINE,
    )
    grant("provider_tokens", "select, insert, delete, update (sealed, expires_at, updated_at)")
    open_to_owner("provider_tokens")


def _make_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        _moment("expires_at", given=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        _moment("created_at"),
        sa.CheckConstraint("role in ('admin', 'member', 'viewer')", name="invitations_role_check"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="invitations_pkey"),
        sa.UniqueConstraint("token_hash", name="invitations_token_hash_key"),
    )
    presented = f"token_hash = {CREDENTIAL}"
    isolate_by_command(
        "invitations",
        select=f"{_HERE} or {presented}",
        insert=_HERE,
        update=_HERE,
        delete=_HERE,
    )
    op.execute(
        "grant select, insert, delete, update (accepted_at, accepted_by, revoked_at)"
        " on invitations to roost_app"
    )
    open_to_owner("invitations")
    journal("invitations", exclude=("token_hash",))


def _make_audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _moment("at"),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), server_default="success", nullable=False),
        sa.Column("target_type", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("credential_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.CheckConstraint("outcome in ('success', 'failure')", name="audit_events_outcome_check"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="audit_events_pkey"),
    )
    op.create_index(
        "audit_events_workspace_id_at_id_idx",
        "audit_events",
        ["workspace_id", sa.literal_column("at desc"), sa.literal_column("id desc")],
    )
    # Written once: the pool's role may neither change nor remove an event.
    isolate_by_command("audit_events", select=_HERE, insert=_HERE)
    op.execute("grant select, insert on audit_events to roost_app")
    open_to_owner("audit_events")
    journal("audit_events", exclude=("address", "user_agent", "details"))


def _narrow() -> None:
    """Give each command of the identity tables a policy of its own, and no right it does not need."""
    presented = f"token_hash = {CREDENTIAL}"
    isolate_by_command(
        "memberships",
        select=f"{_HERE} or {_MINE}",
        # Nobody is made a member but who the statement acts for.
        insert=f"{_HERE} and {_MINE}",
        update=_HERE,
        delete=_HERE,
    )
    grant("memberships", "select, insert, delete, update (role)")
    isolate_by_command(
        "workspaces",
        select=f"id = {TENANT} or exists (select from memberships m "
        f"where m.workspace_id = workspaces.id and m.{_MINE})",
        insert=f"id = {TENANT}",
        update=f"id = {TENANT}",
    )
    grant("workspaces", "select, insert, update (slug, name, deleted_at, version, updated_at)")
    isolate_by_command(
        "users",
        select=f"id = {USER} or id in {_MEMBERS}",
        insert=f"id = {USER}",
        # A request that waited for an erasure must not write its words into what is left.
        update=f"(id = {USER} or id in {_MEMBERS}) and erased_at is null",
    )
    grant(
        "users",
        "select, insert, update (email, name, avatar_url, profile, preferences, is_active,"
        " last_login_at, erased_at, version, updated_at)",
    )
    isolate_by_command(
        "identities",
        select=f"{_MINE} or user_id in {_MEMBERS} or subject_hash = {CREDENTIAL}",
        insert=_MINE,
        update=_MINE,
        delete=_MINE,
    )
    grant(
        "identities",
        "select, insert, delete, update (issuer, email, email_verified, name, last_login_at)",
    )
    isolate_by_command(
        "access_tokens",
        select=f"{_HERE} or {presented}",
        insert=_HERE,
        update=_HERE,
        delete=_HERE,
    )
    grant("access_tokens", "select, insert, delete, update (revoked_at, last_used_at)")
    of_members = f"{_MINE} or {presented} or user_id in {_MEMBERS}"
    isolate_by_command("sessions", select=of_members, insert=_MINE, update=of_members)
    grant("sessions", "select, insert, update (revoked_at, last_seen_at)")
    isolate_by_command(
        "login_links",
        select=f"{_MINE} or {presented}",
        insert=_MINE,
        update=f"{_MINE} or {presented}",
    )
    grant("login_links", "select, insert, update (used_at)")


# What no tenant may see of the others, but upkeep needs: names of rows, nothing else.
_FUNCTIONS = f"""
create function sweep_expired() returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    with attempts as (
        delete from public.login_attempts where expires_at < now() - interval '1 hour' returning 1
    ), links as (
        delete from public.login_links where expires_at < now() - interval '7 days' returning 1
    ), ended as (
        delete from public.sessions
        where coalesce(revoked_at, least(expires_at, last_seen_at + interval '7 days'))
            < now() - interval '30 days' returning 1
    ), answers as (
        delete from public.idempotency_keys where created_at < now() - interval '24 hours'
        returning 1
    )
    select (select count(*) from attempts) + (select count(*) from links)
        + (select count(*) from ended) + (select count(*) from answers)
$$;

create function purgeable_workspaces() returns table (workspace_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select w.id from public.workspaces w
    where w.deleted_at < now() - {_KEPT}
       or w.deleted_at is not null
          and not exists (select from public.memberships m where m.workspace_id = w.id)
    order by w.deleted_at
$$;

-- Everything that names the workspace goes: in every table that has tenants, and in the journal.
create function purge_workspace(target uuid) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $function$
declare
    present constant text := current_setting('roost.workspace_id', true);
    owned regclass;
    agents uuid[];
begin
    perform from public.workspaces w where w.id = target for update;
    if not exists (select from public.purgeable_workspaces() p where p.workspace_id = target) then
        return false;
    end if;
    perform set_config('roost.workspace_id', target::text, true);
    -- An agent belongs to one workspace; one that was removed is known by its token's making alone.
    agents := array(
        select u.id from public.users u
        where u.kind = 'agent'
            and not exists (
                select from public.memberships m
                where m.user_id = u.id and m.workspace_id <> target
            )
            and (
                exists (
                    select from public.memberships m
                    where m.user_id = u.id and m.workspace_id = target
                )
                or exists (
                    select from public.audit_events a
                    where a.workspace_id = target and a.action = 'token.created'
                        and a.details ->> 'agentId' = u.id::text
                )
            )
    );
    for owned in
        select c.oid::regclass from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace_id'
            and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            and not c.relispartition
        order by c.oid
    loop
        execute format('delete from %s where workspace_id = $1', owned) using target;
    end loop;
    delete from public.workspaces w where w.id = target;
    delete from public.users u where u.id = any (agents);
    delete from journal.journal j where j.workspace_id = target;
    if agents <> '{{}}' then
        perform journal.redact('public.users', 'id', agents::text[],
            '{{email,name,avatar_url,profile,preferences,last_login_at}}');
    end if;
    perform set_config('roost.workspace_id', coalesce(present, ''), true);
    return true;
end
$function$;

-- Whether a user has the address by right: by a provider's word, or, without identities, by the
-- operator's. Who signs up is told apart by it from those who only claimed the address.
create function is_email_proved(address text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from public.users u
        where lower(u.email) = lower(is_email_proved.address) and (
            not exists (select from public.identities i where i.user_id = u.id)
            or exists (
                select from public.identities i
                where i.user_id = u.id and i.email_verified and lower(i.email) = lower(u.email)
            )
        )
    )
$$;

revoke all on function sweep_expired(), purgeable_workspaces(), purge_workspace(uuid),
    is_email_proved(text) from public;
grant execute on function sweep_expired(), purgeable_workspaces(), purge_workspace(uuid),
    is_email_proved(text) to roost_app;
"""


def _make_functions() -> None:
    run_script(_FUNCTIONS)
