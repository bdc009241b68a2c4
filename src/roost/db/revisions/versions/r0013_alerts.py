"""Alerts: rules, events, channels and deliveries."""

from alembic import context

from roost.db.revisions.isolation import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make their tables."""
    run_script(context.config.attributes["alerts"])
