"""Who is in a workspace, as its members see them: rows that can be followed."""

import sqlalchemy as sa
from alembic import op

from roost.db.revisions.isolation import (
    TENANT,
    grant,
    isolate_by_command,
    journal,
    open_to_owner,
    run_script,
)

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table, fill it, and keep it as users and memberships are."""
    op.create_table(
        "workspace_users",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "id"],
            ["memberships.workspace_id", "memberships.user_id"],
            name="workspace_users_workspace_id_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="workspace_users_pkey"),
    )
    op.create_index("workspace_users_id_idx", "workspace_users", ["id"])
    isolate_by_command("workspace_users", select=f"workspace_id = {TENANT}")
    grant("workspace_users", "select")
    open_to_owner("workspace_users")
    run_script(_SHOW)
    journal("workspace_users")
    run_script(_KEEP)


_SHOW = """
    insert into public.workspace_users
        (workspace_id, id, kind, name, avatar_url, role, is_active, created_at)
    select m.workspace_id, u.id, u.kind, u.name, u.avatar_url, m.role, u.is_active, m.created_at
    from public.memberships m join public.users u on u.id = m.user_id
"""
_KEEP = f"""
create function show_member() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $function$
begin
    {_SHOW.strip()}
    where m.workspace_id = new.workspace_id and m.id = new.id
    on conflict (workspace_id, id) do update set role = excluded.role;
    return null;
end
$function$;
revoke all on function show_member() from public;
create trigger show_member after insert or update of role on memberships
    for each row execute function show_member();

create function show_user() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $function$
begin
    update public.workspace_users w
    set kind = new.kind, name = new.name, avatar_url = new.avatar_url, is_active = new.is_active
    where w.id = new.id and (w.kind, w.name, w.avatar_url, w.is_active)
        is distinct from (new.kind, new.name, new.avatar_url, new.is_active);
    if new.erased_at is not null and old.erased_at is null then
        perform journal.redact(
            'public.workspace_users', 'id', array[new.id::text], '{{name,avatar_url}}'
        );
    end if;
    return null;
end
$function$;
revoke all on function show_user() from public;
create trigger show_user after update of kind, name, avatar_url, is_active, erased_at on users
    for each row execute function show_user();
"""
