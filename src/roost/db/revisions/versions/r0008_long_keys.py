"""Keys of any length: what was indexed by a key or a name is indexed by its hash."""

from alembic import op

from roost.db.revisions.isolation import run_script

revision = "0008"
down_revision = "0007"

# A B-tree takes no entry of more than a third of a page; localStorage has keys that are longer.
_HASHED = r"""
create unique index migration_keys_key_hash_key on migration_keys
    (workspace_id, migration_id, sha256(decode(replace(key, '\', '\\'), 'escape')));
create index documents_key_hash_idx on documents
    (workspace_id, user_id, sha256(decode(replace(key, '\', '\\'), 'escape')));
create unique index kept_secrets_name_hash_key on kept_secrets
    (workspace_id, user_id, sha256(decode(replace(name, '\', '\\'), 'escape')));
"""


def upgrade() -> None:
    """Make the indexes anew."""
    run_script(_HASHED)
    op.drop_constraint("migration_keys_workspace_id_migration_id_key_key", "migration_keys")
    op.drop_index("documents_workspace_id_user_id_key_idx", "documents")
    op.drop_constraint("kept_secrets_workspace_id_user_id_name_key", "kept_secrets")
