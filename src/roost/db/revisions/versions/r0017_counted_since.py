"""Since when a statement was counted; and claims that look up the runs of a task."""

import sqlalchemy as sa
from alembic import context, op

from roost.db.revisions.isolation import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column, and make the functions anew."""
    since = sa.Column("since", sa.DateTime(timezone=True), nullable=True)
    op.add_column("counter", since, schema="performance")
    op.execute("drop function if exists is_worked_on(uuid, uuid)")
    run_script(context.config.attributes["executions"])
