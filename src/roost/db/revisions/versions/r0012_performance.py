"""What the database doctor remembers."""

from alembic import context

from roost.db.revisions.isolation import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make its schema."""
    run_script(context.config.attributes["performance"])
