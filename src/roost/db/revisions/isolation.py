"""What a revision does to keep tenants apart. Written once, called by every revision."""

import sqlalchemy as sa
from alembic import op

TENANT = "nullif(current_setting('roost.workspace_id', true), '')::uuid"
USER = "nullif(current_setting('roost.user_id', true), '')::uuid"
CREDENTIAL = "decode(nullif(current_setting('roost.credential', true), ''), 'hex')"


def run_script(script: str) -> None:
    """Run SQL to the letter: its colons are no places for values."""
    op.execute(sa.text(script.replace(":", "\\:")))


def isolate(table: str, using: str, check: str | None = None) -> None:
    """Put the table under row-level security, the owner too, and give it to the pool's role."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(
        f"create policy tenant on {table} using ({using})"
        + (f" with check ({check})" if check else "")
    )
    op.execute(f"grant select, insert, update, delete on {table} to roost_app")


def isolate_by_command(table: str, **conditions: str) -> None:
    """Put the table under row-level security with a policy for each command named.

    The commands are `select`, `insert`, `update` and `delete`; one that has no policy touches no
    row. Rights are granted apart, by columns where that helps.
    """
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"drop policy if exists tenant on {table}")
    for command, condition in conditions.items():
        clause = "with check" if command == "insert" else "using"
        op.execute(
            f"create policy tenant_{command} on {table} for {command} {clause} ({condition})"
        )


def grant(table: str, rights: str) -> None:
    """Let the pool's role do this with the table, and nothing else."""
    op.execute(f"revoke all on {table} from roost_app")
    op.execute(f"grant {rights} on {table} to roost_app")


def isolate_by_workspace(table: str) -> None:
    """Isolate a tenant table: rows of the statement's workspace, for all four commands."""
    isolate(table, f"workspace_id = {TENANT}")


def open_to_owner(table: str) -> None:
    """Let the owner (the command line, never the pool) see every row."""
    op.execute(f"create policy operator on {table} to current_user using (true)")


def journal(
    table: str,
    *,
    workspace: str | None = "workspace_id",
    exclude: tuple[str, ...] = (),
    large: tuple[str, ...] = (),
) -> None:
    """Attach the journal. `exclude` is never stored; `large` is not stored twice."""
    column = f"'{workspace}'" if workspace else "null"
    op.execute(
        f"select journal.attach('public.{table}', workspace_column => {column}, "
        f"exclude => '{{{','.join(exclude)}}}', large => '{{{','.join(large)}}}')"
    )
