"""The SQL of claims and leases."""

from importlib import resources


def install_sql() -> str:
    """Give the statements that make the functions of claims and leases."""
    return (resources.files("roost.executions") / "sql" / "leases.sql").read_text("utf-8")
