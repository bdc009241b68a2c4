"""Benchmarks of the database, and the schemas that they work in."""

from alembic import context

from roost.db.revisions.isolation import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make their table and functions."""
    run_script(context.config.attributes["benchmarks"])
