"""An index for the links of a user: who is deleted must not be looked for through all of them."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make it."""
    op.create_index("login_links_user_id_idx", "login_links", ["user_id"])
