"""Claims that are given as rows in JSON."""

from alembic import context, op

from roost.db.revisions.isolation import run_script

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the function anew: what it gives has changed."""
    op.execute(
        "drop function if exists claim_execution("
        "uuid, uuid, uuid, text, text, uuid, text[], uuid, integer, text)"
    )
    run_script(context.config.attributes["executions"])
