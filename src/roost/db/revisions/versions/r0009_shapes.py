"""Shapes: what the workers know of each, and readers of the journal that follow it."""

from alembic import context

from roost.db.revisions.isolation import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Bring the journal up to date, and make the tables of shapes."""
    run_script(context.config.attributes["journal"])
    run_script(context.config.attributes["sync"])
