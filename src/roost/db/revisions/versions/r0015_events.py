"""What people did by requests, and which of them failed or were slow."""

from alembic import context

from roost.db.revisions.isolation import run_script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table of events."""
    run_script(context.config.attributes["events"])
