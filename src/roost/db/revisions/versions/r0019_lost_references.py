"""A task that loses its environment or its assignee has changed, and gets its next version.

And a claim takes a queued run where the task that was to go before it is just being taken.
"""

from alembic import context

from roost.db.revisions.isolation import run_script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Have the database see to it: its foreign keys are what takes them away."""
    run_script(_NOTE)
    run_script(context.config.attributes["executions"])


_NOTE = """
create function note_lost_reference() returns trigger
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $function$
begin
    new.version := old.version + 1;
    new.updated_at := now();
    return new;
end
$function$;
revoke all on function note_lost_reference() from public;
create trigger note_lost_reference
before update of environment_id, assignee_id on public.tasks
for each row when (
    new.version = old.version and (
        (new.environment_id is null and old.environment_id is not null)
        or (new.assignee_id is null and old.assignee_id is not null)
    )
)
execute function note_lost_reference();
"""
