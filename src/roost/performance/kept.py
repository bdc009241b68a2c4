"""The schema `performance`: what the doctor remembers, and how it is kept from growing."""

from importlib import resources

from roost.db.pool import Transaction
from roost.db.statements import Statement

_PREPARE = Statement(
    "select performance.prepare", "select performance.prepare_partitions()", (), {}
)
_PRESS = Statement("select performance.press", "select performance.press_old() as done", (), {})
_DROP = Statement(
    "select performance.drop", "select performance.drop_older($1) as gone", ("days",), {}
)


def install_sql(name: str = "kept") -> str:
    """Give the statements that make it, once; `alerts` are a part that came later."""
    return (resources.files("roost.performance") / "sql" / f"{name}.sql").read_text("utf-8")


async def keep_up(transaction: Transaction, days: int) -> None:
    """Make partitions for the days to come, press old ones into hours, drop those past `days`."""
    await transaction.row(_PREPARE)
    await transaction.row(_PRESS)
    await transaction.row(_DROP, days=days)
