"""Claims that are given as rows in JSON."""

from alembic import context

from roost.db.revisions.isolation import run_script

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the function; `claim_execution` stays for the servers that are not yet restarted."""
    run_script(context.config.attributes["executions"])
