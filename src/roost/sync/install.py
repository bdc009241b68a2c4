"""The SQL that makes the schema ``sync``, and takes it away."""

from importlib import resources

from roost.sync.identifiers import quoted


def install_sql() -> str:
    """Give the statements that make the tables; run again, they change nothing."""
    return (resources.files("roost.sync") / "sql" / "shapes.sql").read_text("utf-8")


def uninstall_sql() -> str:
    """Give the statement that removes them."""
    return "drop schema if exists sync cascade"


def grant_sql(role: str) -> str:
    """Give the statements that let `role` keep shapes."""
    name = quoted(role)
    return (
        f"grant usage on schema sync to {name};"
        f"grant select, insert, update, delete on sync.shape, sync.chunk to {name}"
    )
